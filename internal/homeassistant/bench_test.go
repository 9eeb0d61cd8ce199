package homeassistant

import (
	"context"
	"testing"
)

// What a look costs when nothing has changed: it happens every half minute, day and night.
func BenchmarkLook(b *testing.B) {
	w := newWorld(noon, 1)
	for _, e := range Entities() {
		if e.StateClass == total {
			w.archive.value("me", e.Key, 1000, berlin.Midnight(today))
		}
	}
	p := New(w.cfg)
	if err := p.recall(context.Background()); err != nil {
		b.Fatal(err)
	}
	s := &serving{Publisher: p, link: newRecorder(), sent: map[string]string{}, gone: map[string]departure{}}
	for b.Loop() {
		if _, err := s.look(context.Background(), false); err != nil {
			b.Fatal(err)
		}
	}
}
