package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// page is the program as the web page sees it.
type page struct{ *app }

// newPage returns the page, nil for none.
func (a *app) newPage() *web.Server {
	o := a.opts.Page
	if o.Listen == "off" {
		return nil
	}
	return web.New(web.Config{
		Listen: o.Listen, Language: a.opts.Language, Ingress: a.opts.InApp, Password: o.Password.Reveal(), Clock: a.clock, Log: a.log.With("part", "page"), Program: page{a}, Advice: a.advice,
	})
}

// servePage serves the page until ctx ends; without it the rest goes on.
func (a *app) servePage(ctx context.Context, s *web.Server) {
	if err := s.Run(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("there is no page; everything else goes on", "err", err)
	}
}

func (p page) person(id string) (*person, error) {
	i := slices.IndexFunc(p.people, func(p *person) bool { return p.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("there is no person %q", id)
	}
	return p.people[i], nil
}

func (p page) People(ctx context.Context) ([]web.Person, error) {
	var out []web.Person
	for _, who := range p.people {
		granted, _ := who.service.provider.Split(who.tokens.Snapshot().Scopes)
		zones := who.zones(ctx)
		out = append(out, web.Person{
			ID: who.ID, Zone: zones.Now(), Zones: zones, Service: who.service.provider.Title, Client: who.opts.ClientID != "", Redirect: p.opts.Redirect,
			Auth: who.tokens.State(p.clock.Now()), Granted: granted,
		})
	}
	return out, nil
}

func (p page) Status(ctx context.Context) (web.Status, error) {
	r, err := p.status(ctx)
	if err != nil {
		return web.Status{}, err
	}
	s := web.Status{Version: r.Version, Since: r.Since, Bytes: r.Archive.Bytes, Samples: int64(r.Archive.Samples), Logs: p.logs()}
	for _, w := range p.opts.Wrong {
		s.Notes = append(s.Notes, web.Problem{Text: "option " + w.String(), Hint: heldHint})
	}
	for _, n := range p.opts.Notes {
		s.Notes = append(s.Notes, web.Problem{Text: "option " + n})
	}
	if o := r.Opened; o.Aside != "" {
		s.Notes = append(s.Notes, web.Problem{Text: "The archive was broken (" + o.Reason + ").", Hint: "It was moved to " + o.Aside + "; what the service still has is fetched again."})
	}
	if sensors, now := p.publisher(); sensors != nil {
		s.Sensors = web.SensorsPublished
		if now.Withdrawn {
			s.Sensors = web.SensorsRemoved
		}
		if now.Problem != "" {
			s.Notes = append(s.Notes, web.Problem{Text: now.Problem, Hint: now.Hint})
		}
	}
	for i, who := range p.people {
		s.People = append(s.People, p.work(who, r.People[i]))
	}
	for _, k := range r.Sinks {
		s.Sinks = append(s.Sinks, sinkShown(k))
	}
	return s, nil
}

// work is what is being done for a person.
func (p page) work(who *person, r personReport) web.Work {
	c := r.Collect
	w := web.Work{
		Person: who.ID, Why: c.Why, Next: c.Next, Hold: c.Hold, LastSync: c.LastSync, LastFetch: c.LastFetch, LastHour: c.LastHour, Devices: who.collect.Status().Devices,
		Paused: r.Paused, Until: r.PausedUntil,
		History: web.History{Known: c.Remaining.Total > 0, Requests: c.Remaining.Requests, Left: c.Left},
	}
	if c.Remaining.Total > 0 {
		w.History.Share = 1 - c.Remaining.Days/c.Remaining.Total
	}
	switch a := r.Authorization; {
	case p.held():
		w.Problem = web.Problem{Text: "options are wrong: see above"}
	case a.Standing == auth.Missing || a.Standing == auth.Dead:
		w.Problem = web.Problem{Text: a.Text, Hint: a.Hint}
	case c.Phase == collect.NeedsUser || c.Phase == collect.Gone:
		w.Problem = web.Problem{Text: string(c.Phase), Hint: c.Hint}
		w.Help = web.HelpOn(c.Reason, c.Phase == collect.Gone)
	}
	for _, n := range r.Counts {
		w.Counts = append(w.Counts, web.Count{Series: string(n.Series), Samples: int64(n.Samples), First: n.First, Last: n.Last})
	}
	for _, d := range []*collect.Doing{c.Live, c.History} {
		if d != nil {
			w.Doing = append(w.Doing, web.Doing{Feed: d.Feed, Span: d.Span, Why: d.Why, Since: d.Since})
		}
	}
	for _, id := range sortedKeys(c.Feeds) {
		if f := c.Feeds[id]; f.Error != "" {
			w.Feeds = append(w.Feeds, web.FeedProblem{Feed: id, Error: f.Error, Hint: f.Hint, Failed: f.Failed, Again: f.NotBefore})
		}
	}
	w.Told = toldOf(r)
	for _, e := range slices.Backward(who.recent.list()) {
		w.Requests = append(w.Requests, requestShown(e, c.Zones))
	}
	return w
}

// toldOf is what the user should know of the data themselves.
func toldOf(r personReport) []web.Told {
	var out []web.Told
	zones := r.Collect.Zones
	for _, g := range r.Owed {
		out = append(out, web.Told{Kind: "missing", What: g.Feed, Days: gapDays(g, zones)})
	}
	for _, d := range r.Doubts {
		out = append(out, web.Told{Kind: "gone", What: d.What(), Days: daysText(d.Span)})
	}
	for _, id := range sortedKeys(r.Collect.Odd) {
		out = append(out, web.Told{Kind: "odd", What: id})
	}
	for _, s := range r.Stopped {
		out = append(out, web.Told{Kind: "stopped", What: string(s.Series), Days: s.Last.String()})
	}
	return out
}

func requestShown(e collect.Event, zones metric.Zones) web.Request {
	r := web.Request{At: e.At, Took: e.Took, Feed: e.Feed, Why: e.Why}
	if !e.Span.Start.IsZero() {
		r.What = spanText(e.Axis, e.Span, zones)
	}
	switch ch := e.Change; {
	case e.Err != nil:
		r.Error = e.Err.Error()
	case ch.Added+ch.Changed+ch.Vanished == 0:
		r.Fate = "nothing new"
	default:
		r.Fate = fmt.Sprintf("%d new, %d changed, %d gone", ch.Added, ch.Changed, ch.Vanished)
	}
	return r
}

func sinkShown(k sinkReport) web.Sink {
	d := k.Status
	s := web.Sink{
		Name: d.Sink, Working: d.Error == "", Behind: int64(k.Backlog.Samples), Remove: int64(k.Backlog.Tombs), Oldest: k.Backlog.Oldest, Rate: d.Rate,
		Problem: web.Problem{Text: d.Error, Hint: d.Hint}, Since: d.Since, Retry: d.Retry, Success: d.Success,
	}
	for _, q := range k.Quarantine {
		what := string(q.Series)
		if q.Field != "" {
			what += " " + q.Field
		}
		s.Refused = append(s.Refused, web.Refusal{What: what, Count: int64(q.Count), Reason: q.Reason, Hint: q.Hint})
	}
	return s
}

func (p page) Values(ctx context.Context, person string) ([]latest.Value, error) {
	who, err := p.person(person)
	if err != nil {
		return nil, err
	}
	return who.values.get(p.archive.Changed(), nil, func() ([]latest.Value, error) { return p.latest.Snapshot(ctx, person) })
}

func (p page) Begin(_ context.Context, person string) (auth.Visit, error) {
	who, err := p.person(person)
	if err != nil {
		return auth.Visit{}, err
	}
	return who.flow.Begin()
}

func (p page) Finish(ctx context.Context, person, pasted string, newPerson bool) (auth.Grant, error) {
	who, err := p.person(person)
	if err != nil {
		return auth.Grant{}, err
	}
	g, err := who.flow.Finish(ctx, pasted, newPerson)
	return g, who.adopt(ctx, newPerson, err)
}

func (p page) UseRefreshToken(ctx context.Context, person, refresh string, newPerson bool) (auth.Grant, error) {
	who, err := p.person(person)
	if err != nil {
		return auth.Grant{}, err
	}
	g, err := who.flow.UseRefreshToken(ctx, refresh, newPerson)
	return g, who.adopt(ctx, newPerson, err)
}

func (p page) Deauthorize(ctx context.Context, person string) error {
	who, err := p.person(person)
	if err != nil {
		return err
	}
	return who.flow.Revoke(ctx)
}

func (p page) Sync(ctx context.Context, person string) error {
	who, err := p.person(person)
	if err == nil {
		err = p.whyHeld()
	}
	if err != nil {
		return err
	}
	if err := who.mayAsk(ctx); err != nil {
		return err
	}
	who.collect.Sync()
	return nil
}

func (p page) Backfill(_ context.Context, person string, first, last metric.Day, again bool) error {
	who, err := p.person(person)
	if err == nil {
		err = p.whyHeld()
	}
	if err == nil {
		who.collect.Wish(metric.DaySpan(first, last), again)
	}
	return err
}

func (p page) Replay(ctx context.Context, sink string) error {
	targets, err := p.chosenSinks(sink)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range targets {
		errs = append(errs, p.archive.Rewind(ctx, t.sink.Name()))
	}
	return errors.Join(errs...)
}

func (p page) Check(ctx context.Context) ([]web.Finding, error) {
	var out []web.Finding
	for _, f := range p.findings(ctx) {
		out = append(out, web.Finding{OK: !f.bad, What: f.what, Text: f.text, Hint: strings.Join(f.hints, " ")})
	}
	return out, nil
}

func (p page) Diagnose(ctx context.Context, ask bool, w io.Writer) error {
	z := zip.NewWriter(w)
	c := &call{app: p.app, opts: p.opts}
	if err := c.writeReport(ctx, z, ask); err != nil {
		return err
	}
	return z.Close()
}

func (p page) Erase(ctx context.Context, person string) error {
	who, err := p.person(person)
	if err != nil {
		return err
	}
	if who.tokens.State(p.clock.Now()).Standing != auth.Missing {
		return errors.New("the person is authorized, and all would be fetched again: take the authorization back first")
	}
	return p.archive.Erase(ctx, person)
}

func (p page) Pause(ctx context.Context, person string, until time.Time) error {
	who, err := p.person(person)
	if err != nil {
		return err
	}
	return who.collect.Pause(ctx, until)
}

func (p page) Resume(ctx context.Context, person string) error {
	who, err := p.person(person)
	if err != nil {
		return err
	}
	return who.collect.Resume(ctx)
}

func (p page) Export(ctx context.Context, e web.Export, w io.Writer) error {
	wish := exportWish{people: p.people, csv: e.CSV, days: func(metric.Day, metric.Day) (metric.Span, error) { return metric.DaySpan(e.First, e.Last), nil }}
	if e.Person != "" {
		who, err := p.person(e.Person)
		if err != nil {
			return err
		}
		wish.people = []*person{who}
	}
	ch := choice{series: strings.Join(e.Series, ",")}
	var err error
	if wish.rows, err = ch.rows(p.catalogue); err != nil {
		return err
	}
	_, err = p.app.export(ctx, w, wish)
	return err
}

func (p page) Snapshot(ctx context.Context) (string, error) {
	to := p.snapshotPath()
	return to, p.archive.Snapshot(ctx, to)
}

// nextShown is how many of the next requests of history the page shows.
const nextShown = 6

func (p page) Next(ctx context.Context, person string) ([]web.Request, error) {
	who, err := p.person(person)
	if err != nil {
		return nil, err
	}
	// A loop that does not run would have to be begun for it.
	if phase := who.collect.Status().Phase; phase == collect.Idle || phase == collect.Gone {
		return nil, nil
	}
	d, err := who.collect.Preview(ctx, nextShown)
	if err != nil {
		return nil, err
	}
	var out []web.Request
	zones := who.zones(ctx)
	for _, i := range d.Items {
		r := web.Request{Feed: i.Feed, Why: i.Why}
		if !i.Span.Start.IsZero() {
			r.What = spanText(who.axis(i.Feed), i.Span, zones)
		}
		out = append(out, r)
	}
	return out, nil
}

// logs are the last lines of the log, newest first.
func (a *app) logs() []web.Log {
	var out []web.Log
	for _, part := range a.kept.list() {
		l := web.Log{About: part.name}
		for _, line := range slices.Backward(part.lines) {
			l.Lines = append(l.Lines, web.Line{At: line.at, Level: strings.ToLower(line.level.String()), Text: line.text})
		}
		out = append(out, l)
	}
	return out
}

// mayAsk tells those who want something fetched now that it is paused.
func (p *person) mayAsk(ctx context.Context) error {
	paused, until, err := p.collect.Paused(ctx)
	if err != nil || !paused {
		return err
	}
	return &source.Error{Kind: source.Retry, Reason: "paused", Err: errors.New(pauseText(until, p.zones(ctx))), Hint: "End the pause first."}
}
