package simulate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	pathlib "path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// schema is one schema, or one property, of the discovery document.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Enum       []string           `json:"enum"`
	Items      *schema            `json:"items"`
	Properties map[string]*schema `json:"properties"`
}

// discovery is the service's own description, as the official module carries it.
type discovery struct {
	Schemas map[string]*schema `json:"schemas"`
}

func readDiscovery(t testing.TB) *discovery {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("finding the module of the discovery document: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "health", "v4", "health-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := &discovery{}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	if len(d.Schemas) < 100 {
		t.Fatalf("the discovery document has only %d schemas", len(d.Schemas))
	}
	return d
}

// check compares a JSON value with a schema and returns what is wrong with it.
func (d *discovery) check(s *schema, v any, path string) []string {
	if s.Ref != "" {
		ref, ok := d.Schemas[s.Ref]
		if !ok {
			return []string{path + ": schema " + s.Ref + " is missing"}
		}
		return d.check(ref, v, path)
	}
	wrong := func(want string) []string { return []string{fmt.Sprintf("%s: %v (%T) is no %s", path, v, v, want)} }
	switch s.Type {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			return wrong("object")
		}
		var out []string
		for k, x := range o {
			p, ok := s.Properties[k]
			if !ok {
				out = append(out, path+"."+k+": unknown member")
				continue
			}
			out = append(out, d.check(p, x, path+"."+k)...)
		}
		return out
	case "array":
		a, ok := v.([]any)
		if !ok {
			return wrong("array")
		}
		var out []string
		for i, x := range a {
			out = append(out, d.check(s.Items, x, path+"["+strconv.Itoa(i)+"]")...)
		}
		return out
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong("boolean")
		}
	case "integer":
		n, ok := v.(json.Number)
		if _, err := strconv.ParseInt(n.String(), 10, 32); !ok || err != nil {
			return wrong("integer")
		}
	case "number":
		if _, ok := v.(json.Number); !ok && v != "NaN" {
			return wrong("number")
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			return wrong("string")
		}
		if !goodString(s, text) {
			return wrong("string of format " + s.Format + " " + strings.Join(s.Enum, "|"))
		}
	}
	return nil
}

func goodString(s *schema, text string) bool {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return false
	}
	switch s.Format {
	case "int64":
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	case "google-duration":
		_, err := strconv.ParseFloat(strings.TrimSuffix(text, "s"), 64)
		return err == nil && strings.HasSuffix(text, "s")
	case "google-datetime":
		_, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && strings.HasSuffix(text, "Z")
	}
	return true
}

// answers says which schema an answer of the service has.
func answers(path string) string {
	_, last, _ := strings.Cut(path, "/users/")
	_, last, _ = strings.Cut(last, "/")
	for _, x := range []struct{ pattern, schema string }{
		{"dataTypes/*/dataPoints", "ListDataPointsResponse"},
		{"dataTypes/*/dataPoints:reconcile", "ReconcileDataPointsResponse"},
		{"dataTypes/*/dataPoints:rollUp", "RollUpDataPointsResponse"},
		{"dataTypes/*/dataPoints:dailyRollUp", "DailyRollUpDataPointsResponse"},
		{"dataTypes/*/dataPoints/*:exportExerciseTcx", "ExportExerciseTcxResponse"},
		{"dataTypes/*/dataPoints/*", "DataPoint"},
		{"pairedDevices", "ListPairedDevicesResponse"},
		{"pairedDevices/*", "PairedDevice"},
		{"identity", "Identity"},
		{"settings", "Settings"},
		{"profile", "Profile"},
		{"irnProfile", "IrnProfile"},
	} {
		if ok, _ := pathlib.Match(x.pattern, last); ok {
			return x.schema
		}
	}
	return ""
}

// checked passes requests on and compares every JSON answer of the API with the discovery document.
type checked struct {
	t    testing.TB
	doc  *discovery
	next http.Handler

	mu    sync.Mutex
	seen  map[string]int // answers checked, by schema
	bytes int
}

func newChecked(t testing.TB, next http.Handler) *checked {
	return &checked{t: t, doc: readDiscovery(t), next: next, seen: map[string]int{}}
}

func (c *checked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	if rec.Header().Get("Content-Encoding") == "gzip" {
		gz, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(gz)
		}
		if err != nil {
			c.t.Errorf("%s: unpacking: %v", r.URL.Path, err)
		}
	}
	if name := answers(r.URL.Path); rec.Code == http.StatusOK && name != "" && strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		c.compare(name, r, body)
	} else if strings.HasPrefix(r.URL.Path, "/v4/") && rec.Code >= 400 && rec.Code != 404 {
		c.error(r, rec.Code, body)
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (c *checked) compare(name string, r *http.Request, body []byte) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		c.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	wrong := c.doc.check(&schema{Ref: name}, v, name)
	for _, w := range wrong[:min(len(wrong), 5)] {
		c.t.Errorf("%s %s: %s", r.Method, r.URL.Path, w)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name]++
	c.bytes += len(body)
}

// error checks that an error has the service's form.
func (c *checked) error(r *http.Request, code int, body []byte) {
	var v struct {
		Error struct {
			Code            int
			Message, Status string
			Details         []map[string]any
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&v); err != nil || v.Error.Code != code || v.Error.Message == "" || v.Error.Status == "" {
		c.t.Errorf("%s: error %d has not the service's form: %s", r.URL.Path, code, body)
	}
}

// TestChecker lets the checker find what it must find.
func TestChecker(t *testing.T) {
	d := readDiscovery(t)
	for _, x := range []struct{ schema, text, wrong string }{
		{"ListDataPointsResponse", `{"dataPoints":[{"steps":{"count":"87"}}]}`, ""},
		{"ListDataPointsResponse", `{"dataPoints":[{"steps":{"count":87}}]}`, "is no string"},
		{"ListDataPointsResponse", `{"dataPoints":[{"steps":{"counts":"87"}}]}`, "unknown member"},
		{"ListDataPointsResponse", `{"dataPoints":[{"dataPointName":"x"}]}`, "unknown member"},
		{"ReconcileDataPointsResponse", `{"dataPoints":[{"dataSource":{}}]}`, "unknown member"},
		{"ListDataPointsResponse", `{"dataPoints":{}}`, "is no array"},
		{"Sleep", `{"type":"STAGED"}`, "is no string of format"},
		{"Sleep", `{"createTime":"2026-08-06T03:13:54+02:00"}`, "google-datetime"},
		{"DailySleepTemperatureDerivations", `{"baselineTemperatureCelsius":"NaN"}`, ""},
		{"DailySleepTemperatureDerivations", `{"baselineTemperatureCelsius":"34"}`, "is no number"},
		{"PairedDevice", `{"batteryLevel":"82"}`, "is no integer"},
		{"Exercise", `{"activeDuration":"1025"}`, "google-duration"},
	} {
		dec := json.NewDecoder(strings.NewReader(x.text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(d.check(&schema{Ref: x.schema}, v, x.schema), "; ")
		if x.wrong == "" && got != "" || x.wrong != "" && !strings.Contains(got, x.wrong) {
			t.Errorf("%s: %q, want %q", x.text, got, x.wrong)
		}
	}
}

// paths returns the masks of all members below a schema that have no members themselves.
func (d *discovery) paths(s *schema, prefix string, depth int) []string {
	if s.Ref != "" {
		s = d.Schemas[s.Ref]
	}
	if s.Items != nil {
		return d.paths(s.Items, prefix, depth)
	}
	if len(s.Properties) == 0 || depth > 8 {
		return []string{prefix}
	}
	var out []string
	for k, p := range s.Properties {
		out = append(out, d.paths(p, strings.TrimPrefix(prefix+"/"+k, "/"), depth+1)...)
	}
	return out
}

// TestMaskKnowsEverything asks for each member of the discovery document alone; types that cannot be read are not in the table.
func TestMaskKnowsEverything(t *testing.T) {
	d := readDiscovery(t)
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	n := 0
	for path, name := range map[string]string{
		"/v4/users/me/dataTypes/weight/dataPoints":           "ListDataPointsResponse",
		"/v4/users/me/dataTypes/weight/dataPoints:reconcile": "ReconcileDataPointsResponse",
		"/v4/users/me/pairedDevices":                         "ListPairedDevicesResponse",
		"/v4/users/me/settings":                              "Settings",
		"/v4/users/me/profile":                               "Profile",
		"/v4/users/me/identity":                              "Identity",
		"/v4/users/me/irnProfile":                            "IrnProfile",
	} {
		for _, member := range d.paths(&schema{Ref: name}, "", 0) {
			part := strings.Split(member, "/")
			if len(part) > 1 && slices.Contains([]string{"menstrualPeriod", "moods", "ovulationTest", "symptoms"}, part[1]) {
				continue
			}
			n++
			if code, body := get(t, g, token, path+"?pageSize=1&prettyPrint=false&fields="+member); code != http.StatusOK {
				t.Errorf("%s: fields=%s: %d %s", path, member, code, body)
			}
		}
	}
	for path, name := range map[string]string{":rollUp": "RollUpDataPointsResponse", ":dailyRollUp": "DailyRollUpDataPointsResponse"} {
		body := map[string]string{":rollUp": `{"range":{"startTime":"2025-03-01T00:00:00Z","endTime":"2025-03-02T00:00:00Z"},"windowSize":"86400s"}`,
			":dailyRollUp": `{"range":{"start":{"date":{"year":2025,"month":3,"day":1}},"end":{"date":{"year":2025,"month":3,"day":2}}}}`}[path]
		for _, member := range d.paths(&schema{Ref: name}, "", 0) {
			n++
			if code, got := do(t, g, token, http.MethodPost, "/v4/users/me/dataTypes/weight/dataPoints"+path+"?fields="+member, body); code != http.StatusOK {
				t.Errorf("%s: fields=%s: %d %s", path, member, code, got)
			}
		}
	}
	if n < 400 {
		t.Errorf("only %d members were asked for", n)
	}
}
