package homeassistant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// place is where something was announced: below which topics, at which broker.
type place struct {
	Broker string `json:"broker"` // host and port
	Prefix string `json:"prefix"`
	Node   string `json:"node"`
}

// here is the place that is published at now.
func (p *Publisher) here(b Broker) (place, error) {
	server, err := address(b.URL)
	if err != nil {
		return place{}, err
	}
	return place{server.Host, p.cfg.Prefix, p.cfg.Node}, nil
}

// errOthers says that nothing was removed, because nothing there is ours any more.
var errOthers = &Error{Err: errors.New("another Fitbit Fetch publishes these sensors: nothing was removed"), Hint: "remove them there, or stop it first"}

// Withdraw removes all that was published from Home Assistant and from the broker, and has nothing published again until Restore is
// called, over a restart too. With an error, removing is tried again until it succeeds. It needs Run to run, and may be called from any
// goroutine.
func (p *Publisher) Withdraw(ctx context.Context) error { return p.wish(ctx, true) }

// Restore has everything published again after Withdraw. It needs Run to run, and may be called from any goroutine.
func (p *Publisher) Restore(ctx context.Context) error { return p.wish(ctx, false) }

// wish is what somebody asks of Run.
type wish struct {
	withdraw bool
	done     chan error // has room for the answer
}

func (p *Publisher) wish(ctx context.Context, withdraw bool) error {
	w := wish{withdraw, make(chan error, 1)}
	select {
	case p.wishes <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quiet reports whether nothing is to be published.
func (p *Publisher) quiet() bool { return p.cfg.Off || p.mem.Withdrawn }

// leftover reports whether something of ours may still be at a broker that must not be there.
func (p *Publisher) leftover() bool {
	return p.quiet() && (p.mem.Place != nil || len(p.mem.Devices) > 0) && (p.mem.Withdrawn || !p.cfg.Keep)
}

// grant does what somebody asks for.
func (p *Publisher) grant(ctx context.Context, w wish) {
	p.setWithdrawn(w.withdraw)
	if w.withdraw && p.mem.Place == nil {
		p.mem.Place = &place{} // removed even where nothing is remembered
	}
	err := p.remember(context.WithoutCancel(ctx))
	if err == nil && w.withdraw {
		ctx, cancel := context.WithTimeout(ctx, p.timing.grant)
		defer cancel()
		err = p.clear(ctx)
	}
	w.done <- err
}

// setWithdrawn remembers, and shows, whether somebody had all removed.
func (p *Publisher) setWithdrawn(on bool) {
	p.mem.Withdrawn = on
	p.mu.Lock()
	defer p.mu.Unlock()
	p.withdrawn = on
}

// clear removes all that was published, and remembers that this is done.
func (p *Publisher) clear(ctx context.Context) error {
	b, err := p.cfg.Broker(ctx)
	if err != nil {
		return &Error{Err: fmt.Errorf("looking for the MQTT broker: %w", err), Hint: hint(err), wait: waitRefused}
	}
	at, err := p.here(b)
	if err != nil {
		return err
	}
	if old := p.mem.Place; old != nil && old.Node != "" {
		p.elsewhere(*old, at)
		at.Prefix, at.Node = old.Prefix, old.Node
	}
	err = p.remove(ctx, b, at)
	if err != nil && !errors.Is(err, errOthers) {
		return err
	}
	p.mem.Devices, p.mem.Place = map[string]*known{}, nil
	if kept := p.remember(context.WithoutCancel(ctx)); kept != nil {
		return kept
	}
	if err == nil {
		p.log.Info("the sensors are removed from Home Assistant and from the MQTT broker")
	} else {
		p.log.Warn("Home Assistant: "+err.Error(), "hint", hint(err))
	}
	return err
}

// move removes what was published below other topics, before it is published below those of now.
func (p *Publisher) move(ctx context.Context, b Broker) error {
	now, err := p.here(b)
	if err != nil {
		return err
	}
	old := p.mem.Place
	if old == nil || *old == now {
		return nil
	}
	if old.Node != "" && !p.elsewhere(*old, now) {
		if err := p.remove(ctx, b, *old); err != nil && !errors.Is(err, errOthers) {
			return err
		}
		p.mem.Devices = map[string]*known{}
	}
	p.mem.Place = nil
	return p.remember(ctx)
}

// arrive remembers where it is published from now on. It is not before the node is ours: who only waits for it has nothing there that he
// might remove later.
func (p *Publisher) arrive(ctx context.Context, b Broker) error {
	now, err := p.here(b)
	if err != nil {
		return err
	}
	p.mem.Place = &now
	return p.remember(ctx)
}

// elsewhere reports whether something was published at another broker than the one of now, and says so: the way there is not known
// any more.
func (p *Publisher) elsewhere(old, now place) bool {
	if old.Broker == "" || old.Broker == now.Broker {
		return false
	}
	p.log.Info("the broker is another one than before; what was published there stays", "before", old.Broker, "hint",
		"to remove it, go back to that broker's options and remove the sensors on the page, then change the options again")
	return true
}

// gathered is what a broker has retained, as it comes in.
type gathered struct {
	mu       sync.Mutex
	retained map[string]string
	owner    chan arrival // the messages of the owner's topic
}

func (g *gathered) take(a arrival) {
	if strings.HasSuffix(a.topic, "/owner") {
		select {
		case g.owner <- a:
		default: // somebody floods the topic
		}
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.retained {
		g.retained[a.topic] = a.payload
	}
}

// remove takes from the broker what this program published at a place, and nothing else.
func (p *Publisher) remove(ctx context.Context, b Broker, at place) error {
	cfg := p.cfg
	cfg.Prefix, cfg.Node = at.Prefix, at.Node
	q := New(cfg)
	q.mem, q.run, q.timing = p.mem, p.run, p.timing
	found := &gathered{retained: map[string]string{}, owner: make(chan arrival, inbox)}
	l, err := p.dial(ctx, b, p.besides(b, "rm"), terms{topics: []string{q.cfg.Node + "/#", q.cfg.Prefix + "/device/+/config"}, take: found.take})
	if err != nil {
		return err
	}
	defer l.close()
	c := &claimant{Publisher: q, link: listening{l, found.owner}}
	if _, err := c.free(ctx); err != nil {
		return err
	}
	if c.other && (c.alive || c.rival.ID != q.mem.Owner) {
		return errOthers
	}
	found.mu.Lock()
	messages := q.cleanup(found.retained)
	found.mu.Unlock()
	return l.publish(ctx, messages)
}

// listening is a link whose arrivals come from elsewhere.
type listening struct {
	link
	in chan arrival
}

func (l listening) arrivals() <-chan arrival { return l.in }

// cleanup returns what removes all that is remembered, and all that a broker has retained and is ours: first the devices, then what
// their entities read.
func (p *Publisher) cleanup(retained map[string]string) []message {
	devices, states := map[string]bool{}, map[string]bool{p.availabilityTopic(): true}
	for id, k := range p.mem.Devices {
		for _, m := range p.removal(id, k) {
			if m.topic == p.discoveryTopic(id) {
				devices[m.topic] = true
			} else {
				states[m.topic] = true
			}
		}
	}
	for topic, text := range retained {
		switch {
		case p.announcedByUs(topic, text):
			devices[topic] = true
		case p.stateOfOurs(topic, text), topic == p.commandTopic():
			states[topic] = true
		}
	}
	var out []message
	for _, topic := range append(slices.Sorted(maps.Keys(devices)), slices.Sorted(maps.Keys(states))...) {
		out = append(out, message{topic, "", true})
	}
	return append(out, p.release())
}

// announcedByUs reports whether a discovery message is of this node. The device's id does not show it: another node's name may begin
// with ours.
func (p *Publisher) announcedByUs(topic, text string) bool {
	var d payload
	return strings.HasPrefix(topic, p.cfg.Prefix+"/device/") && json.Unmarshal([]byte(text), &d) == nil &&
		slices.Contains(d.Availability, availability{p.availabilityTopic()})
}

// stateOfOurs reports whether a message is the state of one of our entities: others may have topics below our node.
func (p *Publisher) stateOfOurs(topic, text string) bool {
	parts := strings.Split(topic, "/")
	if len(parts) != 3 || parts[0] != p.cfg.Node {
		return false
	}
	var fields map[string]json.RawMessage
	if _, known := p.entities[parts[2]]; !known || json.Unmarshal([]byte(text), &fields) != nil {
		return false
	}
	_, ok := fields["value"]
	return ok
}

// idle waits until somebody asks for something.
func (p *Publisher) idle(ctx context.Context) (wish, bool) {
	p.over()
	return p.asked(ctx)
}

// rest waits for a while, or until somebody asks for something.
func (p *Publisher) rest(ctx context.Context, d time.Duration) (wish, bool) {
	ctx, cancel := context.WithDeadline(ctx, clock.Real().Now().Add(d))
	defer cancel()
	return p.asked(ctx)
}

// asked returns what somebody asks for; false where ctx ends first.
func (p *Publisher) asked(ctx context.Context) (wish, bool) {
	select {
	case w := <-p.wishes:
		return w, true
	case <-ctx.Done():
		return wish{}, false
	}
}

// interruptible does something that ends early when somebody asks for something, and waits for its end.
func (p *Publisher) interruptible(ctx context.Context, do func(ctx context.Context) error) (w wish, asked bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan *wish, 1)
	go func() {
		select {
		case w := <-p.wishes:
			cancel()
			got <- &w
		case <-ctx.Done():
			got <- nil
		}
	}()
	err = do(ctx)
	cancel()
	if w := <-got; w != nil {
		return *w, true, err
	}
	return wish{}, false, err
}
