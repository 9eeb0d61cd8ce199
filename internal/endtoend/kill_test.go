package endtoend

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const (
	kills     = 200 // in all
	workers   = 2
	perHome   = 20                    // kills of one backfill
	slowness  = 45 * time.Millisecond // of the service, so that a backfill outlasts its kills
	killSeed  = 20261123
	freshness = 2*time.Hour + time.Minute // what lies so close before the last sync is asked again with the next one
)

// A backfill that is killed again and again asks for nothing twice that was final, loses nothing, and leaves archive and database
// equal. The seed makes the moments; where they fall in the program is the machine's.
func TestKilledBackfill(t *testing.T) {
	for n := range workers {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
			random := rand.New(rand.NewPCG(killSeed, uint64(n)))
			today := day(t, "2026-05-20")
			p := person(uint64(70+n), "Europe/Berlin", "", today)
			at := calm(today, 14, p)
			p = still([]time.Time{at}, p)[0]
			w := newWorld(t, at, 1, p)
			w.before(func(rw http.ResponseWriter, r *http.Request, service http.Handler) {
				if strings.Contains(r.URL.Path, "/dataTypes/") {
					time.Sleep(slowness)
				}
				service.ServeHTTP(rw, r)
			})
			requests, amid := 0, 0
			for round := range kills / workers / perHome {
				w.at(at, 1)
				h := newHome(t, w, today-3, db.URL)
				h.name, h.level = fmt.Sprintf("killed%d", round), "info"
				w.google.ClearLog()
				for i := range perHome {
					n := h.killOnce(random, i%2 == 1)
					if requests += n; n > 0 {
						amid++
					}
				}
				run := h.run()
				h.settle(run, "the end of the backfill")
				got := held(t, db, h.name)
				same(t, "InfluxDB and the archive", h.exported(), got, p.Zone(today))
				same(t, "InfluxDB and the person's life", truthOf(p, "", h.start, at).points, got, p.Zone(today))
				if code, _ := run.Stop(); code != 0 {
					t.Errorf("stopped with code %d", code)
				}
			}
			if amid < kills/workers*2/5 { // half of them are aimed, and of those a few find the backfill done
				t.Errorf("%d of %d kills came while something was being fetched: too few to say anything", amid, kills/workers)
			}
			t.Logf("%d kills (seed %d, %d), %d of them while something was being fetched; %d requests judged", kills/workers, killSeed, n, amid, requests)
		})
	}
}

// killOnce runs the program for a moment, kills it, and holds what it asked against what was final before. An aimed moment is counted
// from when the program has begun to fetch, however long that takes it, any other from its start. It returns the number of requests for
// data.
func (h *home) killOnce(random *rand.Rand, aimed bool) int {
	h.t.Helper()
	cover, tracks := h.covered()
	h.w.google.ClearLog()
	p := h.run()
	if aimed {
		h.await(p, "the program to fetch", func(s status) bool { return len(h.w.asked("/dataTypes/")) > 0 || s.settled() })
	}
	select {
	case <-time.After(time.Duration(20+random.IntN(400)) * time.Millisecond):
	case <-p.Done:
		h.t.Fatalf("the program ended by itself with code %d; it said:\n%s", p.Code, p.Tail())
	}
	p.Kill()
	asked := 0
	for _, l := range h.w.google.Log() {
		r := parse(l)
		if r.feed != "" {
			asked++
		}
		least := freshness
		if r.days {
			least = 0
		}
		switch {
		case r.feed == "track" && cover["workouts"] != nil && !slices.Contains(tracks, r.id) && h.finished(r.id, cover):
			h.t.Errorf("the track of %s was asked for again", r.id)
		case r.again(cover[r.feed]) > least:
			h.t.Errorf("%s %s was final, and %v of it was asked for again; coverage %v", r.feed, r.span, r.again(cover[r.feed]), cover[r.feed])
		}
	}
	return asked
}

// finished reports whether a workout was stored before: only then its track can have been.
func (h *home) finished(id string, cover map[string][]metric.Covered) bool {
	p := h.w.people[0]
	for d := h.start; d <= p.Day(h.w.now()); d++ {
		for _, w := range p.Workouts(d) {
			if w.Key == id {
				return (request{span: metric.DaySpan(d, d)}).again(cover["workouts"]) > 0
			}
		}
	}
	return false
}

// covered reads from the archive what has been answered, and which tracks are still wanted. The archive must be whole.
func (h *home) covered() (cover map[string][]metric.Covered, tracks []string) {
	h.t.Helper()
	ctx := h.t.Context()
	a, err := archive.Open(ctx, archive.Config{Path: filepath.Join(h.dir, "archive.db"), Catalogue: metric.Default(), Rank: []string{"google"}, Now: h.w.now})
	if err != nil {
		h.t.Fatal(err)
	}
	defer a.Close()
	if r := a.Report(); r.Aside != "" {
		h.t.Fatalf("the archive was broken: %+v", r)
	}
	if cover, err = a.Coverage(ctx, "default", "google"); err != nil {
		h.t.Fatal(err)
	}
	refs, err := a.Tracks(ctx, "default", "google")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range refs {
		tracks = append(tracks, r.Key)
	}
	return cover, tracks
}
