package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/influx"
)

type statusFlags struct {
	json, health bool
}

func statusCommand() command {
	return command{
		name: "status", held: true, summary: "what was fetched, what comes next, what is wrong and its cure",
		flags: func(fs *flag.FlagSet, c *call) {
			f := &statusFlags{}
			c.flags = f
			fs.BoolVar(&f.json, "json", false, "as JSON")
			fs.BoolVar(&f.health, "health", false, "one word: well, or what is not")
		},
		run: func(ctx context.Context, c *call) error {
			s, err := c.app.status(ctx)
			if err != nil {
				return err
			}
			f := c.flags.(*statusFlags)
			switch {
			case f.health:
				return s.health(c)
			case f.json:
				e := json.NewEncoder(c.stdout)
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			s.write(c)
			return nil
		},
	}
}

// hangs is how long a person's loop may go without a decision: it makes one every few minutes.
const hangs = 30 * time.Minute

// health says in one word whether the process is well. Waiting for the user, for a database or for the service is.
func (r *report) health(c *call) error {
	if !r.Running && !c.app.bulk {
		return &exitError{exitUnhealthy, errors.New("fitbit-fetch does not run")}
	}
	now := c.app.clock.Now()
	for _, p := range r.People {
		if s := p.Collect; s.Phase == collect.Working && !p.Paused && !s.Next.IsZero() && c.app.clock.Real(now.Sub(s.Next)) > hangs {
			return &exitError{exitUnhealthy, fmt.Errorf("nothing has been decided for %s since %s", p.ID, dayTime(s.Next, s.Zones))}
		}
	}
	if waits := r.waits(now); len(waits) > 0 {
		fmt.Fprintln(c.stdout, "waiting: "+strings.Join(waits, "; "))
		return nil
	}
	fmt.Fprintln(c.stdout, "well")
	return nil
}

// silent is how long nothing may be answered before it is worth a word: at night the devices are asked about once an hour.
const silent = 6 * time.Hour

// waits tells of whom nothing is fetched, since when, and when the service is asked again. Starting again would mend none of it.
func (r *report) waits(now time.Time) []string {
	var out []string
	for _, p := range r.People {
		s := p.Collect
		since := "nothing was fetched since the start"
		if !s.LastFetch.IsZero() {
			since = "nothing was fetched since " + dayTime(s.LastFetch, s.Zones)
		}
		last := s.LastFetch
		if last.Before(r.Since) {
			last = r.Since
		}
		stopped := s.Phase == collect.NeedsUser || s.Phase == collect.Gone
		switch {
		case p.Paused || s.Phase == collect.Idle || !stopped && now.Sub(last) < silent:
		case stopped && s.LookAgain.IsZero():
			out = append(out, fmt.Sprintf("%s of %s; %s; not asked again before something is done about it", s.Phase, p.ID, since))
		case stopped:
			out = append(out, fmt.Sprintf("%s of %s; %s; asked again %s", s.Phase, p.ID, since, dayTime(s.LookAgain, s.Zones)))
		default:
			out = append(out, fmt.Sprintf("%s: %s; asked again %s", p.ID, since, dayTime(s.Next, s.Zones)))
		}
	}
	return out
}

// report is how everything stands. It holds no health value.
type report struct {
	Version string
	Running bool
	Since   time.Time
	Archive archive.Stats
	Opened  archive.Report
	People  []personReport
	Sinks   []sinkReport
}

type personReport struct {
	ID            string
	Authorization auth.State
	Paused        bool      // nothing is asked, as the user wishes
	PausedUntil   time.Time // zero: until resumed
	Collect       workReport
	Doubts        []archive.Doubt // of what the service says is gone, and is not believed yet
	Owed          []plan.Gap      // asked in vain and not there yet, in this run or an earlier one
	Stopped       []plan.Stopped  // series that had a value on most days and have none any more
	Counts        []archive.Count
}

// workReport is a collector's status in which a battery that did not tell its level is absent, as JSON wants it.
type workReport struct {
	collect.Status
	Devices []deviceReport
}

type deviceReport struct {
	metric.Device
	Battery *float64 `json:",omitempty"` // percent
}

func newWorkReport(s collect.Status) workReport {
	w := workReport{Status: s}
	for _, d := range s.Devices {
		r := deviceReport{Device: d}
		if metric.Present(d.Battery) {
			r.Battery = &d.Battery
		}
		w.Devices = append(w.Devices, r)
	}
	return w
}

type sinkReport struct {
	Status     deliver.Status
	Backlog    archive.Backlog
	Quarantine []archive.Quarantined
	Units      string `json:",omitempty"` // metric or python, once decided; empty while not, or where the options say
	Device     string `json:",omitempty"` // the Device that the database had, in place of the service's name
}

// status gathers how everything stands.
func (a *app) status(ctx context.Context) (report, error) {
	r := report{Version: programVersion(), Running: a.isRunning(), Since: a.started, Opened: a.archive.Report()}
	var err error
	changed := a.archive.Changed()
	if r.Archive, err = a.stats.get(changed, nil, func() (archive.Stats, error) { return a.archive.Stats(ctx) }); err != nil {
		return r, err
	}
	for _, p := range a.people {
		pr := personReport{ID: p.ID, Authorization: p.tokens.State(a.clock.Now()), Collect: newWorkReport(p.collect.Status())}
		if len(pr.Collect.Zones) == 0 {
			pr.Collect.Zones = p.zones(ctx)
		}
		if pr.Paused, pr.PausedUntil, err = p.collect.Paused(ctx); err != nil {
			return r, err
		}
		if pr.Doubts, err = a.archive.Doubts(ctx, p.ID, p.source.Name()); err != nil {
			return r, err
		}
		if pr.Owed, err = p.collect.Owed(ctx); err != nil {
			return r, err
		}
		if pr.Stopped, err = p.stoppedSeries(ctx, a); err != nil {
			return r, err
		}
		if pr.Counts, err = p.counts.get(changed, nil, func() ([]archive.Count, error) { return a.archive.Counts(ctx, p.ID) }); err != nil {
			return r, err
		}
		r.People = append(r.People, pr)
	}
	for _, t := range a.sinks {
		sr := sinkReport{Status: t.deliver.Status()}
		delivered := [2]any{sr.Status.Success, sr.Status.Refused}
		if sr.Backlog, err = t.backlog.get(changed, delivered, func() (archive.Backlog, error) { return a.archive.Backlog(ctx, t.sink.Name()) }); err != nil {
			return r, err
		}
		if sr.Quarantine, err = t.refused.get(changed, delivered, func() ([]archive.Quarantined, error) { return a.archive.Quarantined(ctx, t.sink.Name()) }); err != nil {
			return r, err
		}
		if sr.Units, sr.Device, err = a.decided(ctx, t.sink.Name()); err != nil {
			return r, err
		}
		r.Sinks = append(r.Sinks, sr)
	}
	return r, nil
}

// decided returns what was found out about a database before the first value was written.
func (a *app) decided(ctx context.Context, sink string) (units, device string, err error) {
	found := deliver.Decisions{Archive: a.archive}
	if units, err = found.Load(ctx, sink); err != nil {
		return "", "", err
	}
	if units != string(lineproto.Metric) && units != string(lineproto.Python) {
		units = ""
	}
	device, err = found.Load(ctx, influx.DeviceDecision(sink))
	return units, influx.Device(device), err
}

// write shows the report to a person.
func (r *report) write(c *call) {
	w := c.stdout
	state := "not running"
	if r.Running {
		state = "running since " + r.Since.Format("2006-01-02 15:04")
	}
	fmt.Fprintf(w, "fitbit-fetch %s, %s\n", r.Version, state)
	fmt.Fprintf(w, "archive: %s, %s samples\n", bytesText(r.Archive.Bytes), countText(r.Archive.Samples))
	if r.Opened.Aside != "" {
		c.line("  ! ", "the archive was broken (%s); it was moved to %s", r.Opened.Reason, r.Opened.Aside)
	}
	if r.Opened.Restored != "" {
		c.line("  ", "restored from %s", r.Opened.Restored)
	}
	for i := range r.People {
		r.People[i].write(c)
	}
	for _, s := range r.Sinks {
		s.write(c)
	}
	if len(r.Sinks) == 0 {
		fmt.Fprintln(w, "\nno database is configured: the archive alone is kept")
	}
}

func (p *personReport) write(c *call) {
	s, zones := p.Collect, p.Collect.Zones
	fmt.Fprintf(c.stdout, "\nperson %s\n", p.ID)
	c.line("  ", "authorization: %s", p.Authorization.Text)
	c.hintLine(p.Authorization.Hint)
	p.writeZone(c)
	for _, m := range p.Authorization.Missing {
		c.line("  ! ", "not granted: %s; without it: no %s", m.Short(), m.Unlocks)
	}
	if p.Paused {
		c.line("  ! ", "%s", pauseText(p.PausedUntil, zones))
	}
	if s.Phase != collect.Idle {
		p.writeWork(c)
	}
	for _, d := range s.Devices {
		battery := ""
		if d.Battery != nil {
			battery = fmt.Sprintf(", battery %.0f %%", *d.Battery)
		}
		c.line("  ", "device %s: synced %s%s", d.Name, dayTime(d.LastSync, zones), battery)
	}
	for _, id := range sortedKeys(s.Feeds) {
		if f := s.Feeds[id]; f.Error != "" {
			again := "asked again " + dayTime(f.NotBefore, zones)
			if f.NotBefore.IsZero() {
				again = "not asked again before something has been done about it"
			}
			c.line("  ! ", "%s: %s; %s", id, f.Error, again)
			c.hintLine(f.Hint)
		}
	}
	for _, g := range p.Owed {
		c.line("  ! ", "%s could not be fetched yet; %s", gapText(g, zones), s.askedAgain(g))
	}
	for _, d := range p.Doubts {
		c.line("  ! ", "the service no longer has %d of %s of %s; they stay until it says so again, a day after %s", d.Gone, d.What(), daysText(d.Span), dayTime(d.Since, zones))
	}
	for _, id := range sortedKeys(s.Odd) {
		c.line("  ! ", "%s: something in the answers for %d days could not be understood and was left out; the days are asked again", id, s.Odd[id])
	}
	for _, st := range p.Stopped {
		c.line("  ! ", "%s has had no value since %s, while the service answers and the device syncs", st.Series, st.Last)
		c.hintLine("Look in the service's app whether the sensor is switched on and the permission is still given, and whether the device is worn.")
	}
	if s.Misread >= 0.5 {
		c.line("  ", "%.0f days of feeds were read by an older version, and are read again", s.Misread)
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, n := range p.Counts {
		if i == 0 {
			fmt.Fprintf(c.stdout, "\n")
		}
		fmt.Fprintf(t, "  %-21s\t%s\t  %s\t  %s\t\n", n.Series, countText(n.Samples), dayTime(n.First, zones), dayTime(n.Last, zones))
	}
	t.Flush()
}

// writeZone tells by which zone days are dated, once one is known.
func (p *personReport) writeZone(c *call) {
	n := len(p.Collect.Zones)
	if n == 0 {
		return
	}
	text, hint := collect.ZoneText(p.Collect.Zones[n-1].Name, p.Collect.Zones[n-1].By)
	mark := "  "
	if hint != "" {
		mark = "  ! "
	}
	c.line(mark, "time zone: %s", text)
	c.hintLine(hint)
}

// stoppedSeries is looked at once an hour: it changes with the day.
func (p *person) stoppedSeries(ctx context.Context, a *app) ([]plan.Stopped, error) {
	now := a.clock.Now()
	return p.stopped.get(nil, now.Truncate(time.Hour), func() ([]plan.Stopped, error) {
		devices, err := collect.Devices(ctx, a.archive, p.ID, p.source.Name())
		sync := plan.LastSync(devices)
		if err != nil || sync.IsZero() {
			return nil, err
		}
		zones := p.zones(ctx)
		cover, err := a.archive.Coverage(ctx, p.ID, p.source.Name())
		if err != nil {
			return nil, err
		}
		cal := metric.NewCalendar(zones)
		return plan.StoppedSeries(p.collect.Feeds(), cover, zones, cal.Day(sync)-1, func(id metric.ID) ([]metric.Day, error) {
			return a.archive.Days(ctx, p.ID, id, cal)
		})
	})
}

// askedAgain says when what is missing will be asked for again.
func (w workReport) askedAgain(g plan.Gap) string {
	for _, u := range w.Unread {
		if u.Feed == g.Feed && !u.Span.Overlap(g.Span).Empty() {
			return "asked again " + dayTime(u.Until, w.Zones)
		}
	}
	if f := w.Feeds[g.Feed]; !f.NotBefore.IsZero() {
		return "asked again " + dayTime(f.NotBefore, w.Zones)
	}
	return "asked again in its turn"
}

// daysText names the days of a span.
func daysText(s metric.Span) string {
	first, last := s.Days()
	if first == last {
		return first.String()
	}
	return first.String() + " to " + last.String()
}

// writeWork tells what is being done.
func (p *personReport) writeWork(c *call) {
	s, zones := p.Collect, p.Collect.Zones
	c.line("  ", "%s; last answer %s, %d requests in the last hour", s.Phase, dayTime(s.LastFetch, zones), s.LastHour)
	c.hintLine(s.Hint)
	if !s.LookAgain.IsZero() {
		c.line("  ", "asked again by itself %s", dayTime(s.LookAgain, zones))
	}
	for _, d := range []*collect.Doing{s.Live, s.History} {
		if d != nil {
			c.line("  now: ", "%s", d.Why)
		}
	}
	switch now := c.app.clock.Now(); {
	case s.Hold.After(now):
		c.line("  ", "waiting until %s, as the service asked", dayTime(s.Hold, zones))
	case p.Paused:
	case s.Why != "":
		c.line("  ", "%s; decided again at %s", s.Why, s.Next.In(zones.Now()).Format("15:04:05"))
	}
	c.line("  ", "history: %s", historyText(s.Status))
}

// line writes one line, broken where it must be, with what begins it.
func (c *call) line(before, format string, args ...any) {
	fmt.Fprintln(c.stdout, c.wrap(fmt.Sprintf(format, args...), before, strings.Repeat(" ", utf8.RuneCountInString(before)+2)))
}

// hintLine writes what the user can do.
func (c *call) hintLine(hint string) {
	if hint != "" {
		fmt.Fprintln(c.stdout, c.wrap(hint, "    → ", "      "))
	}
}

// historyText says how much history is left and how long that takes.
func historyText(c collect.Status) string {
	if c.Remaining.Total == 0 {
		return "not looked at yet"
	}
	if c.Remaining.Days < 0.01 {
		return "complete"
	}
	s := fmt.Sprintf("%.0f %%, about %.0f requests to go", 100*(1-c.Remaining.Days/c.Remaining.Total), c.Remaining.Requests)
	if c.Left > 0 {
		s += ", about " + durationText(c.Left)
	}
	return s
}

func (s *sinkReport) write(c *call) {
	fmt.Fprintf(c.stdout, "\n%s\n", s.Status.Sink)
	switch {
	case s.Status.Error != "":
		c.line("  ! ", "%s; tried again %s", s.Status.Error, s.Status.Retry.Format("15:04:05"))
		c.hintLine(s.Status.Hint)
	case s.Backlog.Samples+s.Backlog.Tombs == 0:
		fmt.Fprintln(c.stdout, "  has everything")
	default:
		fmt.Fprintf(c.stdout, "  %s samples to deliver, %d to remove\n", countText(s.Backlog.Samples), s.Backlog.Tombs)
	}
	if s.Units == string(lineproto.Python) {
		fmt.Fprintln(c.stdout, "  goes on in pounds, miles and °F, as it was filled")
	}
	if s.Device != "" {
		fmt.Fprintf(c.stdout, "  goes on in the Device %s, as it was filled\n", s.Device)
	}
	for _, q := range s.Quarantine {
		what := string(q.Series)
		if q.Field != "" {
			what += " field " + q.Field
		}
		c.line("  ! ", "refused for good: %d of %s: %s", q.Count, what, q.Reason)
		c.hintLine(q.Hint)
	}
}
