package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func bubble(t *testing.T, open func(t *testing.T) Target, test func(t *testing.T, c Target)) {
	synctest.Test(t, func(t *testing.T) { test(t, open(t)) })
}

// testFeeds: what a source declares can be planned with.
func testFeeds(t *testing.T, c Target) {
	feeds := c.Source.Feeds()
	if c.Source.Name() == "" || len(feeds) == 0 {
		t.Fatalf("source %q with %d feeds", c.Source.Name(), len(feeds))
	}
	fed := map[metric.ID]bool{}
	names := map[string]bool{}
	for _, f := range feeds {
		if f.ID == "" || names[f.ID] || len(f.Series) == 0 {
			t.Errorf("feed %q: no name, one that is taken, or no series", f.ID)
		}
		names[f.ID] = true
		for _, id := range f.Series {
			fed[id] = true
			row, ok := c.Catalogue.Lookup(id)
			if !ok {
				t.Errorf("feed %s: no series %s in the catalogue", f.ID, id)
			} else if (row.Sampling == metric.Sessions) != (f.Kind != "") {
				t.Errorf("feed %s: series %s is sampled %v", f.ID, id, row.Sampling)
			}
		}
		if f.Cost <= 0 || f.Trigger != metric.OnWish && f.Chunk <= 0 || f.Max > 0 && f.Chunk > f.Max {
			t.Errorf("feed %s: cost %v, chunk %v, longest span %v", f.ID, f.Cost, f.Chunk, f.Max)
		}
		if f.Axis == metric.Days && f.Chunk%(24*time.Hour) != 0 {
			t.Errorf("feed %s: a chunk of %v on the axis of days", f.ID, f.Chunk)
		}
	}
	for _, f := range feeds {
		if f.Behind != "" && !names[f.Behind] {
			t.Errorf("feed %s is behind %q, which does not exist", f.ID, f.Behind)
		}
	}
	for _, id := range c.Claims {
		if !fed[id] {
			t.Errorf("series %s is claimed and not fed", id)
		}
	}
	for id := range fed {
		if !slices.Contains(c.Claims, id) {
			t.Errorf("series %s is fed and not claimed", id)
		}
	}
}

// testAnswers: every feed is answered, with data, by the contract, and twice the same.
func testAnswers(t *testing.T, c Target) {
	for _, f := range c.Source.Feeds() {
		req := c.Request(f.ID)
		first := fetch(t, c, f, req)
		if empty := len(first.Blocks) == 0 && len(first.Sessions) == 0; empty != slices.Contains(c.Barren, f.ID) {
			t.Errorf("feed %s: empty: %v", f.ID, empty)
		}
		if second := fetch(t, c, f, req); digest(first) != digest(second) {
			t.Errorf("feed %s: asked twice, two answers", f.ID)
		}
	}
}

// testHalves: two halves hold what the whole holds.
func testHalves(t *testing.T, c Target) {
	for _, f := range c.Source.Feeds() {
		req := c.Request(f.ID)
		if f.Trigger == metric.OnWish {
			continue
		}
		whole := fetch(t, c, f, req)
		cut := req.Span.Start.Add(req.Span.Len()/2 + 12345*time.Millisecond)
		if f.Axis == metric.Days {
			first, last := req.Span.Days()
			if first == last {
				t.Errorf("feed %s: the target asks for one day only", f.ID)
				continue
			}
			cut = (first + (last-first+1)/2).Civil()
		}
		left, right := req, req
		left.Span.End, right.Span.Start = cut, cut
		got := append(samples(fetch(t, c, f, left)), samples(fetch(t, c, f, right))...)
		slices.Sort(got)
		want := samples(whole)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("feed %s: %d samples in the halves of %v, %d in the whole", f.ID, len(got), req.Span, len(want))
		}
	}
}

// testLies: no lie is taken for an answer, each has its class and a cure, and the truth is taken again afterwards.
func testLies(t *testing.T, open func(t *testing.T) Target) {
	for lie, want := range kinds {
		t.Run(string(lie), func(t *testing.T) {
			bubble(t, open, func(t *testing.T, c Target) {
				for _, f := range c.Source.Feeds() {
					c.Tell(lie)
					b, err := c.Source.Fetch(context.Background(), c.Request(f.ID))
					if err == nil {
						t.Errorf("feed %s: taken for an answer with %d blocks", f.ID, len(b.Blocks))
						continue
					}
					checkError(t, c, f.ID, err, want)
					if lie == Unauthorized || lie == Busy {
						continue // the authorization, or the limit, is not the feed's
					}
					c.Tell(Truth)
					fetch(t, c, f, c.Request(f.ID))
				}
			})
		})
	}
}

func checkError(t *testing.T, c Target, feed string, err error, want []source.Kind) {
	t.Helper()
	var e *source.Error
	if !errors.As(err, &e) {
		t.Errorf("feed %s: %T: %v, want a *source.Error", feed, err, err)
		return
	}
	if !slices.Contains(want, e.Kind) || e.Feed != feed {
		t.Errorf("feed %s: %v, want one of %v", feed, err, want)
	}
	if !strings.HasSuffix(strings.TrimSpace(e.Hint), ".") {
		t.Errorf("feed %s: %v has no cure that is a sentence: %q", feed, err, e.Hint)
	}
	if e.Kind == source.Limited && !e.Until.After(c.Now()) {
		t.Errorf("feed %s: limited until %v, it is %v", feed, e.Until, c.Now())
	}
	if e.Err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("feed %s: the error is no line of text: %q", feed, err.Error())
	}
}

// testCancelled: a context that ends is obeyed at once, and told as such.
func testCancelled(t *testing.T, c Target) {
	c.Tell(Hanging)
	for _, f := range c.Source.Feeds() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		began := time.Now()
		_, err := c.Source.Fetch(ctx, c.Request(f.ID))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
			t.Errorf("feed %s: %v after %v", f.ID, err, time.Since(began))
		}
		ctx, cancel = context.WithCancel(context.Background())
		cancel()
		if _, err := c.Source.Fetch(ctx, c.Request(f.ID)); !errors.Is(err, context.Canceled) {
			t.Errorf("feed %s: %v of a context that was cancelled before", f.ID, err)
		}
	}
	c.Tell(Down)
	f := c.Source.Feeds()[0]
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Source.Fetch(ctx, c.Request(f.ID)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("feed %s: %v while it waits to ask again", f.ID, err)
	}
}

// testTwoAtOnce: live and history ask side by side.
func testTwoAtOnce(t *testing.T, c Target) {
	want := map[string]string{}
	for _, f := range c.Source.Feeds() {
		want[f.ID] = digest(fetch(t, c, f, c.Request(f.ID)))
	}
	var wg sync.WaitGroup
	for lane := range 2 {
		feeds := c.Source.Feeds()
		if lane == 1 {
			slices.Reverse(feeds)
		}
		wg.Go(func() {
			for _, f := range feeds {
				if got := digest(fetch(t, c, f, c.Request(f.ID))); got != want[f.ID] {
					t.Errorf("feed %s: another answer with two at once", f.ID)
				}
			}
		})
	}
	wg.Wait()
}

// testStrange: what cannot be asked is an error.
func testStrange(t *testing.T, c Target) {
	req := c.Request(c.Source.Feeds()[0].ID)
	req.Feed = "no such feed"
	if _, err := c.Source.Fetch(context.Background(), req); source.KindOf(err) != source.Bad {
		t.Errorf("unknown feed: %v", err)
	}
	for _, f := range c.Source.Feeds() {
		req := c.Request(f.ID)
		req.Span.End, req.Session = req.Span.Start, nil
		if _, err := c.Source.Fetch(context.Background(), req); source.KindOf(err) != source.Bad {
			t.Errorf("feed %s: an empty span, or a track of no session: %v", f.ID, err)
		}
	}
}

// testDescribe: who the person is, where that can be told.
func testDescribe(t *testing.T, c Target) {
	d, ok := c.Source.(source.Describer)
	if !ok {
		return
	}
	got, err := d.Describe(context.Background())
	if err != nil || got.Account == "" {
		t.Fatalf("account %q: %v", got.Account, err)
	}
	if _, err := metric.LoadZone(got.Zone); err != nil {
		t.Errorf("zone %q: %v", got.Zone, err)
	}
	devices, err := d.Devices(context.Background())
	if err != nil || fmt.Sprint(devices) != fmt.Sprint(got.Devices) {
		t.Errorf("devices %v, described as %v: %v", devices, got.Devices, err)
	}
	for _, lie := range []Lie{Cut, Page, Junk, Shapeless, Down, Dropped, Busy, Unauthorized} {
		c.Tell(lie)
		_, err := d.Devices(context.Background())
		var e *source.Error
		if !errors.As(err, &e) || !slices.Contains(kinds[lie], e.Kind) || e.Hint == "" || e.Feed == "" {
			t.Errorf("devices, %s: %v", lie, err)
		}
	}
}

// fetch asks and checks the answer.
func fetch(t *testing.T, c Target, f metric.Feed, req metric.Request) metric.Batch {
	t.Helper()
	b, err := c.Source.Fetch(context.Background(), req)
	if err != nil {
		t.Errorf("feed %s: %v", f.ID, err)
		return b
	}
	for _, complaint := range Check(c.Catalogue, c.Source.Name(), f, req, b) {
		t.Errorf("feed %s: %s", f.ID, complaint)
	}
	return b
}

// samples are all samples of a batch, as lines.
func samples(b metric.Batch) []string {
	var out []string
	add := func(head string, blocks []metric.Block) {
		for _, block := range blocks {
			for i, t := range block.Times {
				out = append(out, fmt.Sprint(head, block.Series, block.Device, block.Tags, t, block.Row(i)))
			}
		}
	}
	add("", b.Blocks)
	for _, s := range b.Sessions {
		add(fmt.Sprint(s.Key, s.Day, s.Start.UnixNano(), s.End.UnixNano(), s.Title, s.Main, s.HasTrack), s.Blocks)
	}
	return out
}

func digest(b metric.Batch) string { return strings.Join(samples(b), "\n") }
