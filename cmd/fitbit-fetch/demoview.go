package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// demo is what one sees of the program while it works for the simulated person.
type demo struct {
	*call
	*demoFlags
	app      *app
	who      *person
	device   string
	screen   *screen // nil where nobody watches
	began    time.Time
	complete time.Time // when everything had been fetched; zero for not yet
}

// view is how things stand at one moment.
type view struct {
	collect.Status
	stats  archive.Stats
	values []latest.Value
	last   eventShown // the newest answer
	now    time.Time  // told, on the person's clock
}

func (d *demo) intro() string {
	return fmt.Sprintf("A simulated person wears a %s. Their data lie at a simulated Google Health service on this machine; all else is the real program.", d.device)
}

// watch shows how it goes until there is nothing more to see.
func (d *demo) watch(ctx context.Context) {
	every := 2 * time.Second
	if d.screen != nil {
		every = 250 * time.Millisecond
	}
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	var shown time.Time
	for {
		v, err := d.look(ctx)
		if err != nil {
			return // the context has ended, or the archive fails: then Run tells
		}
		if d.complete.IsZero() && d.caughtUp(ctx, v) {
			d.complete = time.Now()
		}
		if time.Since(shown) >= every {
			shown = time.Now()
			if d.screen != nil {
				d.screen.draw(d.lines(v))
			} else if d.complete.IsZero() {
				fmt.Fprintf(d.stdout, "  %s, %s samples kept\n", d.progress(v), countText(v.stats.Samples))
			}
		}
		if !d.complete.IsZero() && (d.stay > 0 || d.screen == nil) && time.Since(d.complete) >= d.stay {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (d *demo) look(ctx context.Context) (view, error) {
	v := view{Status: d.who.collect.Status()}
	v.now = d.app.clock.Now().In(v.Zones.Now())
	_, _, events := d.who.recent.lists()
	for _, e := range events {
		if e.Added > 0 {
			v.last = e
		}
	}
	var err error
	if v.stats, err = d.app.archive.Stats(ctx); err == nil {
		v.values, err = d.app.latest.Snapshot(ctx, d.who.ID)
	}
	return v, err
}

// caughtUp reports whether all there is has been fetched and delivered: history, and what the last sync brought.
func (d *demo) caughtUp(ctx context.Context, v view) bool {
	if v.Phase != collect.Working || v.Remaining.Total == 0 || v.Remaining.Days >= 0.01 || v.Remaining.Requests >= 1 {
		return false
	}
	if v.History != nil || v.Live != nil && v.Live.Feed != plan.Poll || v.Why == "" {
		return false
	}
	for _, t := range d.app.sinks {
		if b, err := d.app.archive.Backlog(ctx, t.sink.Name()); err != nil || b.Samples+b.Tombs > 0 {
			return false
		}
	}
	return true
}

func (d *demo) progress(v view) string {
	if !d.complete.IsZero() {
		return fmt.Sprintf("%s 100 %%  complete after %s", bar(1, d.barWide()), durationText(d.complete.Sub(d.began)))
	}
	r := v.Remaining
	if r.Total == 0 {
		return bar(0, d.barWide()) + "   0 %  asking who the person is"
	}
	share := 1 - r.Days/r.Total
	return fmt.Sprintf("%s %3.0f %%  about %.0f requests to go", bar(share, d.barWide()), 100*share, max(r.Requests, 1))
}

func (d *demo) barWide() int {
	if d.screen != nil {
		if wide, _ := d.screen.size(); wide < 60 {
			return 10
		}
	}
	return 20
}

// lines are the screen.
func (d *demo) lines(v view) []line {
	out := []line{
		{{bold, "Fitbit Fetch, demo"}, {dim, "  it is " + v.now.Format("Monday 2 January, 15:04") + " for the simulated person"}},
		{},
		d.field("History", d.progress(v)),
		d.field("Archive", fmt.Sprintf("%s samples in %s", countText(v.stats.Samples), bytesText(v.stats.Bytes))),
		d.field("Database", d.database()),
	}
	out = append(out, d.places()...)
	out = append(out,
		d.field("Device", d.deviceText(v)),
		d.field("Last", lastText(v)),
		d.field("Now", nowText(v)),
		line{},
	)
	wide, _ := d.screen.size()
	out = append(out, columns(groups(v.values, v.now, v.Zones), wide)...)
	end := "Ctrl-C ends it; nothing stays on this machine."
	if d.data != "" {
		end = "Ctrl-C ends it; the archive stays in " + d.data + "."
	}
	if d.speed != 1 {
		end = fmt.Sprintf("Time runs %g times as fast. ", d.speed) + end
	}
	return append(out, line{}, line{{dim, end}})
}

// places are where else one can look.
func (d *demo) places() []line {
	page := "http://" + d.app.opts.Page.Listen
	if d.app.opts.Page.Listen == "off" {
		page = "none; no port is free"
	}
	m := d.app.opts.MQTT
	return []line{
		d.field("Page", page),
		d.field("Sensors", fmt.Sprintf("mqtt://%s:%d; mosquitto_sub -p %d -v -t '#'", m.Host, m.Port, m.Port)),
	}
}

func (d *demo) field(name, text string) line {
	style := plain
	if name == "History" {
		style = green
	}
	return line{{dim, fmt.Sprintf("%-10s", name)}, {style, text}}
}

func (d *demo) database() string {
	if len(d.app.sinks) > 0 {
		t := d.app.sinks[0] // the demo has one at most
		s := t.deliver.Status()
		if s.Error != "" {
			return s.Error
		}
		return fmt.Sprintf("%s points written to %s", countText(int(s.Written)), t.sink.Name())
	}
	return "none; with --influx URL it writes to an InfluxDB, too"
}

func (d *demo) deviceText(v view) string {
	for _, x := range v.Devices {
		if x.Tracker {
			s := x.Name
			if !x.LastSync.IsZero() {
				s += ", synced at " + x.LastSync.In(v.Zones.Now()).Format("15:04")
			}
			if metric.Present(x.Battery) {
				s += fmt.Sprintf(", battery %.0f %%", x.Battery)
			}
			return s
		}
	}
	return d.device
}

// lastText tells of the newest answer that brought something.
func lastText(v view) string {
	if v.last.Feed == "" {
		return "nothing has come yet"
	}
	return fmt.Sprintf("%s brought %s new samples", words(v.last.Feed), countText(v.last.Added))
}

// nowText tells what happens at the moment.
func nowText(v view) string {
	switch {
	case v.Hold.After(v.now):
		return "waiting until " + v.Hold.In(v.Zones.Now()).Format("15:04") + ", as the service asked"
	case v.Live != nil && v.Live.Feed != plan.Poll:
		return v.Live.Why
	case v.History != nil:
		return v.History.Why
	case v.Live != nil:
		return v.Live.Why
	case v.Why != "":
		return v.Why
	}
	return "deciding what to ask"
}

// words is a feed's or a series' id as people read it.
func words(id string) string { return strings.ReplaceAll(id, "_", " ") }

// finish says what there was to see, and what one can do next.
func (d *demo) finish() error {
	ctx := context.Background()
	v, err := d.look(ctx)
	if err != nil {
		return err
	}
	v.Zones = d.who.zones(ctx)
	v.now = d.app.clock.Now().In(v.Zones.Now())
	if d.screen == nil {
		for _, l := range columns(groups(v.values, v.now, v.Zones), 0) {
			fmt.Fprintln(d.stdout, strings.TrimRight(l.text(), " "))
		}
		fmt.Fprintln(d.stdout)
	}
	done := "stopped before all was fetched"
	if !d.complete.IsZero() {
		done = "all fetched in " + durationText(d.complete.Sub(d.began))
	}
	d.line("", "%d days of a simulated life, %s: %s samples, %s on disk.", d.days, done, countText(v.stats.Samples), bytesText(v.stats.Bytes))
	for _, t := range d.app.sinks {
		d.line("", "%s took %s points.", t.sink.Name(), countText(int(t.deliver.Status().Written)))
	}
	d.line("", "With your own data: make a client at Google (README.md, \"Set it up\"), then: fitbit-fetch authorize")
	return nil
}
