package collect

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// describe is the feed name of the question who the person is.
const describe = "account"

// job is a request in flight.
type job struct {
	anew    bool // its span has not been asked for since the days were dated anew
	odd     bool // something in all of its span could not be understood before
	item    plan.Item
	started time.Time
}

// result is what became of a job, or of the half of it that has been done.
type result struct {
	job     *job
	fetched bool // history's answer, not put away yet
	batch   metric.Batch
	devices []metric.Device
	stored  map[string]level // batteries stored, by device
	desc    source.Description
	change  archive.Change
	err     error
	put     bool // the archive, not the source, returned err
}

// do runs fn in a goroutine that drain waits for, and hands its result to the loop.
func (l *loop) do(fn func(ctx context.Context) result) {
	ctx := l.jobs
	l.wg.Go(func() { l.results <- fn(ctx) })
}

func (l *loop) newJob(it plan.Item) *job {
	j := &job{item: it, started: l.cfg.Clock.Now(), anew: l.datedAnew(it.Request), odd: l.wasOdd(it.Request)}
	l.cfg.Log.Debug("asking", "lane", it.Lane.String(), "feed", it.Feed, "span", it.Span.String(), "why", it.Why)
	return j
}

// wasOdd reports whether something could not be understood before wherever a request asks.
func (l *loop) wasOdd(r metric.Request) bool {
	var odd []metric.Span
	for _, c := range l.cover[r.Feed] {
		if c.Odd > 0 {
			odd = append(odd, c.Span)
		}
	}
	return r.Session == nil && len(odd) > 0 && len(r.Span.Subtract(odd)) == 0
}

func (l *loop) startDescribe() {
	j := l.newJob(plan.Item{Request: metric.Request{Feed: describe}, Paced: true, Why: "asking whose data these are, and in which zone"})
	l.live = j
	d := l.cfg.Source.(source.Describer)
	l.do(func(ctx context.Context) result {
		desc, err := d.Describe(ctx)
		return result{job: j, desc: desc, err: err}
	})
}

func (l *loop) startLive(it plan.Item) {
	if it.Feed == plan.Poll {
		l.startPoll(it)
		return
	}
	j := l.newJob(l.complete(it))
	l.live = j
	l.do(func(ctx context.Context) result { return l.put(ctx, l.fetch(ctx, j)) })
}

func (l *loop) startPoll(it plan.Item) {
	j := l.newJob(it)
	l.live = j
	d := l.cfg.Source.(source.Describer)
	known, was := maps.Clone(l.state.Battery), l.state.First
	l.do(func(ctx context.Context) result {
		devices, err := d.Devices(ctx)
		if err != nil {
			return result{job: j, err: err}
		}
		r, err := l.putBatteries(ctx, devices, known, was)
		if err != nil && ctx.Err() == nil {
			l.cfg.Log.Warn("a battery level could not be stored", "error", err)
		}
		r.job, r.devices = j, devices
		return r
	})
}

func (l *loop) startHistory(it plan.Item) {
	j := l.newJob(l.complete(it))
	l.history = j
	l.do(func(ctx context.Context) result {
		r := l.fetch(ctx, j)
		r.fetched = r.err == nil
		return r
	})
}

// startPut puts history's answer away while the next one may be fetched.
func (l *loop) startPut(r result) {
	l.putting = r.job
	l.do(func(ctx context.Context) result {
		r.fetched = false
		return l.put(ctx, r)
	})
}

// complete adds to a request what the source needs to answer it.
func (l *loop) complete(it plan.Item) plan.Item {
	feed := l.feed(it.Feed)
	it.Person, it.Zones = l.cfg.Person.ID, l.zones
	it.Series = slices.DeleteFunc(slices.Clone(feed.Series), func(id metric.ID) bool { return slices.Contains(l.cfg.LeaveOut, id) })
	it.Final = l.finality(feed)
	it.Device, it.Devices = l.device(), l.state.devices()
	return it
}

func (l *loop) feed(id string) metric.Feed {
	i := slices.IndexFunc(l.feeds, func(f metric.Feed) bool { return f.ID == id })
	if i < 0 {
		return metric.Feed{ID: id}
	}
	return l.feeds[i]
}

// finality returns up to where an answer asked for now will not change but by late data.
func (l *loop) finality(f metric.Feed) time.Time {
	now := l.cfg.Clock.Now().UTC()
	until := now
	if last := plan.LastSync(l.state.devices()); f.Trigger == metric.OnSync && !last.IsZero() && last.Before(now) {
		until = last
	}
	if f.Axis == metric.Instants {
		return until
	}
	return plan.DayAt(l.zones, until.Add(-plan.Lead)).Civil() // the first day not wholly synced
}

// fetch asks the source and makes the answer fit for the archive.
func (l *loop) fetch(ctx context.Context, j *job) result { return l.ask(ctx, j, j.item.Request) }

func (l *loop) ask(ctx context.Context, j *job, req metric.Request) result {
	b, err := l.cfg.Source.Fetch(ctx, req)
	var e *source.Error
	if j.odd && errors.As(err, &e) && e.Kind == source.Bad && e.Status == http.StatusOK {
		// What is asked for again alone is all that the answer has: that it is odd still is nothing that the feed has to rest for.
		b, err = metric.Batch{Series: req.Series, Odd: []metric.Span{req.Span}}, nil
	}
	if err != nil {
		return result{job: j, err: err}
	}
	feed := l.feed(j.item.Feed)
	b.Person, b.Source, b.Feed, b.Axis = l.cfg.Person.ID, l.cfg.Source.Name(), feed.ID, feed.Axis
	b.Asked = j.started
	if b.Final.IsZero() || b.Final.After(j.item.Final) {
		b.Final = j.item.Final
	}
	if b.Session == "" {
		b.Span = j.item.Span
		if b.Bounds.Empty() {
			b.Bounds = j.item.Zones.Bounds(b.Axis, b.Span)
		}
		for _, odd := range b.Odd {
			b.OddAt = append(b.OddAt, j.item.Zones.Bounds(b.Axis, odd))
		}
	}
	b.Live, b.Reader = !j.anew, feed.Reader // what was dated by a wrong zone goes without a doubt
	b.Requests = max(1, b.Requests)
	l.leaveOut(&b)
	return result{job: j, batch: b}
}

// leaveOut drops what the user does not want kept.
func (l *loop) leaveOut(b *metric.Batch) {
	left := func(id metric.ID) bool { return slices.Contains(l.cfg.LeaveOut, id) }
	if len(l.cfg.LeaveOut) == 0 {
		return
	}
	block := func(bl metric.Block) bool { return left(bl.Series) }
	b.Series = slices.DeleteFunc(slices.Clone(b.Series), left)
	b.Blocks = slices.DeleteFunc(b.Blocks, block)
	for i := range b.Sessions {
		b.Sessions[i].Blocks = slices.DeleteFunc(b.Sessions[i].Blocks, block)
	}
}

// put is the commit point of an answer. One that came with a mask and lacks what was there is asked for without it first.
func (l *loop) put(ctx context.Context, r result) result {
	if r.err != nil {
		return r
	}
	r.change, r.err = l.cfg.Archive.Put(ctx, r.batch)
	if errors.Is(r.err, archive.ErrMasked) {
		cost := r.batch.Requests
		req := r.job.item.Request
		req.Plain = true
		if r = l.ask(ctx, r.job, req); r.err != nil {
			return r
		}
		r.batch.Requests += cost
		r.batch.Masked = false
		r.change, r.err = l.cfg.Archive.Put(ctx, r.batch)
	}
	r.put = r.err != nil
	return r
}

// finish takes a result into account. It returns an error where the loop has to end.
func (l *loop) finish(r result) error {
	if r.fetched {
		l.history = nil
		if l.putting != nil {
			l.ready = &r
		} else {
			l.startPut(r)
		}
		return nil
	}
	switch r.job {
	case l.live:
		l.live = nil
	case l.history:
		l.history = nil
	case l.putting:
		l.putting = nil
		if l.ready != nil {
			next := *l.ready
			l.ready = nil
			l.startPut(next)
		}
	}
	if l.ctx.Err() != nil || errors.Is(r.err, context.Canceled) {
		return nil // we are leaving, or the user must authorize first
	}
	l.stale = true
	l.count(r)
	switch {
	case r.err != nil:
		return l.failed(r)
	case r.job.item.Feed == describe:
		if err := l.describedAs(r.desc); err != nil {
			r.err, r.put = err, true
			return l.failed(r)
		}
		return nil
	case r.job.item.Feed == plan.Poll:
		l.sawDevices(r)
	default:
		l.settle(r)
	}
	l.succeeded(r)
	return nil
}

// settle notes the newest day that has a value, for feeds that settle.
func (l *loop) settle(r result) {
	if !l.feed(r.batch.Feed).Settles {
		return
	}
	newest := l.state.Settled[r.batch.Feed]
	for _, b := range r.batch.Blocks {
		if n := len(b.Times); n > 0 {
			newest = max(newest, plan.DayAt(l.zones, time.Unix(0, b.Times[n-1])))
		}
	}
	if newest != l.state.Settled[r.batch.Feed] {
		l.state.Settled[r.batch.Feed] = newest
		l.save()
	}
}
