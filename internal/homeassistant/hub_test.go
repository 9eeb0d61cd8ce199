package homeassistant

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hub is a broker in memory, for tests in a bubble: it keeps what is retained, passes the messages on in one order to everybody, and
// publishes the will of those whose connection breaks.
type hub struct {
	mu       sync.Mutex
	retained map[string]string
	clients  map[*hubLink]bool
	log      []hubMessage
	dead     map[string]bool // who cannot connect; "" for all
}

// hubMessage is what somebody published, and who.
type hubMessage struct {
	message
	by string
}

type hubLink struct {
	*hub
	by    string
	terms terms
	will  *message
	in    chan arrival
	end   chan struct{}
}

func newHub() *hub {
	return &hub{retained: map[string]string{}, clients: map[*hubLink]bool{}, dead: map[string]bool{}}
}

// dialer is how the publisher p, called by, connects to the hub.
func (h *hub) dialer(p *Publisher, by string) func(context.Context, Broker, string, terms) (link, error) {
	return func(_ context.Context, _ Broker, _ string, t terms) (link, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.dead[""] || h.dead[by] {
			return nil, errors.New("nothing listens")
		}
		l := &hubLink{hub: h, by: by, terms: t, in: make(chan arrival, 4096), end: make(chan struct{})}
		if t.will {
			l.will = &message{p.availabilityTopic(), offline, true}
		}
		h.clients[l] = true
		for _, topic := range slices.Sorted(maps.Keys(h.retained)) {
			l.deliver(arrival{topic, h.retained[topic], true})
		}
		return l, nil
	}
}

// matches reports whether a topic is below one of the filters.
func (t terms) matches(topic string) bool {
	return slices.ContainsFunc(t.topics, func(filter string) bool {
		if below, ok := strings.CutSuffix(filter, "/#"); ok {
			return topic == below || strings.HasPrefix(topic, below+"/")
		}
		ok, err := path.Match(strings.ReplaceAll(filter, "+", "*"), topic)
		return err == nil && ok
	})
}

func (l *hubLink) deliver(a arrival) {
	switch {
	case !l.terms.matches(a.topic):
	case l.terms.take != nil:
		l.terms.take(a)
	default:
		l.in <- a
	}
}

// route passes a message on to everybody. The lock is held.
func (h *hub) route(by string, m message) {
	h.log = append(h.log, hubMessage{m, by})
	if m.retain {
		if h.retained[m.topic] = m.payload; m.payload == "" {
			delete(h.retained, m.topic)
		}
	}
	for l := range h.clients {
		l.deliver(arrival{m.topic, m.payload, false})
	}
}

func (l *hubLink) publish(_ context.Context, messages []message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.clients[l] {
		return errLost
	}
	for _, m := range messages {
		l.route(l.by, m)
	}
	return nil
}

func (l *hubLink) arrivals() <-chan arrival { return l.in }
func (l *hubLink) lost() <-chan struct{}    { return l.end }
func (l *hubLink) why() error               { return errLost }

func (l *hubLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.clients, l)
}

// cut breaks the connections of a publisher; the broker publishes their wills.
func (h *hub) cut(by string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.clients {
		if l.by != by {
			continue
		}
		delete(h.clients, l)
		close(l.end)
		if l.will != nil {
			h.route(l.by, *l.will)
		}
	}
}

// bury lets somebody connect no more, or again; everybody where by is empty.
func (h *hub) bury(by string, dead bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead[by] = dead
}

// publish is somebody else's message.
func (h *hub) publish(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.route("", m)
}

func (h *hub) get(topic string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.retained[topic]
}

// owner is the host in the owner's record.
func (h *hub) owner() string {
	var r record
	json.Unmarshal([]byte(h.get("fitbit_fetch/owner")), &r)
	return r.Host
}

// published returns what a publisher has published, but for the owner's topic, and forgets it.
func (h *hub) published(by string) (out []message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = slices.DeleteFunc(h.log, func(m hubMessage) bool {
		if m.by == by && !strings.HasSuffix(m.topic, "/owner") {
			out = append(out, m.message)
		}
		return m.by == by
	})
	return out
}

// program is a publisher at a hub, which can be killed.
type program struct {
	*Publisher
	hub  *hub
	w    *world
	stop func() // as agreed
}

// program starts a publisher that is called host.
func (w *world) program(t *testing.T, h *hub, host string) *program {
	t.Helper()
	w.cfg.Host = host
	w.setBroker(Broker{URL: "mqtt://hub"})
	p := &program{Publisher: New(w.cfg), hub: h, w: w}
	p.dial = h.dialer(p.Publisher, host)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		synctest.Wait()
	})
	return p
}

// kill ends a program as a power cut does: from its last word on nothing more comes of it, and its will is published.
func (p *program) kill() {
	p.hub.bury(p.cfg.Host, true)
	p.hub.cut(p.cfg.Host)
	synctest.Wait()
}

// at returns the seconds since the bubble's beginning, for messages.
func since(begin time.Time) time.Duration { return time.Since(begin).Round(time.Second) }
