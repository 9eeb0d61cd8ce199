package archive

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// spot is where a database keeps a value: what stands there is overwritten by the next.
type spot struct {
	person, measurement, device, tags, field string
	time                                     int64
}

// database is the naive picture of a sink: fields are merged into the point that stands there, deleting takes the whole point.
type database map[spot]float64

func (d database) write(cat metric.Catalogue, person string, b *metric.Block) {
	row := cat.Must(b.Series)
	for i, t := range b.Times {
		for f, field := range row.Fields {
			if v := b.Values[f][i]; metric.Present(v) {
				d[spot{person, row.Measurement, b.Device, packTags(b.Tags), field.Key, t}] = v
			}
		}
	}
}

func (d database) remove(cat metric.Catalogue, t Tomb) {
	name := cat.Must(t.Series).Measurement
	for _, row := range cat {
		if row.Measurement != name {
			continue
		}
		for _, f := range row.Fields {
			delete(d, spot{t.Person, name, t.Device, packTags(t.Tags), f.Key, t.Time})
		}
	}
}

// modelSample is a sample of the naive model of an archive.
type modelSample struct {
	device string
	values []float64
}

type modelKey struct {
	person, source string
	series         metric.ID
	session, tags  string
	time           int64
}

// model holds what an archive should hold, without any thought about speed.
type model struct {
	cat     metric.Catalogue
	rank    []string
	samples map[modelKey]modelSample
	days    map[[4]string]metric.Day // person, source, kind, key of a session
}

func (m *model) set(k modelKey, device string, values []float64) {
	if old, ok := m.samples[k]; ok {
		device = old.device
	}
	m.samples[k] = modelSample{device, values}
}

func (m *model) put(b metric.Batch) {
	keep := map[modelKey]bool{}
	enter := func(session string, blocks []metric.Block) {
		for i := range blocks {
			bl := &blocks[i]
			for n, t := range bl.Times {
				k := modelKey{b.Person, b.Source, bl.Series, session, packTags(bl.Tags), t}
				if !allAbsent(bl, n) && !keep[k] {
					m.set(k, bl.Device, bl.Row(n))
					keep[k] = true
				}
			}
		}
	}
	answered := map[string]bool{}
	if b.Session != "" {
		if _, ok := m.days[[4]string{b.Person, b.Source, string(b.Kind), b.Session}]; !ok {
			return
		}
		answered[b.Session] = true
		enter(b.Session, b.Blocks)
	} else {
		enter("", b.Blocks)
	}
	for _, s := range b.Sessions {
		m.days[[4]string{b.Person, b.Source, string(s.Kind), s.Key}] = s.Day
		answered[s.Key] = true
		enter(s.Key, s.Blocks)
	}
	gone := map[string]bool{}
	for k, day := range m.days {
		if b.Kind != "" && b.Session == "" && k[0] == b.Person && k[1] == b.Source && k[2] == string(b.Kind) && b.Span.Contains(day.Civil()) && !answered[k[3]] {
			gone[k[3]] = true
			delete(m.days, k)
		}
	}
	bounds := b.Bounds
	if bounds.Empty() {
		bounds = b.Span
	}
	for k := range m.samples {
		switch {
		case k.person != b.Person || k.source != b.Source || keep[k]:
		case k.session != "" && (gone[k.session] || answered[k.session] && slices.Contains(b.Series, k.series)),
			k.session == "" && slices.Contains(b.Series, k.series) && bounds.Contains(time.Unix(0, k.time)):
			delete(m.samples, k)
		}
	}
}

func (m *model) slotOf(k modelKey) [4]any {
	row := m.cat.Must(k.series)
	switch row.Sampling {
	case metric.Daily:
		return [4]any{k.person, k.series, k.time}
	case metric.Sessions:
		kind := metric.Workout
		if k.series == metric.SleepLevels || k.series == metric.SleepSummary {
			kind = metric.Sleep
		}
		return [4]any{k.person, k.series, m.days[[4]string{k.person, k.source, string(kind), k.session}]}
	}
	return [4]any{k.person, k.series, time.Unix(0, k.time).UTC().Truncate(24 * time.Hour)}
}

// visible returns the database that a sink should end up as.
func (m *model) visible() database {
	win := map[[4]any]string{}
	better := func(x, y string) bool { return slices.Index(m.rank, x) < slices.Index(m.rank, y) }
	for k := range m.samples {
		s := m.slotOf(k)
		if w, ok := win[s]; !ok || better(k.source, w) {
			win[s] = k.source
		}
	}
	out := database{}
	for k, s := range m.samples {
		if win[m.slotOf(k)] != k.source {
			continue
		}
		b := metric.Block{Series: k.series, Device: s.device, Tags: unpackTags(m.cat.Must(k.series), k.tags)}
		b.Append(k.time, s.values...)
		out.write(m.cat, k.person, &b)
	}
	return out
}

// world makes random answers of a small world, in which everything collides soon.
type world struct {
	r    *rand.Rand
	cat  metric.Catalogue
	base metric.Day
}

func (w *world) pick(of ...string) string { return of[w.r.IntN(len(of))] }

func (w *world) batch() metric.Batch {
	b := metric.Batch{Person: w.pick("me", "me", "you"), Source: w.pick("google", "google", "fitbit"), Feed: "feed", Asked: noon, Final: noon}
	day := w.base + metric.Day(w.r.IntN(4))
	switch w.r.IntN(5) {
	case 0:
		w.intraday(&b, day)
	case 1:
		w.daily(&b, day)
	case 2:
		w.sleep(&b, day)
	case 3:
		w.workouts(&b, day)
	default:
		w.track(&b)
	}
	return b
}

func (w *world) intraday(b *metric.Batch, day metric.Day) {
	from := w.r.IntN(30)
	b.Span = metric.Span{Start: day.Civil().Add(time.Duration(from) * time.Hour), End: day.Civil().Add(time.Duration(from+1+w.r.IntN(30)) * time.Hour)}
	b.Series = []metric.ID{metric.HeartRateMinute, metric.Battery}
	for _, series := range b.Series {
		for _, tag := range []string{"", "second"} {
			if series != metric.Battery && tag != "" {
				continue
			}
			bl := metric.Block{Series: series, Device: w.pick("A", "A", "B")}
			if tag != "" {
				bl.Tags = []string{tag}
			}
			w.fill(&bl, b.Span, 2*time.Hour)
			b.Blocks = append(b.Blocks, bl)
		}
	}
}

func (w *world) daily(b *metric.Batch, day metric.Day) {
	b.Axis, b.Span = metric.Days, metric.DaySpan(day, day+metric.Day(w.r.IntN(20)))
	b.Bounds = metric.Zones{{Name: "Pacific/Honolulu"}}.Bounds(metric.Days, b.Span)
	b.Series = []metric.ID{"heart_zones"}
	if w.r.IntN(2) == 0 {
		b.Series = []metric.ID{"active_zone_minutes", "spo2"}
	}
	for _, series := range b.Series {
		bl := metric.Block{Series: series, Device: "A"}
		w.fill(&bl, b.Bounds, 24*time.Hour)
		b.Blocks = append(b.Blocks, bl)
	}
}

// fill adds a sample every step, with holes.
func (w *world) fill(bl *metric.Block, span metric.Span, step time.Duration) {
	for t := span.Start; t.Before(span.End); t = t.Add(step) {
		if w.r.IntN(4) > 0 {
			bl.Append(t.UnixNano(), w.values(bl.Series)...)
		}
	}
	if bl.Values == nil {
		bl.Values = make([][]float64, len(w.cat.Must(bl.Series).Fields))
	}
}

func (w *world) values(series metric.ID) []float64 {
	out := make([]float64, len(w.cat.Must(series).Fields))
	for i := range out {
		out[i] = float64(w.r.IntN(3))
		if w.r.IntN(5) == 0 {
			out[i] = math.NaN()
		}
	}
	return out
}

// session returns day and start of session n. No two that are visible at a time may write the same point, for then the last to
// be written would win in a sink: the sessions of one person stay on their day, at the same instants from both sources; those of
// the other wander from day to day, at instants of each source's own.
func (w *world) session(b *metric.Batch, n int) (metric.Day, time.Time) {
	start := w.base.Civil().Add(time.Duration(n) * 10 * time.Hour)
	first, last := b.Span.Days()
	if b.Person == "you" {
		return metric.DayOf(start), start
	}
	if b.Source == "fitbit" {
		start = start.Add(7 * time.Minute)
	}
	return first + metric.Day(w.r.IntN(int(last-first)+1)), start
}

func (w *world) sleep(b *metric.Batch, day metric.Day) {
	b.Kind, b.Axis, b.Span = metric.Sleep, metric.Days, metric.DaySpan(day, day+metric.Day(w.r.IntN(3)))
	b.Series = []metric.ID{metric.SleepSummary, metric.SleepLevels}
	for _, n := range w.r.Perm(8)[:w.r.IntN(5)] {
		s := metric.Session{Kind: metric.Sleep, Key: fmt.Sprint("night", n), Updated: noon}
		s.Day, s.Start = w.session(b, n)
		if !b.Span.Contains(s.Day.Civil()) {
			continue
		}
		s.End = s.Start.Add(8 * time.Hour)
		s.Main = w.r.IntN(2) == 0
		tags := []string{fmt.Sprint(s.Main)}
		sum := metric.Block{Series: metric.SleepSummary, Device: "A", Tags: tags}
		sum.Append(s.Start.UnixNano(), w.values(metric.SleepSummary)...)
		levels := metric.Block{Series: metric.SleepLevels, Device: "A", Tags: tags}
		w.fill(&levels, metric.Span{Start: s.Start, End: s.End}, time.Hour)
		s.Blocks = []metric.Block{sum, levels}
		b.Sessions = append(b.Sessions, s)
	}
}

func (w *world) workouts(b *metric.Batch, day metric.Day) {
	b.Kind, b.Axis, b.Span = metric.Workout, metric.Days, metric.DaySpan(day, day+metric.Day(w.r.IntN(3)))
	b.Series = []metric.ID{metric.Workouts}
	for _, n := range w.r.Perm(4)[:w.r.IntN(3)] {
		s := metric.Session{Kind: metric.Workout, Key: fmt.Sprint("run", n), HasTrack: true, Updated: noon}
		s.Day, s.Start = w.session(b, n)
		if !b.Span.Contains(s.Day.Civil()) {
			continue
		}
		bl := metric.Block{Series: metric.Workouts, Tags: []string{w.pick("Run", "Walk")}}
		bl.Append(s.Start.UnixNano(), w.values(metric.Workouts)...)
		s.Blocks = []metric.Block{bl}
		b.Sessions = append(b.Sessions, s)
	}
}

func (w *world) track(b *metric.Batch) {
	n := w.r.IntN(4)
	b.Kind, b.Session, b.Updated, b.Series = metric.Workout, fmt.Sprint("run", n), noon, []metric.ID{metric.Track}
	bl := metric.Block{Series: metric.Track, Tags: []string{b.Source + b.Session}}
	start := w.base.Civil().Add(time.Duration(n) * 10 * time.Hour)
	w.fill(&bl, metric.Span{Start: start, End: start.Add(10 * time.Minute)}, time.Minute)
	b.Blocks = []metric.Block{bl}
}

// modelSink takes from the archive as a delivery loop does, and is often away.
type modelSink struct {
	name string
	db   database
}

func (s *modelSink) step(t *testing.T, a *Archive, r *rand.Rand, between func()) (done bool) {
	ctx := context.Background()
	tombs, err := a.DueTombs(ctx, s.name, 1+r.IntN(10))
	if err != nil {
		t.Fatal(err)
	}
	between()
	for _, d := range tombs {
		s.db.remove(a.cfg.Catalogue, d)
	}
	if r.IntN(4) > 0 { // otherwise it died before saying so
		if err := a.Ack(ctx, s.name, nil, tombs[:r.IntN(len(tombs)+1)]); err != nil {
			t.Fatal(err)
		}
	}
	pieces, err := a.Due(ctx, s.name, 1+r.IntN(60))
	if err != nil {
		t.Fatal(err)
	}
	between()
	for i := range pieces {
		s.db.write(a.cfg.Catalogue, pieces[i].Person, &pieces[i].Block)
	}
	if r.IntN(4) > 0 {
		if err := a.Ack(ctx, s.name, pieces[:r.IntN(len(pieces)+1)], nil); err != nil {
			t.Fatal(err)
		}
	}
	return len(tombs) == 0 && len(pieces) == 0
}

func (s *modelSink) drain(t *testing.T, a *Archive, r *rand.Rand) {
	t.Helper()
	for range 10000 {
		if s.step(t, a, r, func() {}) {
			return
		}
	}
	b, _ := a.Backlog(context.Background(), s.name)
	t.Fatalf("sink %s never comes to an end: %+v", s.name, b)
}

// readAll returns the visible archive as a database.
func readAll(t *testing.T, a *Archive) database {
	t.Helper()
	out := database{}
	ctx := context.Background()
	span := metric.Span{Start: time.Unix(0, math.MinInt64/2), End: time.Unix(0, math.MaxInt64/2)}
	for _, person := range []string{"me", "you"} {
		for _, row := range a.cfg.Catalogue {
			for b, err := range a.Read(ctx, person, row.ID, span) {
				if err != nil {
					t.Fatal(err)
				}
				out.write(a.cfg.Catalogue, person, &b)
			}
		}
	}
	return out
}

func compare(t *testing.T, what string, got, want database) {
	t.Helper()
	n := 0
	report := func(format string, args ...any) {
		if n++; n <= 5 {
			t.Errorf(what+": "+format, args...)
		}
	}
	for at, v := range want {
		if w, ok := got[at]; !ok {
			report("%+v is missing", at)
		} else if v != w {
			report("%+v is %v, want %v", at, w, v)
		}
	}
	for at := range got {
		if _, ok := want[at]; !ok {
			report("%+v should not be there", at)
		}
	}
	if n > 0 {
		t.FailNow()
	}
}

// Whatever answers come in whatever order, and however often the sinks are away: the archive shows what the model shows, and in
// the end each sink holds just that.
func TestModel(t *testing.T) {
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { modelRun(t, uint64(seed), 80) })
	}
}

func modelRun(t *testing.T, seed uint64, rounds int) {
	r := rand.New(rand.NewPCG(seed, 42))
	cfg := config(t.TempDir() + "/archive.db")
	a := openAt(t, cfg)
	w := &world{r: r, cat: cfg.Catalogue, base: metric.DayOf(noon)}
	m := &model{cat: cfg.Catalogue, rank: cfg.Rank, samples: map[modelKey]modelSample{}, days: map[[4]string]metric.Day{}}
	sinks := []*modelSink{{"one", database{}}, {"two", database{}}}
	ctx := context.Background()
	if err := a.DropSink(ctx, []string{"one", "two"}); err != nil {
		t.Fatal(err)
	}
	put := func() {
		b := w.batch()
		look := r.IntN(4) == 0
		var before database
		if look {
			before = m.visible()
		}
		m.put(b)
		c := mustPut(t, a, b)
		if !look {
			return
		}
		if same := maps.Equal(before, m.visible()); !same && c.Added+c.Changed+c.Vanished == 0 {
			t.Fatalf("a change was not told: %+v", c)
		}
		if again := mustPut(t, a, b); again.Rev != c.Rev || again.Added+again.Changed+again.Vanished+len(again.Sessions)+len(again.Series) > 0 {
			t.Fatalf("the same answer again changed something: %+v after %+v", again, c)
		}
	}
	for round := range rounds {
		put()
		if round%10 == 0 {
			compare(t, fmt.Sprintf("archive in round %d", round), readAll(t, a), m.visible())
		}
		for _, s := range sinks {
			switch r.IntN(12) {
			case 0, 1, 2, 3:
				s.step(t, a, r, func() {
					if r.IntN(3) == 0 {
						put()
					}
				})
			case 4:
				if r.IntN(6) == 0 { // emptied
					s.db = database{}
					if err := a.Rewind(ctx, s.name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if r.IntN(40) == 0 {
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			a = openAt(t, cfg)
		}
	}
	want := m.visible()
	compare(t, "archive", readAll(t, a), want)
	for _, s := range sinks {
		s.drain(t, a, r)
		compare(t, "sink "+s.name, s.db, want)
		b, err := a.Backlog(ctx, s.name)
		if err != nil || b.Chunks+b.Samples+b.Tombs != 0 {
			t.Fatalf("sink %s: backlog %+v (%v) after everything was taken", s.name, b, err)
		}
	}
	if st, err := a.Stats(ctx); err != nil || st.Tombs != 0 {
		t.Fatalf("%d tombs left that every sink has passed (%v)", st.Tombs, err)
	}
}
