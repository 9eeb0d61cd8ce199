package endtoend

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// points are what a database holds: by "measurement|tag=value,…|field", by instant.
type points map[string]map[int64]float64

func (p points) add(measurement string, tags []string, field string, t int64, v float64) {
	if !metric.Present(v) {
		return
	}
	key := measurement + "|" + strings.Join(tags, ",") + "|" + field
	if p[key] == nil {
		p[key] = map[int64]float64{}
	}
	p[key][t] = v
}

// plus takes the points of another into p.
func (p points) plus(o points) points {
	for k, s := range o {
		if p[k] == nil {
			p[k] = map[int64]float64{}
		}
		maps.Copy(p[k], s)
	}
	return p
}

func (p points) len() (n int) {
	for _, s := range p {
		n += len(s)
	}
	return n
}

// held reads all that stands in a database.
func held(t *testing.T, s *influxd.Server, database string) points {
	t.Helper()
	out := points{}
	for _, r := range s.Query(database, "SHOW MEASUREMENTS") {
		for _, series := range r.Series {
			for _, row := range series.Values {
				out.read(t, s, database, row[0].(string))
			}
		}
	}
	return out
}

// read adds one measurement, asked as CSV: a column for name, tags and time, then one for each field.
func (p points) read(t *testing.T, s *influxd.Server, database, measurement string) {
	t.Helper()
	q := url.Values{"db": {database}, "epoch": {"ns"}, "q": {fmt.Sprintf("SELECT * FROM %q GROUP BY *", measurement)}}
	req, err := http.NewRequest(http.MethodGet, s.URL+"/query?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/csv")
	s.Authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("asking for %s: HTTP %d", measurement, resp.StatusCode)
	}
	r := csv.NewReader(resp.Body)
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	var columns []string
	var tags string
	var series []map[int64]float64 // of the columns
	for {
		row, err := r.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("reading %s: %v", measurement, err)
		}
		if row[0] == "name" && row[2] == "time" {
			columns, series = slices.Clone(row), nil
			continue
		}
		if series == nil || row[1] != tags {
			tags, series = strings.Clone(row[1]), make([]map[int64]float64, len(columns))
		}
		at, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			t.Fatalf("reading %s: %v", measurement, err)
		}
		for i := 3; i < len(row); i++ {
			if row[i] == "" {
				continue
			}
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				t.Fatalf("reading %s: %v", measurement, err)
			}
			if series[i] == nil {
				key := measurement + "|" + plain(tags) + "|" + columns[i]
				if p[key] == nil {
					p[key] = map[int64]float64{}
				}
				series[i] = p[key]
			}
			series[i][at] = v
		}
	}
}

// exported reads what the archive of h holds, as its export in line protocol writes it.
func (h *home) exported() points {
	h.t.Helper()
	file := filepath.Join(h.dir, "export.lp")
	if code, said := h.do("export", "-o", file); code != 0 {
		h.t.Fatalf("export: code %d: %s", code, said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	return parseLines(h.t, string(text))
}

// parseLines reads line protocol.
func parseLines(t *testing.T, text string) points {
	t.Helper()
	out := points{}
	cached := map[string]map[int64]float64{} // by raw head and field
	for line := range strings.Lines(text) {
		head, rest := cutAt(strings.TrimSuffix(line, "\n"), ' ')
		fields, stamp := cutAt(rest, ' ')
		at, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		for fields != "" {
			var one string
			one, fields = cutAt(fields, ',')
			name, value := cutAt(one, '=')
			v, err := strconv.ParseFloat(strings.TrimSuffix(value, "i"), 64)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			raw := head + "|" + name
			if cached[raw] == nil {
				measurement, tags := cutAt(head, ',')
				var list []string
				for tags != "" {
					var tag string
					tag, tags = cutAt(tags, ',')
					list = append(list, plain(tag))
				}
				out.add(plain(measurement), list, plain(name), at, v)
				cached[raw] = out[plain(measurement)+"|"+strings.Join(list, ",")+"|"+plain(name)]
			}
			cached[raw][at] = v
		}
	}
	return out
}

// cutAt parts s at the first sep that no backslash stands before.
func cutAt(s string, sep byte) (before, after string) {
	for i := range len(s) {
		if s[i] == sep && (i == 0 || s[i-1] != '\\') {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func plain(s string) string { return strings.ReplaceAll(s, `\`, "") }

// same compares what was wanted with what is there, series by series and day by day of the zone.
func same(t *testing.T, what string, want, got points, zone *time.Location) {
	t.Helper()
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	said := 0
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, d := range differences(want[key], got[key], zone) {
			if said++; said <= 25 {
				t.Errorf("%s: %s on %s", what, key, d)
			}
		}
	}
	if said > 25 {
		t.Errorf("%s: … and %d more", what, said-25)
	}
}

// difference is what is wrong on one day of one series.
type difference struct {
	missing, extra, wrong int
	first                 string
}

func differences(want, got map[int64]float64, zone *time.Location) []string {
	days := map[string]*difference{}
	note := func(at int64) *difference {
		d := time.Unix(0, at).In(zone).Format(time.DateOnly)
		if days[d] == nil {
			days[d] = &difference{}
		}
		return days[d]
	}
	first := func(d *difference, at int64, format string, args ...any) {
		if d.first == "" {
			d.first = time.Unix(0, at).In(zone).Format("15:04:05.999999") + " " + fmt.Sprintf(format, args...)
		}
	}
	for at, v := range want {
		switch w, ok := got[at]; {
		case !ok:
			d := note(at)
			d.missing++
			first(d, at, "should be %v", v)
		case !near(v, w):
			d := note(at)
			d.wrong++
			first(d, at, "is %v, should be %v", w, v)
		}
	}
	for at, w := range got {
		if _, ok := want[at]; !ok {
			d := note(at)
			d.extra++
			first(d, at, "is %v, should not be", w)
		}
	}
	var out []string
	for _, d := range slices.Sorted(maps.Keys(days)) {
		x := days[d]
		out = append(out, fmt.Sprintf("%s: %d missing, %d extra, %d wrong; %s", d, x.missing, x.extra, x.wrong, x.first))
	}
	return out
}

// near allows for the last digits of a float alone.
func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
}
