package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// shelfSource is a source that has feeds and is never asked.
type shelfSource []metric.Feed

func (shelfSource) Name() string           { return "google" }
func (s shelfSource) Feeds() []metric.Feed { return s }
func (shelfSource) Fetch(context.Context, metric.Request) (metric.Batch, error) {
	return metric.Batch{}, errors.New("nobody is asked")
}

// pageOver is the page over an empty archive, for a person in Berlin.
func pageOver(t *testing.T, leaveOut ...metric.ID) page {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a, err := archive.Open(t.Context(), archive.Config{
		Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: sourceRank, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if err := a.SetState(t.Context(), "me", collect.ZonesKey, []byte(`[{"from":"1970-01-01","name":"Europe/Berlin"}]`)); err != nil {
		t.Fatal(err)
	}
	source := shelfSource{
		{ID: "steps_intraday", Series: []metric.ID{metric.Steps}},
		{ID: "body", Series: []metric.ID{metric.Weight, metric.BMI}},
		{ID: "spo2", Series: []metric.ID{"spo2"}, Axis: metric.Days},
	}
	who := &person{Person: metric.Person{ID: "me"}, archive: a, source: source, log: slog.New(slog.DiscardHandler)}
	who.collect = collect.New(collect.Config{Person: who.Person, Source: source, Archive: a, Clock: clock.At(now, 1), LeaveOut: leaveOut})
	return page{&app{opts: config.Options{Backfill: config.Start{Days: 30}}, archive: a, clock: clock.At(now, 1), started: now, people: []*person{who}}}
}

func mustDay(t *testing.T, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What the page is told of days is told in the person's own calendar, on the days on which the clocks change too.
func TestPageDays(t *testing.T) {
	p := pageOver(t)
	cal := metric.NewCalendar(metric.Zones{{Name: "Europe/Berlin"}})
	first, last := mustDay(t, "2026-10-24"), mustDay(t, "2026-10-26")
	steps := metric.Block{Series: metric.Steps}
	for at := cal.Midnight(first); at.Before(cal.Midnight(last + 1)); at = at.Add(time.Minute) {
		steps.Append(at.UnixNano(), 1)
	}
	span := metric.Span{Start: cal.Midnight(first), End: cal.Midnight(last + 1)}
	batches := []metric.Batch{
		{Feed: "steps_intraday", Span: span, Final: span.End, Series: []metric.ID{metric.Steps}, Blocks: []metric.Block{steps}},
		{Feed: "spo2", Axis: metric.Days, Span: metric.DaySpan(first, last), Bounds: span, Final: last.Civil(), Series: []metric.ID{"spo2"}},
	}
	for _, b := range batches {
		b.Person, b.Source, b.Asked = "me", "google", p.clock.Now()
		if _, err := p.archive.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for day, want := range map[metric.Day]int{first - 1: 0, first: 1440, first + 1: 1500, last: 1440, last + 1: 0} {
		blocks, err := p.Samples(t.Context(), "me", metric.Steps, day, day)
		n := 0
		for _, b := range blocks {
			n += b.Len()
		}
		if err != nil || n != want {
			t.Errorf("%s has %d minutes, %v; want %d", day, n, err, want)
		}
	}
	c, err := p.Coverage(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	if c.Start != mustDay(t, "2026-10-24") || len(c.Feeds) != 3 {
		t.Fatalf("coverage from %s of %d feeds", c.Start, len(c.Feeds))
	}
	got := map[string]web.FeedCoverage{}
	for _, f := range c.Feeds {
		got[f.Feed.ID] = f
	}
	if f := got["steps_intraday"]; fmt.Sprint(f.Days) != fmt.Sprint([]metric.Day{first, first + 1, last}) || len(f.Asked) != 1 || f.Denied {
		t.Errorf("steps: %+v", f)
	}
	if f := got["spo2"]; len(f.Days) != 0 || len(f.Asked) != 2 || !f.Asked[0].Final || f.Asked[1].Final {
		t.Errorf("blood oxygen: %+v", f)
	}
	if f := got["body"]; len(f.Days)+len(f.Asked) != 0 {
		t.Errorf("body: %+v", f)
	}
	if nights, err := p.Sessions(t.Context(), "me", metric.Sleep, first, last); err != nil || len(nights) != 0 {
		t.Errorf("nights: %v, %v", nights, err)
	}
	if _, err := p.Coverage(t.Context(), "nobody"); err == nil {
		t.Error("nobody has a coverage")
	}
	if _, err := p.Samples(t.Context(), "nobody", metric.Steps, first, last); err == nil {
		t.Error("nobody has samples")
	}
}

// What the user leaves out is not asked, and so never missing.
func TestPageCoverageLeftOut(t *testing.T) {
	c, err := pageOver(t, "spo2", metric.BMI).Coverage(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(c.Feeds, func(f web.FeedCoverage) bool { return f.Feed.ID == "spo2" }) || len(c.Feeds) != 2 {
		t.Errorf("%+v", c.Feeds)
	}
}

// What is fetched on request only is left out unless the options take it in.
func TestTakeIn(t *testing.T) {
	for takeIn, want := range map[metric.ID]bool{"": true, "calories_intraday": false} {
		a := &app{opts: config.Options{HeartRate: "minute", LeaveOut: []metric.ID{"track"}, TakeIn: []metric.ID{takeIn}}, catalogue: metric.Default()}
		left := a.leaveOut()
		if got := slices.Contains(left, "calories_intraday"); got != want {
			t.Errorf("with %q taken in: calories_intraday is left out: %v", takeIn, got)
		}
		for _, id := range []metric.ID{"track", metric.HeartRate, "floors_intraday"} {
			if !slices.Contains(left, id) {
				t.Errorf("%s is not left out", id)
			}
		}
	}
}
