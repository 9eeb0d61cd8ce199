package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
)

func replayCommand() command {
	return command{
		name: "replay", summary: "fill an emptied or new database from the archive alone",
		help: `Delivers everything that the archive holds once more. Points that are there already are overwritten with the same values.`,
		flags: func(fs *flag.FlagSet, c *call) {
			c.flags = fs.String("sink", "", "influx, or a part of the sink's `name`, where there are several (default: all)")
		},
		run: func(ctx context.Context, c *call) error {
			targets, err := c.app.chosenSinks(*c.flags.(*string))
			if err != nil {
				return err
			}
			for _, t := range targets {
				if err := c.replay(ctx, t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (c *call) replay(ctx context.Context, t *target) error {
	name := t.sink.Name()
	if err := c.app.archive.Rewind(ctx, name); err != nil {
		return fmt.Errorf("starting %s again: %w", name, err)
	}
	total, err := c.app.archive.Backlog(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: about %s samples\n", name, countText(total.Samples))
	began := time.Now()
	show, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.showDelivery(show, name, total) })
	if c.app.isRunning() {
		err = c.app.awaitDelivered(ctx, t)
	} else {
		err = t.deliver.DrainOnce(ctx)
	}
	stop()
	wg.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(c.stdout, "%s: done in %s\n", name, durationText(time.Since(began)))
	return nil
}

// awaitDelivered waits until the running loop has delivered everything, or fails.
func (a *app) awaitDelivered(ctx context.Context, t *target) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := a.archive.Backlog(ctx, t.sink.Name())
		if err != nil || b.Samples+b.Tombs == 0 {
			return err
		}
		if s := t.deliver.Status(); s.Error != "" {
			return fmt.Errorf("%s; it goes on by itself when that is mended. %s", s.Error, s.Hint)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (c *call) showDelivery(ctx context.Context, sink string, total archive.Backlog) {
	if !c.tty || total.Samples == 0 {
		return
	}
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprint(c.stdout, "\r\x1b[K")
			return
		case <-t.C:
		}
		if b, err := c.app.archive.Backlog(ctx, sink); err == nil {
			share := 1 - float64(b.Samples)/float64(total.Samples)
			fmt.Fprintf(c.stdout, "\r\x1b[K%s %3.0f %%  %s samples to go", bar(share, 24), 100*share, countText(b.Samples))
		}
	}
}

// chosenSinks returns the sinks whose name has the word in it.
func (a *app) chosenSinks(word string) ([]*target, error) {
	var out []*target
	var names []string
	for _, t := range a.sinks {
		names = append(names, t.sink.Name())
		if word == "" || strings.Contains(t.sink.Name(), word) {
			out = append(out, t)
		}
	}
	if len(names) == 0 {
		return nil, &exitError{exitConfig, fmt.Errorf("no database is configured; set INFLUXDB_HOST (docs/configuration.md)")}
	}
	if len(out) == 0 {
		return nil, usageError("no sink is called %q; there are: %q", word, names)
	}
	return out, nil
}
