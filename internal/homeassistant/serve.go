package homeassistant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// link is a live connection to a broker. Its methods belong to one goroutine.
type link interface {
	// publish returns when the broker has taken all messages.
	publish(ctx context.Context, messages []message) error
	// arrivals are what others published.
	arrivals() <-chan arrival
	// lost is closed when the connection has ended, and why says why.
	lost() <-chan struct{}
	why() error
	// close ends it as agreed: the broker says nothing in our name.
	close()
}

// arrival is a message from the broker.
type arrival struct {
	topic, payload string
	retained       bool
}

const (
	online  = "online"
	offline = "offline"
	press   = "PRESS"
)

// serving is one connection being served.
type serving struct {
	*Publisher
	link      link
	facts     map[string]facts     // by person; nil when the archive has to be asked
	sent      map[string]string    // what this broker has of us: payload by topic
	gone      map[string]departure // components being removed, by device
	announced time.Time            // the last discovery message
	away      bool                 // Home Assistant said that it stops
	began     time.Time
	heard     map[string]bool // topics of our own that the broker gave back
	waiting   bool            // events wait for Home Assistant to subscribe
	reading   report          // trouble with the archive
	storing   report
	renewed   time.Time // our record as the owner
}

// departure is what is being removed from a device: first announced as removed, then no longer announced.
type departure struct {
	keys map[string]string
	at   time.Time
}

// now is the real time: what is waited for here happens between machines.
func (s *serving) now() time.Time { return clock.Real().Now() }

// serve announces everything over a new connection and keeps it current, until ctx is done or the connection lost.
func (p *Publisher) serve(ctx context.Context, l link) error {
	s := &serving{Publisher: p, link: l, sent: map[string]string{}, gone: map[string]departure{}, heard: map[string]bool{}}
	s.began, s.renewed = s.now(), s.now()
	err := s.loop(ctx)
	if ctx.Err() != nil {
		return s.leave()
	}
	return err
}

// agenda is when the archive is looked at.
type agenda struct {
	due     time.Time // of the next look
	glance  time.Time // of the next glance; zero for none
	glanced time.Time // the last one, or look
	shown   time.Time // the last look
}

// next is when the archive is to be looked at, one way or the other.
func (a *agenda) next() time.Time {
	if a.glance.IsZero() {
		return a.due
	}
	return earlier(a.due, a.glance)
}

func (s *serving) loop(ctx context.Context) error {
	if err := s.link.publish(ctx, []message{{s.availabilityTopic(), online, true}}); err != nil {
		return err
	}
	when := agenda{due: s.now()}
	changed, restated := s.cfg.Changed(), s.restated()
	for {
		timer := time.NewTimer(earlier(when.next(), s.renewed.Add(s.timing.renew)).Sub(s.now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.link.lost():
			timer.Stop()
			return s.link.why()
		case <-changed:
			changed = nil
			when.glance = later(s.now().Add(s.timing.quiet), when.glanced.Add(s.timing.glance))
		case <-restated:
			restated, when.due = s.restated(), s.now()
		case a := <-s.link.arrivals():
			if err := s.answer(ctx, a); err != nil {
				timer.Stop()
				return err
			}
			if s.arrived(a) {
				clear(s.sent)
				when.due = s.now().Add(rand.N(s.timing.birth))
			}
		case <-timer.C:
			if s.now().Sub(s.renewed) >= s.timing.renew {
				if err := s.renew(ctx); err != nil {
					return err
				}
			}
			if s.now().Before(when.next()) {
				break
			}
			if changed == nil {
				changed, s.facts = s.cfg.Changed(), nil
			}
			if err := s.turn(ctx, &when); err != nil {
				return err
			}
		}
		timer.Stop()
	}
}

// restated is closed when the entities have other names, or the program's page another address.
func (p *Publisher) restated() <-chan struct{} {
	if p.cfg.Restated == nil {
		return nil
	}
	return p.cfg.Restated()
}

// turn looks, or only glances, and settles when to do so again.
func (s *serving) turn(ctx context.Context, when *agenda) error {
	now, pause := s.now(), when.shown.Add(s.timing.pause)
	when.glance, when.glanced = time.Time{}, now
	told, err := s.look(ctx, now.Before(when.due) && now.Before(pause))
	if err != nil {
		return err
	}
	if !told {
		when.due = earlier(when.due, pause)
		return nil
	}
	when.shown = s.now()
	when.due = when.shown.Add(s.wait())
	return nil
}

// wait returns how long nothing has to be looked at, as long as nothing changes.
func (s *serving) wait() time.Duration {
	wait := min(s.timing.tick, s.cfg.Clock.Real(s.midnight())+time.Millisecond)
	if s.waiting || len(s.gone) > 0 {
		wait = min(wait, s.timing.settle)
	}
	return wait
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// answer sets right what another publishes in our place.
func (s *serving) answer(ctx context.Context, a arrival) error {
	switch {
	case a.topic == s.ownerTopic():
		return s.disputed(ctx, a)
	case a.topic == s.availabilityTopic() && a.payload == offline && !a.retained:
		return s.link.publish(ctx, []message{{s.availabilityTopic(), online, true}})
	}
	return nil
}

// leave says goodbye: the broker tells our end only when it comes without a word.
func (s *serving) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.settle)
	defer cancel()
	return s.link.publish(ctx, []message{{s.availabilityTopic(), offline, true}, s.release()})
}

// arrived handles a message. It returns true when Home Assistant has started, and knows nothing of us.
func (s *serving) arrived(a arrival) bool {
	switch {
	case slices.Contains(s.birthTopics(), a.topic):
		if a.retained {
			return false
		}
		s.away = a.payload == offline
		return a.payload == online
	case a.topic == s.commandTopic():
		if !a.retained && a.payload == press {
			s.log.Info("Home Assistant asks to fetch now")
			s.cfg.Sync()
		}
	default:
		if s.heard != nil && !a.retained { // retained, it may be of an earlier life
			s.heard[a.topic] = true
		}
	}
	return false
}

// look publishes what the broker does not have yet. A mere glance does so only where an entity has its first value: new values of
// those that are known can wait for the next look. It returns whether it has published.
func (s *serving) look(ctx context.Context, glance bool) (told bool, err error) {
	if err := s.read(ctx); err != nil {
		if ctx.Err() == nil {
			s.complain(&s.reading, "Home Assistant does not get new values", err)
		}
		return true, nil // the archive may be well at the next look
	}
	if s.reading.over() {
		s.log.Info("Home Assistant gets new values again")
	}
	for _, who := range s.cfg.People {
		f := s.facts[who.ID]
		s.refresh(&f, who)
		s.facts[who.ID] = f
	}
	devices := s.devices(s.facts)
	if glance && !s.first(devices) {
		return false, nil
	}
	if err := s.announce(ctx, devices); err != nil {
		return false, err
	}
	if err := s.happened(ctx, devices); err != nil {
		return false, err
	}
	s.echoed()
	s.store(ctx)
	return true, nil
}

// first reports whether there is an entity that has never been announced.
func (s *serving) first(devices []device) bool {
	for _, d := range devices {
		old := s.mem.Devices[d.id]
		for key := range s.components(d) {
			if old == nil || old.Components[key] == "" {
				return true
			}
		}
	}
	return false
}

// read asks the archive, if it has changed.
func (s *serving) read(ctx context.Context) error {
	if s.facts != nil {
		return nil
	}
	all := map[string]facts{}
	for _, who := range s.cfg.People {
		f, err := s.gather(ctx, who)
		if err != nil {
			return fmt.Errorf("looking for what to show of %s: %w", who.ID, err)
		}
		all[who.ID] = f
	}
	s.facts = all
	return nil
}

// complain reports a trouble with the archive, once.
func (s *serving) complain(r *report, what string, err error) {
	if r.bad(err) {
		s.log.Error(what, "err", err)
	}
}

// store remembers, even when we are about to stop.
func (s *serving) store(ctx context.Context) {
	if err := s.remember(context.WithoutCancel(ctx)); err != nil {
		s.complain(&s.storing, "what was published to Home Assistant is not remembered", err)
		return
	}
	if s.storing.over() {
		s.log.Info("what is published to Home Assistant is remembered again")
	}
}

// expect remembers what is about to be announced, beside what is still to be removed: a stop in between forgets neither.
func (s *serving) expect(ctx context.Context, now map[string]*known) {
	for id, k := range now {
		both := &known{Person: k.Person, Tracker: k.Tracker, Components: maps.Clone(k.Components)}
		if old := s.mem.Devices[id]; old != nil {
			maps.Copy(both.Components, old.Components)
		}
		s.mem.Devices[id] = both
	}
	s.store(ctx)
}

// announce publishes devices and states as far as they are not as the broker has them, and removes what is no longer there.
func (s *serving) announce(ctx context.Context, devices []device) error {
	var discoveries, states []message
	now := map[string]*known{}
	for _, d := range devices {
		keys := s.components(d)
		clearing := s.departed(d, keys)
		m, err := s.discovery(d, keys, s.gone[d.id].keys)
		if err != nil {
			return err
		}
		if s.sent[m.topic] != m.payload {
			discoveries = append(discoveries, m)
		}
		states = append(states, clearing...)
		ms, err := s.stateMessages(d)
		if err != nil {
			return err
		}
		states = append(states, ms...)
		now[d.id] = &known{Person: d.person, Tracker: d.tracker, Components: keys}
	}
	for _, id := range slices.Sorted(maps.Keys(s.mem.Devices)) {
		switch k := s.mem.Devices[id]; {
		case now[id] != nil:
		case s.cfg.Keep || expected(k, devices):
			now[id] = k
		default:
			discoveries = append(discoveries, s.removal(id, k)...)
			s.log.Info("a device is removed from Home Assistant", "device", id)
		}
	}
	s.expect(ctx, now)
	if err := s.send(ctx, discoveries); err != nil {
		return err
	}
	if len(discoveries) > 0 {
		s.announced = s.now()
	}
	if err := s.send(ctx, states); err != nil {
		return err
	}
	s.mem.Devices = now
	return nil
}

// expected reports whether a device that is not there now may come back: before the first answer of a service, none of a person's
// trackers is known.
func expected(k *known, now []device) bool {
	there := slices.ContainsFunc(now, func(d device) bool { return d.person == k.Person && !d.tracker })
	answered := slices.ContainsFunc(now, func(d device) bool { return d.person == k.Person && d.tracker })
	return k.Tracker && there && !answered
}

// departed notes the components that a device had and has no more, and returns what clears their states.
func (s *serving) departed(d device, keys map[string]string) []message {
	dep, ok := s.gone[d.id]
	if ok && s.now().Sub(dep.at) >= s.timing.settle {
		delete(s.gone, d.id)
	}
	old := s.mem.Devices[d.id]
	if old == nil {
		return nil
	}
	var out []message
	for _, key := range slices.Sorted(maps.Keys(old.Components)) {
		platform := old.Components[key]
		if _, ok := keys[key]; ok {
			continue
		}
		if s.gone[d.id].keys == nil {
			s.gone[d.id] = departure{map[string]string{}, s.now()}
		}
		s.gone[d.id].keys[key] = platform
		out = append(out, s.clearing(d.id, key, platform)...)
	}
	return out
}

// send publishes the messages that the broker does not have.
func (s *serving) send(ctx context.Context, messages []message) error {
	var todo []message
	for _, m := range messages {
		if had, ok := s.sent[m.topic]; !ok || had != m.payload {
			todo = append(todo, m)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	if err := s.link.publish(ctx, todo); err != nil {
		return err
	}
	for _, m := range todo {
		s.sent[m.topic] = m.payload
	}
	return nil
}

// happened publishes events, once Home Assistant has had the time to subscribe.
func (s *serving) happened(ctx context.Context, devices []device) error {
	var news []event
	for _, d := range devices {
		f, ok := s.facts[d.person]
		if !ok || d.tracker {
			continue
		}
		events, err := s.events(d, f)
		if err != nil {
			return err
		}
		news = append(news, events...)
	}
	s.waiting = len(news) > 0 && (s.away || s.now().Sub(s.announced) < s.timing.settle)
	if s.waiting || len(news) == 0 {
		return nil
	}
	for _, e := range news {
		if err := s.link.publish(ctx, []message{e.message}); err != nil {
			return err
		}
		e.done()
	}
	return nil
}

// echoed complains once when the broker does not give back what it took: it drops what a user may not publish without a word.
func (s *serving) echoed() {
	if s.heard == nil || s.now().Sub(s.began) < s.timing.echo {
		return
	}
	for _, topic := range s.echoes() {
		if !s.heard[topic] {
			s.trouble(&Error{Err: errors.New("the broker takes our messages, but does not pass them on: nothing arrives in Home Assistant"),
				Hint: "its access rules must let our user read and write " + s.cfg.Node + "/# and " + s.cfg.Prefix + "/#"}, true)
			break
		}
	}
	s.heard = nil
}

// echoes are our own topics that we listen to.
func (p *Publisher) echoes() []string {
	return []string{p.availabilityTopic(), p.discoveryTopic(serviceID)}
}
