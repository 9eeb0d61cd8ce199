package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func TestHints(t *testing.T) {
	s := &source.Error{Hint: "of the source"}
	k := &sink.Error{Hint: "of the sink", Err: errors.New("x")}
	a := &archive.Error{Hint: "of the archive", Err: k}
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"nothing", nil, nil},
		{"an error without advice", errors.New("x"), nil},
		{"source", s, []string{"of the source"}},
		{"sink, wrapped", fmt.Errorf("writing: %w", k), []string{"of the sink"}},
		{"one in the other", a, []string{"of the archive", "of the sink"}},
		{"joined, each once", errors.Join(s, fmt.Errorf("again: %w", s), k), []string{"of the source", "of the sink"}},
		{"in an exit code", &exitError{exitConfig, s}, []string{"of the source"}},
	} {
		if got := hints(c.err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		exitOK:        nil,
		exitFailed:    errors.New("x"),
		exitUsage:     fmt.Errorf("person x: %w", usageError("x")),
		exitConfig:    noClient("x", "google"),
		exitAuthorize: fmt.Errorf("x: %w", &source.Error{Kind: source.Auth}),
		exitStopped:   fmt.Errorf("x: %w", context.Canceled),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("exit code of %v: %d, want %d", err, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text, before, rest string
		wide               int
		want               string
	}{
		{"one two three", "", "", 0, "one two three"},
		{"one two three four five", "→ ", "  ", 20, "→ one two three four\n  five"},
		{"äöü äöü äöü äöü äöü", "", "", 20, "äöü äöü äöü äöü äöü"},
		{"a-word-that-is-longer-than-the-line x", "", "  ", 20, "a-word-that-is-longer-than-the-line\n  x"},
		{"first\nstill first\n  kept   as is\nlast", "", "", 80, "first still first\n  kept   as is\nlast"},
		{"", "> ", "", 80, "> "},
	} {
		if got := (&call{wide: c.wide}).wrap(c.text, c.before, c.rest); got != c.want {
			t.Errorf("wrap(%q, %d):\n%q, want\n%q", c.text, c.wide, got, c.want)
		}
	}
}

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		countText(0): "0", countText(999): "999", countText(1000): "1 000", countText(-1234567): "-1 234 567",
		bytesText(999): "999 bytes", bytesText(2048): "2 kB", bytesText(3 << 19): "1.5 MB", bytesText(20 << 20): "20 MB",
		durationText(0): "1 second", durationText(89 * time.Second): "89 seconds", durationText(5 * time.Minute): "5 minutes",
		durationText(3 * time.Hour): "3 hours", durationText(80 * time.Hour): "3 days",
		bar(0, 4): "░░░░", bar(0.5, 4): "██░░", bar(2, 4): "████", bar(-1, 4): "░░░░",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Help is for people: every line fits a terminal, and no command goes without a word.
func TestHelpFits(t *testing.T) {
	var b strings.Builder
	usage(&b)
	for _, cmd := range commands() {
		if help, err := cmd.parse(&call{stdout: &b}, []string{"--help"}); !help || err != nil {
			t.Errorf("%s --help: %v %v", cmd.name, help, err)
		}
	}
	for l := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

// What the demo shows of the catalogue is there, and each row fits its cell.
func TestDemoShowsTheCatalogue(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	zones := metric.Zones{{Name: "UTC"}}
	fields := map[string]metric.Field{}
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			fields[f.Sensor] = f
		}
	}
	for _, at := range []time.Time{now, now.AddDate(0, 0, -1)} {
		var values []latest.Value
		for _, g := range shown() {
			for _, r := range g.rows {
				f, ok := fields[r.sensor]
				if !ok {
					t.Errorf("no series has the sensor %q", r.sensor)
				}
				values = append(values, latest.Value{Field: f, Value: 1439, At: at})
			}
		}
		blocks := groups(values, now, zones)
		for _, block := range blocks {
			for _, l := range block {
				if n := utf8.RuneCountInString(l.text()); n != cellWide {
					t.Errorf("%d columns, want %d: %q", n, cellWide, l.text())
				}
			}
		}
		// Counters of yesterday are not today's.
		if steps := blocks[0][2].text(); strings.HasSuffix(steps, "–") == at.Equal(now) {
			t.Errorf("of %s: %q", at, steps)
		}
	}
}

func TestColumns(t *testing.T) {
	blocks := groups(nil, time.Time{}, metric.Zones{{Name: "UTC"}})
	for wide, want := range map[int]int{120: 9, 80: 9, 76: 9, 50: 17, 30: 28, 0: 28} {
		lines := columns(blocks, wide)
		if len(lines) != want {
			t.Errorf("%d columns: %d lines, want %d", wide, len(lines), want)
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l.text()); wide > 0 && n > wide {
				t.Errorf("%d columns: a line of %d", wide, n)
			}
		}
	}
}

func TestLineRender(t *testing.T) {
	l := line{{bold, "Steps"}, {plain, " 1 065"}}
	for _, c := range []struct {
		wide    int
		colours bool
		want    string
	}{
		{80, false, "Steps 1 065"},
		{80, true, "\x1b[1mSteps\x1b[0m 1 065"},
		{8, false, "Steps 1…"},
		{5, true, "\x1b[1mSteps\x1b[0m"},
		{3, false, "St…"},
	} {
		if got := l.render(c.wide, c.colours); got != c.want {
			t.Errorf("render(%d, %v) = %q, want %q", c.wide, c.colours, got, c.want)
		}
	}
}

func TestScreenKeepsItsLastLine(t *testing.T) {
	var b strings.Builder
	s := &screen{out: &b, size: func() (int, int) { return 20, 3 }}
	s.draw([]line{{{plain, "a"}}, {{plain, "b"}}, {{plain, "c"}}, {{plain, "end"}}})
	if want := "\x1b[Ha\x1b[K\r\nb\x1b[K\r\nend\x1b[K\x1b[J"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestColours(t *testing.T) {
	for _, c := range []struct {
		tty  bool
		env  string
		want bool
	}{{true, "", true}, {false, "", false}, {true, "NO_COLOR=1", false}, {true, "TERM=dumb", false}, {true, "TERM=xterm", true}} {
		name, value, _ := strings.Cut(c.env, "=")
		if got := (&call{tty: c.tty}).colours(func(n string) string { return map[string]string{name: value}[n] }); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The demo begins while people are up, at most a day back.
func TestByDay(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-20T03:00:00+01:00": "2026-11-19T17:00:00+01:00",
		"2026-11-20T09:30:00+01:00": "2026-11-20T09:30:00+01:00",
		"2026-11-20T23:00:00+01:00": "2026-11-20T17:00:00+01:00",
	} {
		n, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := byDay(n, "Europe/Berlin").Format(time.RFC3339); got != want {
			t.Errorf("at %s: %s, want %s", now, got, want)
		}
	}
}

func TestRingKeepsTheNewest(t *testing.T) {
	r := newRing[int](3)
	for i := range 5 {
		r.add(i)
	}
	if got := r.list(); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("%v", got)
	}
}
