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
		help: `Asks the service who each person is, and each database whether it takes data. The exit code is that of the worst finding: 4 where somebody
has to authorize, 3 where an option is wrong or missing, 1 for a connection that fails.`,
		run: func(ctx context.Context, c *call) error {
			c.say(true, "options", "read; persons: %d", len(c.app.people))
			for _, n := range c.opts.Notes {
				c.line("   note: ", "%s", n)
			}
			if r := c.app.archive.Report(); r.Aside != "" {
				c.say(false, "archive", "the file was broken (%s) and was moved to %s", r.Reason, r.Aside)
			} else {
				c.say(true, "archive", "%s", c.app.opts.Archive)
			}
			code := exitOK
			for _, p := range c.app.people {
				code = max(code, c.checkPerson(ctx, p))
			}
			for _, t := range c.app.sinks {
				code = max(code, c.checkSink(ctx, t))
			}
			switch {
			case c.opts.DryRun:
				c.say(true, "database", "dry run: nothing is written to one")
			case len(c.app.sinks) == 0:
				c.say(true, "database", "none is configured; the archive alone is kept")
			}
			if code != exitOK {
				return &exitError{code, errors.New("something needs mending, see above")}
			}
			return nil
		},
	}
}

// say shows one finding.
func (c *call) say(ok bool, what, format string, args ...any) {
	mark := "ok"
	if !ok {
		mark = "!!"
	}
	fmt.Fprintln(c.stdout, c.wrap(fmt.Sprintf(format, args...), fmt.Sprintf("%s  %-15s ", mark, what), "      "))
}

func (c *call) cure(err error) {
	for _, h := range hints(err) {
		c.hintLine(h)
	}
}

func (c *call) checkPerson(ctx context.Context, p *person) int {
	what := "person " + p.ID
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if p.opts.ClientID == "" {
		c.say(false, what, "there is no client id, so nobody can be asked")
		c.hintLine("Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET (README.md says where they come from), then: fitbit-fetch authorize")
		return exitConfig
	}
	if err := p.takeOver(ctx, c.app); err != nil {
		c.say(false, what, "the authorization in the options is not accepted: %v", err)
		c.cure(err)
		return exitCode(err)
	}
	s := p.tokens.State(c.app.clock.Now())
	if s.Standing == auth.Missing || s.Standing == auth.Dead {
		c.say(false, what, "%s", s.Text)
		c.hintLine(s.Hint)
		return exitAuthorize
	}
	d, ok := p.source.(source.Describer)
	if !ok {
		c.say(true, what, "%s", s.Text)
		return exitOK
	}
	desc, err := d.Describe(ctx)
	if err != nil {
		c.say(false, what, "%v", err)
		c.cure(err)
		return exitCode(err)
	}
	c.say(true, what, "account %s, zone %s, %d device(s); authorization: %s", auth.Mask(desc.Account), desc.Zone, len(desc.Devices), s.Text)
	for _, m := range s.Missing {
		c.say(false, what, "not granted: %s; without it: no %s", m.Short(), m.Unlocks)
		c.hintLine("Run fitbit-fetch authorize again and tick its box; everything else goes on without it.")
	}
	return exitOK
}

func (c *call) checkSink(ctx context.Context, t *target) int {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	text, err := t.sink.Check(ctx)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within 30 s: %w", err)
		}
		c.say(false, "database", "%s: %v", t.sink.Name(), err)
		c.cure(err)
		return exitFailed
	}
	c.say(true, "database", "%s: %s", t.sink.Name(), text)
	return exitOK
}
