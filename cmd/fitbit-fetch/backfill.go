package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

type backfillFlags struct {
	choice
	again bool
}

func backfillCommand() command {
	return command{
		name: "backfill", summary: "fetch past days now, with progress; can be stopped and resumed",
		help: `Fetches what is missing of the days and delivers it. The first day comes from --from, MANUAL_START_DATE, or is asked for at the terminal.
What was fetched before is not fetched again, so a stopped backfill goes on where it was.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &backfillFlags{}
			c.flags = f
			f.register(fs, false)
		},
		run: func(ctx context.Context, c *call) error { return c.backfill(ctx, c.flags.(*backfillFlags).choice) },
	}
}

// bulk is run with the dates of the environment: the days are fetched and delivered, and the program ends.
func (c *call) bulk(ctx context.Context) error {
	a, err := openApp(ctx, c.opts, c.logger())
	if err != nil {
		return err
	}
	c.app = a
	err = c.backfill(ctx, choice{})
	if err == nil {
		a.log.Info("Bulk Update Complete")
	}
	return errors.Join(err, a.Close())
}

func (c *call) backfill(ctx context.Context, ch choice) error {
	if m := c.opts.Manual; ch.from == "" && m.From != 0 {
		ch.from = m.From.String()
	}
	if m := c.opts.Manual; ch.to == "" && m.To != 0 {
		ch.to = m.To.String()
	}
	in := bufio.NewReader(c.stdin)
	if ch.from == "" {
		var err error
		if ch.from, err = c.prompt(in, "First day (YYYY-MM-DD): "); err != nil {
			return err
		}
		if ch.to == "" {
			if ch.to, err = c.prompt(in, "Last day (YYYY-MM-DD, empty for today): "); err != nil {
				return err
			}
		}
	}
	people, err := ch.people(c.app)
	if err != nil {
		return err
	}
	for _, p := range people {
		days, err := ch.days(0, metric.DayOf(c.app.clock.Now().In(p.zones(ctx).Now())))
		if err != nil {
			return err
		}
		if err := c.backfillPerson(ctx, p, days); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) prompt(in *bufio.Reader, question string) (string, error) {
	fmt.Fprint(c.stdout, question)
	line, err := in.ReadString('\n')
	if err != nil && (err != io.EOF || line == "") {
		return "", usageError("which days? say --from YYYY-MM-DD [--to YYYY-MM-DD], or set MANUAL_START_DATE")
	}
	return strings.TrimSpace(line), nil
}

// backfillPerson has the days collected and delivered, here or by the loops that run already, and shows how it goes.
func (c *call) backfillPerson(ctx context.Context, p *person, days metric.Span) error {
	first, last := days.Days()
	fmt.Fprintf(c.stdout, "%s: %s to %s\n", p.ID, first, last)
	began := time.Now()
	show, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.showProgress(show, p) })
	err := c.collectDays(ctx, p, days)
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: done in %s\n", p.ID, durationText(time.Since(began)))
	return nil
}

// collectDays fetches and delivers; in the running process the loops deliver by themselves.
func (c *call) collectDays(ctx context.Context, p *person, days metric.Span) error {
	if c.app.isRunning() {
		return p.collect.Complete(ctx, days)
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
	share := 1.0
	if r.Total > 0 {
		share = 1 - r.Days/r.Total
	}
	line := fmt.Sprintf("%s %3.0f %%", bar(share, 24), 100*share)
	if r.Requests > 0 {
		line += fmt.Sprintf("  about %.0f requests to go", r.Requests)
	}
	if s.Rate > 0 && r.Requests > 0 {
		line += ", " + durationText(time.Duration(r.Requests/s.Rate*float64(time.Second)))
	}
	if now := a.clock.Now(); s.Hold.After(now) {
		line += "  waiting until " + dayTime(s.Hold, s.Zones) + " as the service asked"
	}
	if s.History != nil {
		line += "  " + s.History.Feed
	}
	return line
}

// cut shortens a line to the width of the terminal.
func cut(s string, wide int) string {
	r := []rune(s)
	if wide > 0 && len(r) > wide {
		return string(r[:wide])
	}
	return s
}
