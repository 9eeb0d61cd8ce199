package main

import (
	"errors"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
)

// A failure is still there when a thousand successes have come since.
func TestFailuresAreKeptLonger(t *testing.T) {
	h := newHistory()
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	h.event(collect.Event{At: at, Feed: "spo2", Err: errors.New("HTTP 503")})
	for i := range 1000 {
		h.event(collect.Event{At: at.Add(time.Duration(i+1) * time.Second), Feed: "steps"})
	}
	h.event(collect.Event{At: at.Add(time.Hour), Feed: "weight", Err: errors.New("HTTP 403")})
	list := h.list()
	if len(list) != 202 || list[0].Feed != "spo2" || list[1].Feed != "steps" || list[201].Feed != "weight" {
		t.Errorf("%d events, the first %q, the last %q", len(list), list[0].Feed, list[len(list)-1].Feed)
	}
	if _, _, events := h.lists(); len(events) != 202 || events[0].Err == "" {
		t.Errorf("a report tells of %d", len(events))
	}
}
