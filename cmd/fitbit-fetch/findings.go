package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// finding is one thing that was looked at: check and the page show the same ones.
type finding struct {
	bad   bool
	code  int // the exit code it is worth, where check is to fail with it
	what  string
	text  string
	hints []string
}

// patience is how long one connection may take to answer.
const patience = 30 * time.Second

// findings tries everything.
func (a *app) findings(ctx context.Context) []finding {
	if a.held() {
		return a.mistakes()
	}
	options := finding{what: "options", text: fmt.Sprintf("read; persons: %d", len(a.people))}
	for _, n := range a.opts.Notes {
		options.hints = append(options.hints, "note: "+n)
	}
	out := []finding{options}
	if r := a.archive.Report(); r.Aside != "" {
		out = append(out, finding{bad: true, what: "archive", text: fmt.Sprintf("the file was broken (%s) and was moved to %s", r.Reason, r.Aside)})
	} else {
		out = append(out, finding{what: "archive", text: a.opts.Archive})
	}
	for _, p := range a.people {
		out = append(out, a.findPerson(ctx, p)...)
	}
	for _, t := range a.sinks {
		out = append(out, findSink(ctx, t.sink))
	}
	switch {
	case a.opts.DryRun:
		out = append(out, finding{what: "database", text: "dry run: nothing is written to one"})
	case len(a.sinks) == 0:
		out = append(out, finding{what: "database", text: "none is configured; the archive alone is kept"})
	}
	return out
}

func (a *app) findPerson(ctx context.Context, p *person) []finding {
	f := finding{what: "person " + p.ID}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.opts.ClientID == "" {
		f.bad, f.code, f.text = true, exitConfig, "there is no client id, so nobody can be asked"
		f.hints = []string{a.clientCure()}
		return []finding{f}
	}
	if err := p.takeOver(ctx, a); err != nil {
		f.bad, f.code, f.text, f.hints = true, exitCode(err), fmt.Sprintf("the authorization in the options is not accepted: %v", err), hints(err)
		return []finding{f}
	}
	s := p.tokens.State(a.clock.Now())
	if s.Standing == auth.Missing || s.Standing == auth.Dead {
		f.bad, f.code, f.text, f.hints = true, exitAuthorize, s.Text, some(s.Hint)
		return []finding{f}
	}
	f.text = s.Text
	d, ok := p.source.(source.Describer)
	if !ok {
		return []finding{f}
	}
	desc, err := d.Describe(ctx)
	if err != nil {
		f.bad, f.code, f.text, f.hints = true, exitCode(err), err.Error(), hints(err)
		return []finding{f}
	}
	zone, hint := collect.ZoneText(collect.ZoneOf(p.opts.TimeZone, desc, machineZone()))
	f.text = fmt.Sprintf("account %s, zone %s, %d device(s); authorization: %s", metric.Mask(desc.Account), zone, len(desc.Devices), s.Text)
	out := []finding{f}
	if hint != "" {
		out = append(out, finding{what: f.what, bad: true, text: "the time zone is not known for sure: " + zone, hints: []string{hint}})
	}
	for _, m := range s.Missing {
		out = append(out, finding{what: f.what, bad: true, text: fmt.Sprintf("not granted: %s; without it: no %s", m.Short(), m.Unlocks),
			hints: []string{"Authorize again and tick its box; everything else goes on without it."}})
	}
	return out
}

// clientCure says where a client id is given.
func (a *app) clientCure() string {
	switch {
	case a.opts.InApp:
		return "Give client id and client secret on the page of this app, or on its Configuration tab."
	case a.opts.Page.Listen == "off":
		return "Set " + clientOptions[a.opts.Provider] + " (README.md says where they come from), then: fitbit-fetch authorize"
	}
	return "Give client id and client secret on the page, or set " + clientOptions[a.opts.Provider] + " (README.md says where they come from), then: fitbit-fetch authorize"
}

func findSink(ctx context.Context, s checkedSink) finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f := finding{what: "database"}
	text, err := s.Check(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %.0f s: %w", patience.Seconds(), err)
	}
	if f.text = s.Name() + ": " + text; err != nil {
		f.bad, f.code, f.text, f.hints = true, exitFailed, fmt.Sprintf("%s: %v", s.Name(), err), hints(err)
	}
	return f
}

// some is a list without what is empty.
func some(texts ...string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}
