package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

type backfillFlags struct {
	choice
	again bool
}

func backfillCommand() command {
	return command{
		name: "backfill", summary: "fetch past days now, with progress; can be stopped and resumed",
		help: `Fetches what is missing of the days and delivers it. The first day comes from --from, MANUAL_START_DATE, or is asked for at the terminal.
What was fetched before is not fetched again, so a stopped backfill goes on where it was; --again asks for it all the same.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &backfillFlags{}
			c.flags = f
			f.register(fs, false)
			fs.BoolVar(&f.again, "again", false, "ask again for what was fetched already")
		},
		run: func(ctx context.Context, c *call) error { return c.backfill(ctx, *c.flags.(*backfillFlags)) },
	}
}

func (c *call) backfill(ctx context.Context, f backfillFlags) error {
	if err := c.askDays(&f.choice); err != nil {
		return err
	}
	people, err := f.people(c.app)
	if err != nil {
		return err
	}
	return eachPerson(people, func(p *person) error {
		days, err := f.days(0, p.today(ctx, c.app))
		if err != nil {
			return err
		}
		if err := p.authorized(ctx, c.app); err != nil {
			return err
		}
		return c.backfillPerson(ctx, p, days, f.again)
	})
}

// eachPerson does something for one after the other. Where something of one's days was asked in vain, the others' are fetched all the same.
func eachPerson(people []*person, do func(*person) error) error {
	var incomplete []error
	for _, p := range people {
		switch err := do(p); {
		case errors.Is(err, errIncomplete):
			incomplete = append(incomplete, err)
		case err != nil:
			return err
		}
	}
	return errors.Join(incomplete...)
}

// errIncomplete says that something of the days was asked in vain.
var errIncomplete = errors.New("not everything could be fetched")

// today is the day it is where the person is.
func (p *person) today(ctx context.Context, a *app) metric.Day {
	return metric.DayOf(a.clock.Now().In(p.zones(ctx).Now()))
}

// askDays completes the days from the options or, where they name none, at the terminal.
func (c *call) askDays(ch *choice) error {
	m := c.opts.Manual
	if ch.from == "" && m.From != 0 {
		ch.from = m.From.String()
	}
	if ch.to == "" && m.To != 0 {
		ch.to = m.To.String()
	}
	if ch.from != "" {
		return nil
	}
	in := bufio.NewReader(c.stdin)
	var err error
	if ch.from, err = c.askDay(in, "First day (YYYY-MM-DD): ", ""); err != nil || ch.to != "" {
		return err
	}
	ch.to, err = c.askDay(in, "Last day (YYYY-MM-DD, empty for today): ", ch.from)
	return err
}

// askDay asks for a day until it gets one. Behind a first day it may be left empty, and is not before that.
func (c *call) askDay(in *bufio.Reader, question, first string) (string, error) {
	for {
		answer, err := c.prompt(in, question)
		if first != "" && (errors.Is(err, io.EOF) || err == nil && answer == "") {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		day, bad := metric.ParseDay(answer)
		switch {
		case answer == "":
			fmt.Fprintln(c.stdout, "A day is needed, such as 2026-11-18.")
		case bad != nil:
			fmt.Fprintf(c.stdout, "%q is no day; write year, month and day as in 2026-11-18.\n", answer)
		case day.String() < first:
			fmt.Fprintf(c.stdout, "%s is before the first day, %s.\n", day, first)
		default:
			return day.String(), nil
		}
	}
}

func noDays() error {
	return usageError("which days? Say --from YYYY-MM-DD [--to YYYY-MM-DD], or set MANUAL_START_DATE")
}

func (c *call) prompt(in *bufio.Reader, question string) (string, error) {
	fmt.Fprint(c.stdout, question)
	line, err := in.ReadString('\n')
	if err == io.EOF && line == "" {
		fmt.Fprintln(c.stdout)
		return "", fmt.Errorf("%w (%w)", noDays(), err)
	}
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// backfillPerson has the days collected and delivered, here or by the loops that run already, and shows how it goes.
func (c *call) backfillPerson(ctx context.Context, p *person, days metric.Span, again bool) error {
	first, last := days.Days()
	fmt.Fprintf(c.stdout, "%s: %s to %s\n", p.ID, first, last)
	began, asked := time.Now(), c.app.clock.Now()
	show, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.showProgress(show, p) })
	if again {
		p.collect.Wish(days, true)
	}
	err := c.collectDays(ctx, p, days)
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	if err := c.unfetched(ctx, p, days, asked); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: done in %s\n", p.ID, durationText(time.Since(began)))
	return nil
}

// unfetched tells what the service refused or could not answer, and what of the days has therefore not been answered; it returns an error
// where asking again may help.
func (c *call) unfetched(ctx context.Context, p *person, days metric.Span, asked time.Time) error {
	s := p.collect.Status()
	for _, id := range sortedKeys(s.Feeds) {
		if f := s.Feeds[id]; f.Error != "" {
			fmt.Fprintln(c.stdout, c.wrap(fmt.Sprintf("%s: %s", id, f.Error), "! ", "  "))
			c.hintLine(f.Hint)
		}
	}
	gaps, err := p.collect.Missing(ctx, days, asked)
	if err != nil {
		return err
	}
	var missing []string
	for _, g := range gaps {
		missing = append(missing, gapText(g, s.Zones))
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("person %s: %w; missing: %s. The same command asks again for what is missing", p.ID, errIncomplete, strings.Join(missing, ", "))
}

// gapText names a feed and the days of it that are missing.
func gapText(g plan.Gap, zones metric.Zones) string {
	return g.Feed + " of " + gapDays(g, zones)
}

func gapDays(g plan.Gap, zones metric.Zones) string {
	span := g.Span
	if g.Axis == metric.Instants {
		cal := metric.NewCalendar(zones)
		span = metric.DaySpan(cal.Day(span.Start), cal.Day(span.End.Add(-1)))
	}
	return daysText(span)
}

// collectDays fetches and delivers; in the running process the loops do that.
func (c *call) collectDays(ctx context.Context, p *person, days metric.Span) error {
	if c.app.isRunning() {
		if err := p.collect.Complete(ctx, days); err != nil {
			return err
		}
		for _, t := range c.app.sinks {
			if err := c.app.awaitDelivered(ctx, t); err != nil {
				return fmt.Errorf("all days are in the archive, but %s did not take them all: %w", t.sink.Name(), err)
			}
		}
		return nil
	}
	// Delivery goes on beside collecting, and ends behind it.
	dctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, t := range c.app.sinks {
		wg.Go(func() { t.deliver.Run(dctx) })
	}
	if err := p.collect.Once(ctx, days); err != nil {
		return err
	}
	stop()
	wg.Wait()
	return c.drain(ctx)
}

// drain delivers all that the archive has for the databases.
func (c *call) drain(ctx context.Context) error {
	for _, t := range c.app.sinks {
		if err := t.deliver.DrainOnce(ctx); err != nil {
			return fmt.Errorf("all days are in the archive, but %s did not take them all: %w", t.sink.Name(), err)
		}
	}
	return nil
}

// showProgress draws a line twice a second where somebody watches, and writes one every half minute where nobody does.
func (c *call) showProgress(ctx context.Context, p *person) {
	every := 30 * time.Second
	if c.tty {
		every = 500 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			if c.tty {
				fmt.Fprint(c.stdout, "\r\x1b[K")
			}
			return
		case <-t.C:
		}
		line := progressText(p.collect.Status(), c.app)
		if c.tty {
			fmt.Fprintf(c.stdout, "\r\x1b[K%s", cut(line, c.wide))
		} else {
			fmt.Fprintln(c.stdout, line)
		}
	}
}

// progressText is the state of a backfill in one line.
func progressText(s collect.Status, a *app) string {
	r := s.Wished
	if r.Total == 0 {
		r = s.Remaining
	}
	if r.Total == 0 {
		return bar(0, 20) + "   0 %  asking who and where the person is"
	}
	line := fmt.Sprintf("%s %3.0f %%", bar(1-r.Days/r.Total, 20), 100*(1-r.Days/r.Total))
	if r.Requests >= 1 {
		line += fmt.Sprintf("  about %.0f requests to go", r.Requests)
		if s.Rate > 0 && s.Budget.Left < 0 {
			line += fmt.Sprintf(" at %.0f a minute: %s", max(60*s.Rate, 1), durationText(time.Duration(r.Requests/s.Rate*float64(time.Second))))
		}
	}
	if now := a.clock.Now(); s.Hold.After(now) {
		return line + "; waiting until " + s.Hold.In(s.Zones.Now()).Format("15:04:05") + ", as the service asked"
	}
	if b := s.Budget; s.History == nil && b.Left >= 0 && b.Reset.After(a.clock.Now()) {
		return line + fmt.Sprintf("; this hour's %d are used: waiting until %s", b.Limit, b.Reset.In(s.Zones.Now()).Format("15:04:05"))
	}
	if s.History != nil {
		line += ", " + strings.ReplaceAll(s.History.Feed, "_", " ")
	}
	return line
}
