//go:build influxdb2 && !race

package dashboard

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// InfluxDB 2.7.12 with its own Flux, both ways of asking it: make test-influxdb2 builds it and runs this.
const token = "simulated-token"

// startInfluxDB2 starts a server with an empty bucket fitbit and returns its address.
func startInfluxDB2(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("INFLUXD_2")
	if binary == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(cache, "fitbit-fetch", "bin", "influxd-2.7.12")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("InfluxDB 2 is not at %s: run make influxd-2, or name it in INFLUXD_2", binary)
	}
	dir := t.TempDir()
	address := fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))
	cmd := exec.Command(binary, "--reporting-disabled", "--http-bind-address", address, "--bolt-path", filepath.Join(dir, "bolt"), "--sqlite-path", filepath.Join(dir, "sqlite"),
		"--engine-path", filepath.Join(dir, "engine"), "--ui-disabled", "--no-tasks", "--log-level", "error")
	cmd.Env = append(clean(), "INFLUXD_CONFIG_PATH="+filepath.Join(dir, "none"))
	var said proctest.Output
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // it was killed
	})
	url := "http://" + address
	proctest.Until(t, "InfluxDB 2 to answer", func() bool {
		resp, err := http.Get(url + "/health")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	}, func() string { return said.String() })
	post(t, url+"/api/v2/setup", []byte(fmt.Sprintf(`{"username":"user","password":"password","org":"home","bucket":"fitbit","token":%q}`, token)), "application/json", "")
	return url
}

func post(t *testing.T, url string, body []byte, kind, encoding string) []byte {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+token)
	req.Header.Set("Content-Type", kind)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	return do(t, req, url)
}

// write brings lines into a bucket.
func write(t *testing.T, url, bucket string, lines []byte) {
	t.Helper()
	const most = 10 << 20
	for len(lines) > 0 {
		n := len(lines)
		if n > most {
			n = bytes.LastIndexByte(lines[:most], '\n') + 1
		}
		var body bytes.Buffer
		z, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(lines[:n]) // into memory
		z.Close()
		post(t, url+"/api/v2/write?org=home&bucket="+bucket, body.Bytes(), "text/plain", "gzip")
		lines = lines[n:]
	}
}

// bucket makes a further one.
func bucket(t *testing.T, url, name string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url+"/api/v2/orgs", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+token)
	var orgs struct{ Orgs []struct{ ID string } }
	if err := json.Unmarshal(do(t, req, "orgs"), &orgs); err != nil || len(orgs.Orgs) == 0 {
		t.Fatalf("no organisation: %v", err)
	}
	post(t, url+"/api/v2/buckets", []byte(fmt.Sprintf(`{"orgID":%q,"name":%q}`, orgs.Orgs[0].ID, name)), "application/json", "")
}

func TestInfluxDB2(t *testing.T) {
	dir, program := archive(t)
	url := startInfluxDB2(t)
	file := filepath.Join(t.TempDir(), "options.yaml")
	if err := os.WriteFile(file, []byte(yearOptions(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	export := exec.Command(program, "--config", file, "export")
	export.Env = clean()
	lines, err := export.Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, url, "fitbit", lines)
	bucket(t, url, "pounds")
	write(t, url, "pounds", pounds(lines))
	bucket(t, url, "two")
	write(t, url, "two", []byte(twoPeople()))
	bucket(t, url, "empty")
	flux := func(bucket string) database { return fluxed{url: url, org: "home", bucket: bucket, token: token} }
	ql := func(bucket string) database { return influxQL{url: url, database: bucket, token: token} }
	for _, c := range []struct {
		name string
		d    Dialect
		db   func(string) database
		lost []string // the InfluxQL of InfluxDB 2.7 loses a window that does not begin at midnight where the clocks go forward
	}{{"Flux", Flux, flux, nil}, {"InfluxQL", InfluxQL, ql, []string{"2026-03-30"}}} {
		t.Run(c.name+", every query", func(t *testing.T) { everyQuery(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", truths", func(t *testing.T) { truths(t, c.d, c.db("fitbit"), c.lost...) })
		t.Run(c.name+", hours of days", func(t *testing.T) { hoursOfDays(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", readers", func(t *testing.T) { readers(t, c.d, c.db("fitbit"), c.lost...) })
		t.Run(c.name+", in UTC", func(t *testing.T) { anyZone(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", counts", func(t *testing.T) { counts(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", tracks", func(t *testing.T) { tracks(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", usual", func(t *testing.T) { usual(t, c.d, c.db("fitbit")) })
		t.Run(c.name+", units", func(t *testing.T) {
			units(t, c.d, map[string]database{"metric": c.db("fitbit"), "python": c.db("pounds")})
		})
		t.Run(c.name+", persons", func(t *testing.T) { persons(t, c.d, c.db("two")) })
		t.Run(c.name+", an empty bucket", func(t *testing.T) { nothingBreaks(t, c.d, c.db("empty")) })
	}
}

// The stack of compose.yml with its lines for InfluxDB 2.
func TestInfluxDB2Stack(t *testing.T) {
	stackLives(t, "2", startInfluxDB2(t), token, func(s dataSource) database {
		if s.Settings["version"] != "Flux" {
			t.Errorf("Grafana asks in %q", s.Settings["version"])
		}
		return fluxed{url: s.URL, org: s.Settings["organization"], bucket: s.Settings["defaultBucket"], token: s.Secure.Token}
	})
}

// pounds are the daily and the body's lines as the Python project would have written them.
func pounds(lines []byte) []byte {
	factors := map[string]float64{"weight,": 1 / 0.45359237, "distance,": 1 / 1.609344}
	var out bytes.Buffer
	for line := range strings.Lines(string(lines)) {
		for _, m := range []string{"bmi,", `Total\ Steps,`} {
			if strings.HasPrefix(line, m) {
				out.WriteString(line)
			}
		}
		for m, factor := range factors {
			if !strings.HasPrefix(line, m) {
				continue
			}
			head, rest, _ := strings.Cut(line, " value=")
			var v float64
			var at int64
			fmt.Sscanf(rest, "%g %d", &v, &at)
			fmt.Fprintf(&out, "%s value=%v %d\n", head, v*factor, at)
		}
	}
	return out.Bytes()
}

// fluxed asks InfluxDB 2 in Flux.
type fluxed struct{ url, org, bucket, token string }

func (s fluxed) ask(t testing.TB, query string) []frame {
	t.Helper()
	query = strings.NewReplacer("v.defaultBucket", strconv.Quote(s.bucket), "v.organization", strconv.Quote(s.org)).Replace(query)
	body, err := json.Marshal(map[string]any{"query": query, "type": "flux", "dialect": map[string]any{"annotations": []string{"datatype", "group", "default"}}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+"/api/v2/query?org="+s.org, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+s.token)
	req.Header.Set("Content-Type", "application/json")
	return tables(t, string(do(t, req, query)), query)
}

// tables reads InfluxDB 2's annotated CSV.
func tables(t testing.TB, text, query string) []frame {
	t.Helper()
	var out []frame
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		r := csv.NewReader(strings.NewReader(block))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%s\n%v", query, err)
		}
		var types, names []string
		table := ""
		for _, row := range rows {
			switch row[0] {
			case "#datatype":
				types, names = row, nil
				continue
			case "#group", "#default":
				continue
			}
			if names == nil {
				names = row
				if names[1] == "error" {
					t.Fatalf("%s\n%v", query, rows)
				}
				continue
			}
			if len(out) == 0 || row[2] != table || out[len(out)-1].names == nil {
				table = row[2]
				out = append(out, frame{names: names[3:]})
			}
			var values []any
			for i := 3; i < len(row); i++ {
				values = append(values, cell(t, types[i], row[i]))
			}
			out[len(out)-1].rows = append(out[len(out)-1].rows, values)
		}
	}
	return out
}

func cell(t testing.TB, kind, s string) any {
	t.Helper()
	switch {
	case kind == "string" || kind == "boolean":
		return s
	case s == "":
		return nil
	case strings.HasPrefix(kind, "dateTime"):
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%s %q: %v", kind, s, err)
	}
	return n
}
