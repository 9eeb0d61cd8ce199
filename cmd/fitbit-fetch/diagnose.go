package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

type diagnoseFlags struct {
	out string
	ask bool
}

func diagnoseCommand() command {
	return command{
		name: "diagnose", held: true, raw: true, summary: "write a report for a bug: no secrets, no readings",
		help: `The report is a zip of JSON files: versions, options without secrets, how everything stands, the plan and its reasons, coverage, the last
requests with their fate and the shape of their answers (keys and types, never values), and what the service sent that this program does not
know. The running fitbit-fetch knows the most, so ask while it runs. With --ask each feed is asked once for yesterday, so that the shapes of all answers are in it. Read it before you share it: it tells
when you synced and which data you have, but no reading.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &diagnoseFlags{}
			c.flags = f
			fs.StringVar(&f.out, "o", "fitbit-fetch-report.zip", "`file` to write")
			fs.BoolVar(&f.ask, "ask", false, "ask each feed once, for the shape of its answer")
		},
		run: func(ctx context.Context, c *call) error { return c.diagnose(ctx, c.flags.(*diagnoseFlags)) },
	}
}

func (c *call) diagnose(ctx context.Context, f *diagnoseFlags) error {
	path, err := c.write(ctx, f.out, func(w io.Writer) error {
		z := zip.NewWriter(w)
		if err := c.writeReport(ctx, z, f.ask); err != nil {
			return err
		}
		return z.Close()
	})
	if err == nil && path != "" {
		fmt.Fprintf(c.stdout, "report written to %s; read it before you share it\n", path)
	}
	return err
}

func (c *call) writeReport(ctx context.Context, z *zip.Writer, ask bool) error {
	a := c.app
	if err := writeJSON(z, "versions.json", versions()); err != nil {
		return err
	}
	if err := writeJSON(z, "options.json", a.opts); err != nil {
		return err
	}
	s, err := a.status(ctx)
	if err != nil {
		return err
	}
	for i := range s.People {
		for j := range s.People[i].Collect.Devices {
			d := &s.People[i].Collect.Devices[j]
			d.ID = metric.Mask(d.ID) // it may be an address of the hardware
			d.Battery = nil
		}
	}
	if err := writeJSON(z, "status.json", s); err != nil {
		return err
	}
	for _, p := range a.people {
		if err := c.reportPerson(ctx, z, p, ask); err != nil {
			return fmt.Errorf("person %s: %w", p.ID, err)
		}
	}
	return nil
}

func (c *call) reportPerson(ctx context.Context, z *zip.Writer, p *person, ask bool) error {
	if ask {
		c.askAll(ctx, p)
	}
	dir := p.ID + "/"
	d, err := p.collect.Preview(ctx, 50)
	if err != nil {
		return err
	}
	cover, err := c.app.archive.Coverage(ctx, p.ID, p.source.Name())
	if err != nil {
		return err
	}
	good, bad, events := p.recent.lists()
	for name, v := range map[string]any{
		"plan.json": planShown(d), "coverage.json": cover, "feeds.json": p.source.Feeds(), "unknown.json": p.probe.Surprises(),
		"requests.json": map[string]any{"answered": good, "failed": bad}, "events.json": events,
	} {
		if err := writeJSON(z, dir+name, v); err != nil {
			return err
		}
	}
	return nil
}

// planShown is a decision without what names a workout or a device.
func planShown(d plan.Decision) any {
	type item struct {
		Lane, Feed, Span, Why string
		Track                 bool `json:",omitempty"`
	}
	out := struct {
		Items             []item
		Wake              time.Time
		Why               string
		Remaining, Wished plan.Remaining
	}{Wake: d.Wake, Why: d.Why, Remaining: d.Remaining, Wished: d.Wished}
	for _, i := range d.Items {
		out.Items = append(out.Items, item{i.Lane.String(), i.Feed, i.Span.String(), i.Why, i.Session != nil})
	}
	return out
}

// askAll asks each feed once, so that the shapes of all answers are known. Failures are what one wants to see: they are kept with
// the requests.
func (c *call) askAll(ctx context.Context, p *person) {
	if s := p.tokens.State(c.app.clock.Now()); s.Standing == auth.Missing || s.Standing == auth.Dead {
		return
	}
	p.probe.Shapes(true)
	defer p.probe.Shapes(false)
	if d, ok := p.source.(source.Describer); ok {
		d.Describe(ctx)
	}
	zones := p.zones(ctx)
	day := metric.DayOf(c.app.clock.Now().In(zones.Now())) - 1
	for _, f := range p.source.Feeds() {
		if f.Trigger == metric.OnWish || ctx.Err() != nil {
			continue
		}
		span := metric.DaySpan(day, day)
		if f.Axis == metric.Instants {
			noon := zones.Midnight(day).Add(12 * time.Hour)
			span = metric.Span{Start: noon, End: noon.Add(10 * time.Minute)}
		}
		p.source.Fetch(ctx, metric.Request{Person: p.ID, Feed: f.ID, Span: span, Zones: zones})
	}
}

func versions() map[string]any {
	v := map[string]any{"version": programVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU()}
	if info, ok := debug.ReadBuildInfo(); ok {
		mods := map[string]string{}
		for _, m := range info.Deps {
			mods[m.Path] = m.Version
		}
		v["modules"] = mods
	}
	return v
}

// writeJSON adds a file to the report, and takes the secrets out of it: behind the packing none would be seen.
func writeJSON(z *zip.Writer, name string, v any) error {
	w, err := z.Create(name)
	if err != nil {
		return err
	}
	return encodeJSON(redact.Writer(w), v)
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
