package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// What is kept of the log: so many lines of each of so many parts.
const (
	keptLines = 60
	keptParts = 32
	keptText  = 400 // letters of a line
)

// logKeeper keeps the last lines of our own log in memory, by what they are about: a person, a database or a part of the program.
// The page shows them.
type logKeeper struct {
	mu    sync.Mutex
	parts map[string]*ring[logLine]
}

type logLine struct {
	at    time.Time
	level slog.Level
	text  string
}

// partLog is what is kept of one part, oldest first.
type partLog struct {
	name  string
	lines []logLine
}

func newLogKeeper() *logKeeper { return &logKeeper{parts: map[string]*ring[logLine]{}} }

// wrap returns a handler that keeps lines at info and above beside handing all on to h.
func (k *logKeeper) wrap(h slog.Handler) slog.Handler { return keeping{Handler: h, keeper: k} }

// keeping is the handler; it collects the attributes that its children have.
type keeping struct {
	slog.Handler
	keeper *logKeeper
	about  map[string]string // person, sink and part
	attrs  []slog.Attr       // the others
	group  string
}

func (h keeping) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.Handler.Enabled(ctx, level)
}

func (h keeping) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		h.keep(r)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h keeping) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := h
	next.Handler, next.about, next.attrs = h.Handler.WithAttrs(attrs), map[string]string{}, slices.Clone(h.attrs)
	for key, v := range h.about {
		next.about[key] = v
	}
	for _, a := range attrs {
		if slices.Contains(aboutKeys, a.Key) && h.group == "" {
			next.about[a.Key] = a.Value.String()
			continue
		}
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return next
}

func (h keeping) WithGroup(name string) slog.Handler {
	next := h
	next.Handler = h.Handler.WithGroup(name)
	if name != "" {
		next.group += name + "."
	}
	return next
}

// aboutKeys name what a line is about; the first that is there decides in whose log it stands.
var aboutKeys = []string{"person", "sink", "part"}

func (h keeping) keep(r slog.Record) {
	var b strings.Builder
	b.WriteString(r.Message)
	about := map[string]string{}
	for key, v := range h.about {
		about[key] = v
	}
	add := func(a slog.Attr) bool {
		if slices.Contains(aboutKeys, a.Key) && about[a.Key] == "" {
			about[a.Key] = a.Value.String()
			return true
		}
		fmt.Fprintf(&b, " %s=%s", a.Key, a.Value.Resolve())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		return add(a)
	})
	name := "program"
	for _, key := range aboutKeys {
		if about[key] != "" {
			name = about[key]
			if key == "person" {
				name = "person " + name
			}
			break
		}
	}
	whole := b.String()
	text := []rune(signInParts.ReplaceAllString(whole[:min(len(whole), 8*keptText)], "$1=***"))
	if len(text) > keptText {
		text = append(text[:keptText], '…')
	}
	h.keeper.add(name, logLine{at: r.Time, level: r.Level, text: string(text)})
}

func (k *logKeeper) add(name string, l logLine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lines := k.parts[name]
	if lines == nil {
		if len(k.parts) >= keptParts {
			name = "program"
			lines = k.parts[name]
		}
		if lines == nil {
			made := newRing[logLine](keptLines)
			lines = &made
			k.parts[name] = lines
		}
	}
	lines.add(l)
}

// list returns what is kept: persons first, then databases and parts, each with its oldest line first.
func (k *logKeeper) list() []partLog {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []partLog
	for _, name := range sortedKeys(k.parts) {
		out = append(out, partLog{name, k.parts[name].list()})
	}
	slices.SortStableFunc(out, func(a, b partLog) int { return boolOrder(isPerson(b.name)) - boolOrder(isPerson(a.name)) })
	return out
}

func isPerson(name string) bool { return strings.HasPrefix(name, "person ") }

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// signInParts is what an address to sign in at has in it. The log shows it to whoever is to go there; the page has an address of its own.
var signInParts = regexp.MustCompile(`\b(state|code_challenge)=[^&\s"]+`)
