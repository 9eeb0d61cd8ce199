//go:build grafana && look && !race

package dashboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

var pictures = flag.String("pictures", "", "the folder to draw into")

// The stats, time series and tables as Grafana 12.3's own components draw them, for somebody to look at: make look-grafana.
func TestLookGrafana(t *testing.T) {
	if *pictures == "" {
		t.Fatal("name a folder with -pictures")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	fill(t, s.URL, "fitbit", "metric")
	in, err := json.Marshal(struct {
		job
		UI      string `json:"ui"`
		Out     string `json:"out"`
		Browser string `json:"browser"`
	}{job{libraries(t, "12.3"), InfluxQL, map[string]string{"url": s.URL, "database": "fitbit"}, now.Format(time.RFC3339), viewers[:1], dashboardFiles(t, InfluxQL)}, libraries(t, "12.3-ui"), *pictures, browser})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", filepath.Join("testdata", "judge", "look.mjs"))
	var said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), os.Stdout, &said
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
}
