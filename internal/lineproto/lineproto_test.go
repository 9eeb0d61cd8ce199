package lineproto

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/influxdb1-client/models"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

var (
	me  = metric.Person{ID: "me"}
	eva = metric.Person{ID: "eva", Tag: "Eva B"}
)

const odd metric.ID = "odd"

func catalogue() metric.Catalogue {
	return append(metric.Default(), metric.Series{ID: odd, Measurement: `m ,="\é`, Tags: []string{`t ,="é`, "A"},
		Fields: []metric.Field{{Key: `f ,="é`, Kind: metric.Int}, {Key: "km", Unit: metric.Kilometre, Python: metric.Mile}}})
}

func encoder(t testing.TB, u Units) *Encoder {
	t.Helper()
	e, err := New(catalogue(), u)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func block(id metric.ID, device string, tags []string, rows ...[]float64) *metric.Block {
	b := &metric.Block{Series: id, Device: device, Tags: tags}
	for i, r := range rows {
		b.Append(int64(i+1), r...)
	}
	return b
}

func TestAppend(t *testing.T) {
	n := math.NaN()
	tests := []struct {
		name   string
		person metric.Person
		block  *metric.Block
		units  Units
		omit   uint64
		want   string
	}{
		{"integer", me, block(metric.HeartRate, "Charge 6", nil, []float64{61}, []float64{0}), Metric, 0, "HeartRate_Intraday,Device=Charge\\ 6 value=61i 1\nHeartRate_Intraday,Device=Charge\\ 6 value=0i 2\n"},
		{"no device", me, block(metric.HeartRate, "", nil, []float64{61}), Metric, 0, "HeartRate_Intraday value=61i 1\n"},
		{"series without device", me, block(metric.Battery, "D", []string{""}, []float64{100}), Metric, 0, "DeviceBatteryLevel value=100 1\n"},
		{"person sorted among tags", eva, block(metric.SleepLevels, "D", []string{"True"}, []float64{3, n}), Metric, 0, "Sleep\\ Levels,Device=D,Person=Eva\\ B,isMainSleep=True level=3i 1\n"},
		{"own tag before person", eva, block(metric.Workouts, "D", []string{"Run"}, []float64{n, n, n, n, 5, 1.5}), Metric, 0, "Activity\\ Records,ActivityName=Run,Person=Eva\\ B steps=5i,distance=1.5 1\n"},
		{"absent", me, block("hrv", "D", nil, []float64{n, n}, []float64{n, 2}, []float64{1.25, n}), Metric, 0, "HRV,Device=D deepRmssd=2 2\nHRV,Device=D dailyRmssd=1.25 3\n"},
		{"all absent", me, block("hrv", "D", nil, []float64{n, n}), Metric, 0, ""},
		{"left out", me, block("hrv", "D", nil, []float64{1, 2}), Metric, 1, "HRV,Device=D deepRmssd=2 1\n"},
		{"all left out", me, block("hrv", "D", nil, []float64{1, 2}), Metric, 3, ""},
		{"floats", me, block("spo2", "D", nil, []float64{95, -0.1, 1e-9}, []float64{1e20, 123456.789, math.Copysign(0, -1)}), Metric, 0,
			"SPO2,Device=D avg=95,max=-0.1,min=1e-09 1\nSPO2,Device=D avg=1e+20,max=123456.789,min=-0 2\n"},
		{"not storable", me, block(odd, "D", nil, []float64{1e19, math.Inf(1)}, []float64{2.5, math.Inf(-1)}), Metric, 0, "m\\ \\,=\"/é,Device=D f\\ \\,\\=\"é=3i 2\n"},
		{"odd names", eva, block(odd, "a\\b\\", []string{" x\ny ", "ü,="}, []float64{-1, 2}), Metric, 0,
			"m\\ \\,=\"/é,A=ü\\,\\=,Device=a/b/,Person=Eva\\ B,t\\ \\,\\=\"é=\\ x\\ y\\  f\\ \\,\\=\"é=-1i,km=2 1\n"},
		{"broken UTF-8", me, block(metric.HeartRate, "a\xff", nil, []float64{1}), Metric, 0, "HeartRate_Intraday,Device=a\uFFFD value=1i 1\n"},
		{"miles", me, block("distance", "D", nil, []float64{1.609344}), Python, 0, "distance,Device=D value=1 1\n"},
		{"pounds", me, block(metric.Weight, "D", nil, []float64{0.45359237}), Python, 0, "weight,Device=D value=1 1\n"},
		{"fahrenheit", me, block("skin_temperature", "D", nil, []float64{-0.5}), Python, 0, "Skin\\ Temperature\\ Variation,Device=D RelativeValue=-0.9 1\n"},
		{"others stay", me, block(metric.BMI, "D", nil, []float64{22.5}), Python, 0, "bmi,Device=D value=22.5 1\n"},
	}
	for _, c := range tests {
		got, n := encoder(t, c.units).Append(nil, c.person, c.block, 0, c.block.Len(), c.omit)
		if string(got) != c.want || n != strings.Count(c.want, "\n") {
			t.Errorf("%s:\n got %d %q\nwant %q", c.name, n, got, c.want)
		}
	}
	b := block(metric.HeartRate, "D", nil, []float64{1}, []float64{2}, []float64{3})
	if got, n := encoder(t, Metric).Append([]byte("x"), me, b, 1, 2, 0); n != 1 || string(got) != "xHeartRate_Intraday,Device=D value=2i 2\n" {
		t.Errorf("part of a block: %q", got)
	}
}

func TestUnknownConversion(t *testing.T) {
	c := metric.Catalogue{{ID: "x", Measurement: "x", Fields: []metric.Field{{Key: "v", Unit: metric.Kilogram, Python: metric.Mile}}}}
	if _, err := New(c, Python); err == nil {
		t.Error("kilograms became miles")
	}
	if _, err := New(c, Metric); err != nil {
		t.Error(err)
	}
}

// FuzzAppend has the database's own parser read back what is written, whatever the names and values are.
func FuzzAppend(f *testing.F) {
	f.Add("Charge 6", "Eva", "a,b", 1.5, int64(1))
	f.Add(`\`, ` `, `=\,`, math.Copysign(0, -1), int64(-5))
	f.Add("\n", "\x00\xff", "日本", 1e300, int64(1<<60))
	f.Add("#", "\"", "'", 1e-300, int64(0))
	e, err := New(catalogue(), Metric)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, device, person, tag string, v float64, at int64) {
		b := &metric.Block{Series: odd, Device: device, Tags: []string{tag, ""}}
		b.Append(at, v, v)
		line, n := e.Append(nil, metric.Person{Tag: person}, b, 0, 1, 0)
		if n == 0 {
			if Storable(metric.Float, v) {
				t.Fatalf("%v was not written", v)
			}
			return
		}
		if at < math.MinInt64+2 || at == math.MaxInt64 {
			return // beyond what the database counts
		}
		points, err := models.ParsePoints(line)
		if err != nil || len(points) != 1 {
			t.Fatalf("%q: %v", line, err)
		}
		want := map[string]string{}
		e.Tags(metric.Person{Tag: person}, b, func(k, v string) {
			if v != "" {
				want[k] = v
			}
		})
		p := points[0]
		if got := p.Tags().Map(); fmt.Sprint(got) != fmt.Sprint(want) || string(p.Name()) != Clean(`m ,="\é`) || p.UnixNano() != at {
			t.Fatalf("%q reads back as %q %v, want %v", line, p.Name(), got, want)
		}
		fields, err := p.Fields()
		if err != nil || fields["km"] != v {
			t.Fatalf("%q reads back as %v: %v", line, fields, err)
		}
		if i, ok := fields[`f ,="é`]; ok && i != int64(math.Round(v)) {
			t.Fatalf("%q: %v", line, i)
		}
	})
}

func TestTable(t *testing.T) {
	n := math.NaN()
	e := encoder(t, Python)
	row, _ := catalogue().Lookup(odd)
	tab := e.Table(row)
	out := tab.AppendHeader(nil)
	b := block(odd, "Charge, 6", []string{"say \"hi\"\nthere", ""}, []float64{1, 1.609344}, []float64{n, n})
	b.Times[1] = 1_500_000_000
	out = tab.Append(out, eva, b)
	got, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"time", "person", "Device", `t ,="é`, "A", `f ,="é`, "km"},
		{"1970-01-01T00:00:00.000000001Z", "eva", "Charge, 6", "say \"hi\"\nthere", "", "1", "1"},
		{"1970-01-01T00:00:01.5Z", "eva", "Charge, 6", "say \"hi\"\nthere", "", "", ""},
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	tab = e.Table(catalogue().Must(metric.Battery))
	if got := string(tab.Append(tab.AppendHeader(nil), me, block(metric.Battery, "D", nil, []float64{50}))); got != "time,person,Tracker,value\n1970-01-01T00:00:00.000000001Z,me,,50\n" {
		t.Errorf("got %q", got)
	}
}

// TestNoAllocations checks that a point costs none.
func TestNoAllocations(t *testing.T) {
	e := encoder(t, Metric)
	b := pulse(1000)
	dst, _ := e.Append(nil, me, b, 0, b.Len(), 0)
	if n := testing.AllocsPerRun(100, func() { e.Append(dst[:0], me, b, 0, b.Len(), 0) }); n != 0 {
		t.Errorf("%v allocations for a block", n)
	}
}

func pulse(n int) *metric.Block {
	b := &metric.Block{Series: metric.HeartRate, Device: "Charge 6"}
	for i := range int64(n) {
		b.Append(1_700_000_000_000_000_000+i*int64(time.Second), float64(50+i%120))
	}
	return b
}

func BenchmarkHeartRate(b *testing.B) {
	e := encoder(b, Metric)
	block := pulse(5000)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = e.Append(dst[:0], me, block, 0, block.Len(), 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*block.Len()), "ns/point")
}

func BenchmarkTrack(b *testing.B) {
	e := encoder(b, Metric)
	block := &metric.Block{Series: metric.Track, Tags: []string{"2026-01-01T00:00:00-Walk"}}
	for i := range int64(5000) {
		f := float64(i)
		block.Append(1_700_000_000_000_000_000+i*int64(time.Second), 47+f/1e5, 19+f/1e5, 100+f/10, f*2.5, 5.25, 120)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = e.Append(dst[:0], me, block, 0, block.Len(), 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*block.Len()), "ns/point")
}
