package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestLogKeeper(t *testing.T) {
	k, out := newLogKeeper(), &bytes.Buffer{}
	log := slog.New(k.wrap(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	mine := log.With("person", "kim").With("part", "collect")
	mine.Info("first", "feed", "steps")
	mine.Debug("too little")
	mine.WithGroup("request").Warn("second", "err", errors.New("HTTP 503"))
	log.With("part", "deliver").With("sink", "influxdb x").Error("third")
	log.With("part", "mqtt").Info("fourth")
	log.Info("fifth", "person", "anna")
	log.Info("sixth", "open", "https://x/auth?client_id=1&state=abc&code_challenge=def")
	var got []string
	for _, part := range k.list() {
		for _, l := range part.lines {
			got = append(got, fmt.Sprintf("%s: %s %s", part.name, l.level, l.text))
		}
	}
	want := []string{"person anna: INFO fifth", "person kim: INFO first feed=steps", "person kim: WARN second request.err=HTTP 503", "influxdb x: ERROR third", "mqtt: INFO fourth", "program: INFO sixth open=https://x/auth?client_id=1&state=***&code_challenge=***"}
	for i := range want { // part is an attribute like any other where somebody is named
		if i >= len(got) || strings.ReplaceAll(got[i], " part=collect", "") != want[i] {
			t.Errorf("kept %q, want %q", got, want)
			break
		}
	}
	if text := out.String(); strings.Contains(text, "first") || !strings.Contains(text, "third") {
		t.Errorf("the log's own level is not kept: %s", text)
	}
}

// However much is logged, little is kept.
func TestLogKeeperIsBounded(t *testing.T) {
	k := newLogKeeper()
	log := slog.New(k.wrap(slog.DiscardHandler))
	for i := range 2 * keptParts {
		l := log.With("person", fmt.Sprint(i))
		for range keptLines + 1 {
			l.Info(strings.Repeat("ä", 2*keptText))
		}
	}
	parts := k.list()
	if len(parts) > keptParts+1 {
		t.Errorf("%d parts", len(parts))
	}
	for _, p := range parts {
		if len(p.lines) > keptLines || len([]rune(p.lines[0].text)) > keptText+1 {
			t.Errorf("%s: %d lines of %d letters", p.name, len(p.lines), len([]rune(p.lines[0].text)))
		}
	}
}
