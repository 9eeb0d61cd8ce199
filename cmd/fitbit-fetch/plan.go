package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

type planFlags struct {
	choice
	count int
}

func planCommand() command {
	return command{
		name: "plan", summary: "the next requests and the reason for each, without asking anybody",
		help: `Each request is shown with its lane: live is today and what was missed lately, history the rest; one of each is in flight at a time. What
an answer brings can change what comes next.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &planFlags{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: all)")
			fs.IntVar(&f.count, "n", 20, "requests of history to show")
		},
		run: func(ctx context.Context, c *call) error {
			f := c.flags.(*planFlags)
			people, err := f.people(c.app)
			if err != nil {
				return err
			}
			for _, p := range people {
				d, err := p.collect.Preview(ctx, f.count)
				if err != nil {
					return fmt.Errorf("person %s: %w", p.ID, err)
				}
				c.showPlan(p, d, p.zones(ctx))
			}
			return nil
		},
	}
}

func (c *call) showPlan(p *person, d plan.Decision, zones metric.Zones) {
	fmt.Fprintf(c.stdout, "person %s, %s\n", p.ID, dayTime(c.app.clock.Now(), zones))
	for _, i := range d.Items {
		what := i.Feed
		if i.Feed != plan.Poll {
			what += " " + spanText(p.axis(i.Feed), i.Span, zones)
		}
		if i.Session != nil {
			what = fmt.Sprintf("%s of %s %s", i.Feed, i.Session.Title, dayTime(i.Session.Start, zones))
		}
		fmt.Fprintf(c.stdout, "  %-7s %s\n", i.Lane, what)
		fmt.Fprintln(c.stdout, c.wrap(i.Why, "          ", "          "))
	}
	if d.Why != "" {
		fmt.Fprintln(c.stdout, c.wrap(d.Why, "  ", "  "))
	}
	fmt.Fprintf(c.stdout, "  decided again at %s\n", d.Wake.In(zones.Now()).Format("15:04:05"))
	if d.Remaining.Days > 0 {
		fmt.Fprintf(c.stdout, "  history: %.0f days of feeds to go, about %.0f requests\n", d.Remaining.Days, d.Remaining.Requests)
	} else {
		fmt.Fprintln(c.stdout, "  history is complete")
	}
}

// axis returns the axis of a feed.
func (p *person) axis(feed string) metric.Axis {
	for _, f := range p.source.Feeds() {
		if f.ID == feed {
			return f.Axis
		}
	}
	return metric.Instants
}

// spanText is a span as its user lives it.
func spanText(axis metric.Axis, s metric.Span, zones metric.Zones) string {
	if axis == metric.Days {
		first, last := s.Days()
		if first == last {
			return first.String()
		}
		return first.String() + " to " + last.String()
	}
	loc := zones.Now()
	a, b := s.Start.In(loc), s.End.In(loc)
	layout := "15:04"
	if metric.DayOf(a) != metric.DayOf(b) {
		layout = "2006-01-02 15:04"
	}
	return a.Format("2006-01-02 15:04") + " to " + b.Format(layout)
}
