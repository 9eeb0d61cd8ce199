package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
)

// The command asks, hands on what the options say, shows what was done, and tells no secret. What becomes of each thing in Grafana is
// tested in internal/grafana.
func TestDashboardsInstall(t *testing.T) {
	var bodies bytes.Buffer
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "admin" || password != "hidden-1" {
			http.Error(w, `{"message":"no"}`, http.StatusUnauthorized)
			return
		}
		io.Copy(&bodies, r.Body)
		switch {
		case r.URL.Path == "/api/health":
			io.WriteString(w, `{"version":"12.3.0"}`)
		case r.Method == http.MethodGet && r.URL.Path != "/api/org":
			http.Error(w, `{"message":"not found"}`, http.StatusNotFound)
		default:
			io.WriteString(w, `{"url":"/d/x"}`)
		}
	}))
	defer s.Close()
	var out bytes.Buffer
	c := &call{stdin: strings.NewReader("admin\nhidden-1\n"), stdout: &out, wide: 80}
	c.opts.InfluxDB = config.InfluxDB{On: true, Version: "1", URL: "http://here:8086", Database: "Stats", Username: "u", Password: config.NewSecret("hidden-2")}
	if err := c.installDashboards(context.Background(), &dashboardsFlags{url: s.URL, influx: "http://there:8086"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Grafana 12.3.0", "data source Fitbit Fetch (InfluxQL): created", "dashboard Fitbit: created", "/d/x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown in\n%s", want, out.String())
		}
	}
	for _, want := range []string{`"http://there:8086"`, `"Stats"`, `"hidden-2"`} {
		if !strings.Contains(bodies.String(), want) {
			t.Errorf("Grafana is not told %s", strings.Replace(want, "hidden-2", "the password", 1))
		}
	}
	c.stdin = strings.NewReader("admin\nhidden-3\n")
	err := c.installDashboards(context.Background(), &dashboardsFlags{url: s.URL})
	if err == nil || len(hints(err)) == 0 {
		t.Errorf("a wrong password: %v, without advice", err)
	}
	if strings.Contains(out.String(), "hidden") || err != nil && strings.Contains(err.Error(), "hidden") {
		t.Error("a secret is shown")
	}
}

// Where the first database is none that Grafana's data source can ask, a further one is taken.
func TestDashboardsAskTheFirstInfluxDB(t *testing.T) {
	var o config.Options
	o.InfluxDB = config.InfluxDB{On: true, Version: config.VictoriaMetrics, URL: "http://victoria:8428"}
	if _, err := grafanaDatabase(databaseForGrafana(o), ""); err == nil {
		t.Error("VictoriaMetrics alone is no data source of the dashboards")
	}
	o.More = []config.InfluxDB{{On: true, Version: "2", URL: "http://influxdb:8086", Bucket: "fitbit"}}
	d, err := grafanaDatabase(databaseForGrafana(o), "")
	if err != nil || d.Version != 2 || d.Name != "fitbit" {
		t.Errorf("version %d, bucket %q, %v", d.Version, d.Name, err)
	}
}
