package homeassistant

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// recorder is a link that keeps what is published.
type recorder struct {
	mu       sync.Mutex
	messages []message
	in       chan arrival
	end      chan struct{}
}

func newRecorder() *recorder { return &recorder{in: make(chan arrival, 8), end: make(chan struct{})} }

func (r *recorder) publish(_ context.Context, messages []message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		judge(m)
		if !strings.HasSuffix(m.topic, "/owner") { // is renewed whatever happens, and has its own tests
			r.messages = append(r.messages, m)
		}
	}
	return nil
}

func (r *recorder) close() {}

func (r *recorder) arrivals() <-chan arrival { return r.in }
func (r *recorder) lost() <-chan struct{}    { return r.end }
func (r *recorder) why() error               { return errLost }

// on returns the payloads of a topic, in order.
func (r *recorder) on(topic string) (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		if m.topic == topic {
			out = append(out, m.payload)
		}
	}
	return out
}

// values returns the values of a state topic, in order.
func (r *recorder) values(topic string) (out []any) {
	for _, text := range r.on(topic) {
		var s state
		json.Unmarshal([]byte(text), &s)
		out = append(out, s.Value)
	}
	return out
}

func (r *recorder) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = nil
}

// text writes what was published for people to read: states in one line, the rest indented.
func (r *recorder) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, m := range r.messages {
		kept := ""
		if !m.retain {
			kept = " (not retained)"
		}
		fmt.Fprintf(&b, "%s%s", m.topic, kept)
		if strings.HasSuffix(m.topic, "/config") {
			var out bytes.Buffer
			if err := json.Indent(&out, []byte(m.payload), "", "  "); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "\n%s\n", out.String())
			continue
		}
		fmt.Fprintf(&b, " %s\n", m.payload)
	}
	return b.String()
}

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
