package google

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// A metric of a known shape is a row in the catalogue and a row here: samples come out.
func TestNewRows(t *testing.T) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	span := metric.Span{Start: at, End: at.Add(24 * time.Hour)}
	days := metric.DaySpan(metric.DayOf(at), metric.DayOf(at))
	sampleFeed := func(axis metric.Axis) metric.Feed {
		return metric.Feed{ID: "new", Series: []metric.ID{"new"}, Axis: axis, Chunk: 24 * time.Hour, Max: 90 * 24 * time.Hour, Cost: 1}
	}
	cases := []struct {
		name   string
		row    Row
		span   metric.Span
		answer string
		want   []float64 // of the fields a and b, in the one sample
	}{
		{"sample", Row{Feed: sampleFeed(metric.Instants), Type: "blood-glucose", Shape: Sample,
			Read: []Selector{{Field: "a", Path: "bloodGlucoseMilligramsPerDeciliter"}}}, span,
			`{"dataPoints":[{"bloodGlucose":{"sampleTime":{"physicalTime":"2026-11-20T08:00:00Z"},"bloodGlucoseMilligramsPerDeciliter":98.5}}]}`, []float64{98.5, metric.Absent()}},
		{"interval", Row{Feed: sampleFeed(metric.Instants), Type: "swim-lengths-data", Shape: Interval, Mask: true,
			Read: []Selector{{Field: "b", Path: "strokeCount", Zero: true}}}, span,
			`{"dataPoints":[{"swimLengthsData":{"interval":{"startTime":"2026-11-20T08:00:00Z"},"strokeCount":"14"}}]}`, []float64{metric.Absent(), 14}},
		{"daily", Row{Feed: sampleFeed(metric.Days), Type: "daily-vo2-max", Shape: Daily,
			Read: []Selector{{Field: "a", Path: "vo2MaxCovariance"}}}, days,
			`{"dataPoints":[{"dailyVo2Max":{"date":{"year":2026,"month":11,"day":20},"vo2MaxCovariance":0.25}}]}`, []float64{0.25, metric.Absent()}},
		{"sum of a day", Row{Feed: sampleFeed(metric.Days), Type: "sedentary-period", Op: DailyRollUp,
			Read: []Selector{{Field: "b", Path: "durationSum", Per: 60, Time: true}}}, days,
			`{"rollupDataPoints":[{"civilStartTime":{"date":{"year":2026,"month":11,"day":20}},"sedentaryPeriod":{"durationSum":"41290s"}}]}`, []float64{metric.Absent(), 688}},
		{"day by level", Row{Feed: sampleFeed(metric.Days), Type: "active-minutes", Op: DailyRollUp,
			Read: []Selector{{Field: "a", Path: "activeMinutesRollupByActivityLevel[activityLevel=LIGHT].activeMinutesSum"},
				{Field: "b", Path: "activeMinutesRollupByActivityLevel[activityLevel=MODERATE].activeMinutesSum + activeMinutesRollupByActivityLevel[activityLevel=VIGOROUS].activeMinutesSum"}}}, days,
			`{"rollupDataPoints":[{"civilStartTime":{"date":{"year":2026,"month":11,"day":20}},"activeMinutes":{"activeMinutesRollupByActivityLevel":[
			 {"activityLevel":"LIGHT","activeMinutesSum":"201"},{"activityLevel":"VIGOROUS","activeMinutesSum":"5"},{"activityLevel":"MODERATE","activeMinutesSum":"7"}]}}]}`, []float64{201, 12}},
		{"windows", Row{Feed: sampleFeed(metric.Instants), Type: "core-body-temperature", Op: RollUp,
			Read: []Selector{{Field: "a", Path: "temperatureCelsiusMax - temperatureCelsiusMin", Digits: 1}}}, span,
			`{"rollupDataPoints":[{"startTime":"2026-11-20T08:00:00Z","endTime":"2026-11-20T08:01:00Z","coreBodyTemperature":{"temperatureCelsiusMax":37.33,"temperatureCelsiusMin":36.1}}]}`, []float64{1.2, metric.Absent()}},
	}
	catalogue := append(metric.Default(), metric.Series{ID: "new", Measurement: "New", Doc: "New.",
		Fields: []metric.Field{{Key: "a", Kind: metric.Float}, {Key: "b", Kind: metric.Int}}})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := scripted(t, func(cfg *Config) { cfg.Catalogue, cfg.Rows = catalogue, []Row{c.row} }, func(n int, r *http.Request) (*http.Response, error) {
				return sourcetest.Canned{Status: 200, Body: []byte(c.answer)}.Response(r), nil
			})
			if !slices.ContainsFunc(s.Feeds(), func(f metric.Feed) bool { return f.ID == "new" }) {
				t.Fatal("the feed is not among Feeds")
			}
			b, err := s.Fetch(context.Background(), metric.Request{Feed: "new", Span: c.span})
			if err != nil || len(b.Blocks) != 1 || b.Blocks[0].Len() != 1 {
				t.Fatalf("%v, %+v", err, b.Blocks)
			}
			for i, v := range b.Blocks[0].Row(0) {
				if v != c.want[i] && (metric.Present(v) || metric.Present(c.want[i])) {
					t.Errorf("fields %v, want %v", b.Blocks[0].Row(0), c.want)
				}
			}
			if len(s.Surprises()) > 0 {
				t.Errorf("surprises %v", s.Surprises())
			}
		})
	}
}

// A row that does not fit the catalogue is refused at once, by name.
func TestWrongRows(t *testing.T) {
	feed := func(series ...metric.ID) metric.Feed { return metric.Feed{ID: "odd", Series: series} }
	cases := []struct {
		name string
		row  Row
		want string
	}{
		{"no such series", Row{Feed: feed("nothing"), Type: "x"}, `no series "nothing"`},
		{"no such field", Row{Feed: feed("steps"), Type: "x", Read: []Selector{{Field: "nothing", Path: "a"}}}, `no field "nothing"`},
		{"another series", Row{Feed: feed("steps"), Type: "x", Read: []Selector{{Series: "floors", Field: "value", Path: "a"}}}, `"floors"`},
		{"no path", Row{Feed: feed("steps"), Type: "x", Read: []Selector{{Field: "value"}}}, "no path"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(Config{HTTP: http.DefaultClient, Catalogue: metric.Default(), Rows: []Row{c.row}})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "odd") {
				t.Errorf("%v, want …%s…", err, c.want)
			}
		})
	}
	if _, err := New(Config{Catalogue: metric.Default()}); err == nil {
		t.Error("a source without HTTP client")
	}
}

// What is asked while the person is awake stays within 100 requests an hour, with the devices asked every 75 s and 4 syncs an hour.
func TestHourlyBudget(t *testing.T) {
	const polls, syncs = 3600.0 / 75, 4.0
	sum := polls
	for _, r := range rows() {
		switch f := r.Feed; {
		case f.Trigger == metric.OnWish, f.Behind != "":
		case f.Every == 0 || f.Every < time.Hour/syncs:
			sum += syncs
		default:
			sum += float64(time.Hour / f.Every)
		}
	}
	if sum > 100 {
		t.Errorf("%v requests an hour", sum)
	}
	t.Logf("%v requests an hour", sum)
}

// The documented ranges are kept: 14 days for roll-ups of heart rate and total calories, 90 for the others.
func TestRanges(t *testing.T) {
	for _, r := range rows() {
		want := time.Duration(0)
		switch {
		case (r.Op == RollUp || r.Op == DailyRollUp) && (r.Type == "heart-rate" || r.Type == "total-calories"):
			want = twoWeeks
		case r.Op == RollUp || r.Op == DailyRollUp:
			want = quarter
		}
		if r.Feed.Max != want {
			t.Errorf("feed %s: longest span %v, want %v", r.Feed.ID, r.Feed.Max, want)
		}
	}
}
