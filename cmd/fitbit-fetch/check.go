package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func checkCommand() command {
	return command{
		name: "check", summary: "read the options, try each connection, and say what to mend",
		run: func(ctx context.Context, c *call) error {
			c.say(true, "options", "read; %d person(s)", len(c.app.people))
			if r := c.app.archive.Report(); r.Aside != "" {
				c.say(false, "archive", "the file was broken (%s) and was moved to %s", r.Reason, r.Aside)
			} else {
				c.say(true, "archive", "%s", c.app.opts.Archive)
			}
			var bad int
			for _, p := range c.app.people {
				if !c.checkPerson(ctx, p) {
					bad++
				}
			}
			for _, t := range c.app.sinks {
				if !c.checkSink(ctx, t) {
					bad++
				}
			}
			if len(c.app.sinks) == 0 {
				c.say(true, "database", "none is configured; the archive alone is kept")
			}
			if bad > 0 {
				return fmt.Errorf("%d of the connections need mending, see above", bad)
			}
			return nil
		},
	}
}

// say shows one finding.
func (c *call) say(ok bool, what, format string, args ...any) {
	mark := "ok "
	if !ok {
		mark = "!! "
	}
	fmt.Fprintf(c.stdout, "%s %-14s %s\n", mark, what, fmt.Sprintf(format, args...))
}

func (c *call) cure(err error) {
	if h := hint(err); h != "" {
		fmt.Fprintf(c.stdout, "    → %s\n", h)
	}
}

func (c *call) checkPerson(ctx context.Context, p *person) bool {
	what := "person " + p.ID
	s := p.tokens.State(c.app.clock.Now())
	switch s.Standing {
	case auth.Missing, auth.Dead:
		c.say(false, what, "%s", s.Text)
		hintLine(c.stdout, s.Hint)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	d, ok := p.source.(source.Describer)
	if !ok {
		c.say(true, what, "%s", s.Text)
		return true
	}
	desc, err := d.Describe(ctx)
	if err != nil {
		c.say(false, what, "%v", err)
		c.cure(err)
		return false
	}
	c.say(true, what, "account %s, zone %s, %d device(s); authorization: %s", auth.Mask(desc.Account), desc.Zone, len(desc.Devices), s.Text)
	for _, m := range s.Missing {
		c.say(false, what, "not granted: %s; without it: no %s", m.Short(), m.Unlocks)
		fmt.Fprintln(c.stdout, "    → run fitbit-fetch authorize again and tick its box; everything else goes on without it")
	}
	return true
}

func (c *call) checkSink(ctx context.Context, t *target) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	text, err := t.sink.Check(ctx)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within 30 s: %w", err)
		}
		c.say(false, "database", "%s: %v", t.sink.Name(), err)
		c.cure(err)
		return false
	}
	c.say(true, "database", "%s: %s", t.sink.Name(), text)
	return true
}
