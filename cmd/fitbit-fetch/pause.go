package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

type pauseFlags struct {
	choice
	length time.Duration
}

func pauseCommand() command {
	return command{
		name: "pause", summary: "ask the service for nothing, until resumed or for some time",
		help: `Nothing is fetched while paused; a request in flight is finished. What is in the archive goes on to the databases and to Home Assistant. A
pause outlives a restart. What was missed is fetched afterwards.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &pauseFlags{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: all)")
			fs.DurationVar(&f.length, "for", 0, "`how long`, such as 90m or 12h (default: until resumed)")
		},
		run: func(ctx context.Context, c *call) error {
			f := c.flags.(*pauseFlags)
			people, err := f.people(c.app)
			if err != nil {
				return err
			}
			if f.length < 0 {
				return usageError("--for must be above 0")
			}
			var until time.Time
			if f.length > 0 {
				until = c.app.clock.Now().Add(f.length)
			}
			for _, p := range people {
				if err := p.collect.Pause(ctx, until); err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "%s: %s\n", p.ID, pauseText(until, p.zones(ctx)))
			}
			return nil
		},
	}
}

func resumeCommand() command {
	return command{
		name: "resume", summary: "end a pause",
		flags: func(fs *flag.FlagSet, c *call) {
			f := &choice{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: all)")
		},
		run: func(ctx context.Context, c *call) error {
			people, err := c.flags.(*choice).people(c.app)
			if err != nil {
				return err
			}
			for _, p := range people {
				paused, _, err := p.collect.Paused(ctx)
				if err != nil {
					return err
				}
				if err := p.collect.Resume(ctx); err != nil {
					return err
				}
				if !paused {
					fmt.Fprintf(c.stdout, "%s: was not paused\n", p.ID)
					continue
				}
				fmt.Fprintf(c.stdout, "%s: fetching goes on\n", p.ID)
			}
			return nil
		},
	}
}

// pauseText tells a pause.
func pauseText(until time.Time, zones metric.Zones) string {
	if until.IsZero() {
		return "fetching is paused until resumed (fitbit-fetch resume)"
	}
	return "fetching is paused until " + dayTime(until, zones)
}
