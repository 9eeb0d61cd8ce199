package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

type statusFlags struct {
	json, health bool
}

func statusCommand() command {
	return command{
		name: "status", summary: "what was fetched, what comes next, what is wrong and how to mend it",
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
				if !s.Running {
					return &exitError{exitUnhealthy, fmt.Errorf("fitbit-fetch does not run")}
				}
				fmt.Fprintln(c.stdout, "well")
				return nil
			case f.json:
				e := json.NewEncoder(c.stdout)
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			s.write(c.stdout, c.app.clock.Now())
			return nil
		},
	}
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
	Collect       collect.Status
	Counts        []archive.Count
}

type sinkReport struct {
	Status     deliver.Status
	Backlog    archive.Backlog
	Quarantine []archive.Quarantined
}

// status gathers how everything stands.
func (a *app) status(ctx context.Context) (report, error) {
	r := report{Version: programVersion(), Running: a.isRunning(), Since: a.started, Opened: a.archive.Report()}
	var err error
	if r.Archive, err = a.archive.Stats(ctx); err != nil {
		return r, err
	}
	for _, p := range a.people {
		pr := personReport{ID: p.ID, Authorization: p.tokens.State(a.clock.Now()), Collect: p.collect.Status()}
		if len(pr.Collect.Zones) == 0 {
			pr.Collect.Zones = p.zones(ctx)
		}
		if pr.Counts, err = a.archive.Counts(ctx, p.ID); err != nil {
			return r, err
		}
		r.People = append(r.People, pr)
	}
	for _, t := range a.sinks {
		sr := sinkReport{Status: t.deliver.Status()}
		if sr.Backlog, err = a.archive.Backlog(ctx, t.sink.Name()); err != nil {
			return r, err
		}
		if sr.Quarantine, err = a.archive.Quarantined(ctx, t.sink.Name()); err != nil {
			return r, err
		}
		r.Sinks = append(r.Sinks, sr)
	}
	return r, nil
}

// write shows the report to a person.
func (r *report) write(w io.Writer, now time.Time) {
	state := "not running"
	if r.Running {
		state = "running since " + r.Since.Format("2006-01-02 15:04")
	}
	fmt.Fprintf(w, "fitbit-fetch %s, %s\n", r.Version, state)
	fmt.Fprintf(w, "archive: %s, %s samples\n", bytesText(r.Archive.Bytes), countText(r.Archive.Samples))
	if r.Opened.Aside != "" {
		fmt.Fprintf(w, "  ! the archive was broken (%s); it was moved to %s\n", r.Opened.Reason, r.Opened.Aside)
	}
	if r.Opened.Restored != "" {
		fmt.Fprintf(w, "  restored from %s\n", r.Opened.Restored)
	}
	for i := range r.People {
		r.People[i].write(w, now)
	}
	for _, s := range r.Sinks {
		s.write(w)
	}
	if len(r.Sinks) == 0 {
		fmt.Fprintln(w, "\nno database is configured: the archive alone is kept")
	}
}

func (p *personReport) write(w io.Writer, now time.Time) {
	zones := p.Collect.Zones
	fmt.Fprintf(w, "\nperson %s\n", p.ID)
	fmt.Fprintf(w, "  authorization: %s\n", p.Authorization.Text)
	hintLine(w, p.Authorization.Hint)
	for _, s := range p.Authorization.Missing {
		fmt.Fprintf(w, "  ! not granted: %s; without it: no %s\n", s.Short(), s.Unlocks)
	}
	c := p.Collect
	if c.Phase != collect.Idle {
		fmt.Fprintf(w, "  %s; last answer %s, %d requests in the last hour\n", c.Phase, dayTime(c.LastFetch, zones), c.LastHour)
		hintLine(w, c.Hint)
		for _, d := range []*collect.Doing{c.Live, c.History} {
			if d != nil {
				fmt.Fprintf(w, "  now: %s, %s\n", d.Feed, d.Why)
			}
		}
		if !c.Hold.IsZero() && c.Hold.After(now) {
			fmt.Fprintf(w, "  waiting until %s, as the service asked\n", dayTime(c.Hold, zones))
		}
		if c.Why != "" {
			fmt.Fprintf(w, "  %s; next %s\n", c.Why, dayTime(c.Next, zones))
		}
		fmt.Fprintf(w, "  history: %s\n", historyText(c))
	}
	for _, d := range c.Devices {
		battery := ""
		if metric.Present(d.Battery) {
			battery = fmt.Sprintf(", battery %.0f %%", d.Battery)
		}
		fmt.Fprintf(w, "  device %s: synced %s%s\n", d.Name, dayTime(d.LastSync, zones), battery)
	}
	for _, id := range sortedKeys(c.Feeds) {
		if f := c.Feeds[id]; f.Error != "" {
			fmt.Fprintf(w, "  ! %s: %s; asked again %s\n", id, f.Error, dayTime(f.NotBefore, zones))
			hintLine(w, f.Hint)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range p.Counts {
		fmt.Fprintf(t, "  %s\t%s samples\t%s\t%s\n", n.Series, countText(n.Samples), dayTime(n.First, zones), dayTime(n.Last, zones))
	}
	t.Flush()
}

// historyText says how much history is left and how long that takes.
func historyText(c collect.Status) string {
	if c.Remaining.Days == 0 {
		return "complete"
	}
	s := fmt.Sprintf("%.0f %% of %.0f days of feeds, about %.0f requests to go", 100*(1-c.Remaining.Days/max(c.Remaining.Total, 1)), c.Remaining.Total, c.Remaining.Requests)
	if c.Left > 0 {
		s += ", about " + durationText(c.Left)
	}
	return s
}

func (s *sinkReport) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", s.Status.Sink)
	switch {
	case s.Status.Error != "":
		fmt.Fprintf(w, "  ! %s; tried again %s\n", s.Status.Error, s.Status.Retry.Format("15:04:05"))
		hintLine(w, s.Status.Hint)
	case s.Backlog.Samples+s.Backlog.Tombs == 0:
		fmt.Fprintln(w, "  has everything")
	default:
		fmt.Fprintf(w, "  %s samples to deliver, %d to remove\n", countText(s.Backlog.Samples), s.Backlog.Tombs)
	}
	for _, q := range s.Quarantine {
		what := string(q.Series)
		if q.Field != "" {
			what += " field " + q.Field
		}
		fmt.Fprintf(w, "  ! refused for good: %d of %s: %s\n", q.Count, what, q.Reason)
		hintLine(w, q.Hint)
	}
}

func hintLine(w io.Writer, hint string) {
	if hint != "" {
		fmt.Fprintf(w, "    → %s\n", hint)
	}
}

// countText writes n with its thousands apart.
func countText(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// durationText is a duration as a person says it.
func durationText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f seconds", max(d.Seconds(), 1))
}

// bar draws progress, share from 0 to 1.
func bar(share float64, width int) string {
	n := int(min(max(share, 0), 1) * float64(width))
	return strings.Repeat("█", n) + strings.Repeat("░", width-n)
}
