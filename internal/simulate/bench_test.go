package simulate_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

// BenchmarkHeartRate measures days of heart rate in pages of about 9,200 points: computed, encoded and packed anew, per point.
func BenchmarkHeartRate(b *testing.B) {
	for name, fields := range map[string]string{
		"whole":  "",
		"masked": "nextPageToken,dataPoints(heartRate(beatsPerMinute,sampleTime(physicalTime)))",
	} {
		b.Run(name, func(b *testing.B) {
			start := day(b, "2025-01-01")
			p := &simulate.Person{Seed: 7, Start: start, Zones: metric.Zones{{From: start, Name: "Europe/Berlin"}}}
			g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(b, "2027-01-01T00:00:00Z")), NoQuota: true, PageCap: 10_000, NoEmptyPages: true})
			token := g.AccessToken(p)
			w := &discard{header: http.Header{}}
			days := 0
			for b.Loop() {
				at := p.Midnight(start + metric.Day(1+days%700))
				days++
				for range 3 {
					ask(b, g, w, token, fields, at, at.Add(8*time.Hour))
					at = at.Add(8 * time.Hour)
				}
			}
			spent, points := b.Elapsed(), 0
			for i := range days {
				at := p.Midnight(start + metric.Day(1+i%700))
				points += len(p.HeartRates(metric.Span{Start: at, End: at.Add(24 * time.Hour)}))
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(points), "ns/point")
			b.ReportMetric(float64(w.n)/float64(points), "packed-bytes/point")
		})
	}
}

// ask requests one page, packed.
func ask(b *testing.B, g *simulate.Google, w http.ResponseWriter, token, fields string, from, to time.Time) {
	const member = "heart_rate.sample_time.physical_time"
	q := url.Values{"pageSize": {"10000"}, "prettyPrint": {"false"}, "filter": {member + ` >= "` + from.Format(time.RFC3339) + `" AND ` + member + ` < "` + to.Format(time.RFC3339) + `"`}}
	if fields != "" {
		q.Set("fields", fields)
	}
	r, err := http.NewRequest(http.MethodGet, "https://health.example/v4/users/me/dataTypes/heart-rate/dataPoints:reconcile?"+q.Encode(), nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "gzip")
	g.ServeHTTP(w, r)
}

// BenchmarkDay measures what a day costs before it is encoded.
func BenchmarkDay(b *testing.B) {
	p := berlin(b)
	at := instant(b, "2025-02-01T00:00:00Z")
	points := 0
	for i := 0; b.Loop(); i++ {
		s := at.Add(time.Duration(i%20000) * 24 * time.Hour)
		points += len(p.HeartRates(metric.Span{Start: s, End: s.Add(24 * time.Hour)}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(points), "ns/point")
}

// BenchmarkRollUp measures minute summaries of heart rate, per window.
func BenchmarkRollUp(b *testing.B) {
	p := berlin(b)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(b, "2027-01-01T00:00:00Z")), NoQuota: true})
	token := g.AccessToken(p)
	w := &discard{header: http.Header{}}
	n := 0
	for b.Loop() {
		at := instant(b, "2025-02-01T00:00:00Z").Add(time.Duration(n%600) * 24 * time.Hour)
		n++
		body := `{"range":{"startTime":"` + at.Format(time.RFC3339) + `","endTime":"` + at.Add(24*time.Hour).Format(time.RFC3339) + `"},"windowSize":"60s","pageSize":1440}`
		r, err := http.NewRequest(http.MethodPost, "https://health.example/v4/users/me/dataTypes/heart-rate/dataPoints:rollUp?prettyPrint=false", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Accept-Encoding", "gzip")
		g.ServeHTTP(w, r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*1440), "ns/window")
}
