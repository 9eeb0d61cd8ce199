package homeassistant

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// Two programs that publish below one node would overwrite each other, and the end of one would show both as unavailable. So one of them
// owns the node: it keeps a record at the broker and renews it. Who finds another's record asks for a sign of life, and publishes nothing
// as long as the other gives one. No two clocks are ever compared: a record is judged by whether it changes while one watches.

// record says who publishes below a node.
type record struct {
	ID      string `json:"id,omitempty"`      // of the installation, as its archive keeps it
	Run     string `json:"run,omitempty"`     // of the process
	Host    string `json:"host,omitempty"`    // of its machine, for people
	Renewed string `json:"renewed,omitempty"` // by its own clock, for people: to others it matters only that it changes
	Ask     string `json:"ask,omitempty"`     // instead of all that, and not retained: the run that asks the owner to renew now
}

// sighting is another's record as it was seen last.
type sighting struct {
	record
	text string
	at   time.Time // when it was seen to change, or somebody to publish it
}

// errDisplaced ends a connection on which another turned out to be the owner.
var errDisplaced = errors.New("another Fitbit Fetch publishes the sensors")

func (p *Publisher) ownerTopic() string { return p.cfg.Node + "/owner" }

// randomID returns n random bytes as hexadecimal digits.
func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// ownRecord is the message that claims the node, or renews the claim.
func (p *Publisher) ownRecord() (message, error) {
	text, err := json.Marshal(record{ID: p.mem.Owner, Run: p.run, Host: p.cfg.Host, Renewed: p.cfg.Clock.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return message{}, fmt.Errorf("writing the owner's record: %w", err)
	}
	return message{p.ownerTopic(), string(text), true}, nil
}

// release is the message that gives the node up.
func (p *Publisher) release() message { return message{p.ownerTopic(), "", true} }

// mine reports whether this process keeps the node when another claims it at the same moment. Both come to the same decision, in
// whatever order they hear of each other.
func (p *Publisher) mine(other record) bool { return p.run < other.Run }

// readRecord returns what stands in a message of the owner's topic; false where it is nothing of ours.
func readRecord(text string) (record, bool) {
	var r record
	err := json.Unmarshal([]byte(text), &r)
	return r, err == nil && (r.Ask != "" || r.ID != "" && r.Run != "")
}

// claimant is a program on its way to own the node, over a connection that listens to the owner's topic.
type claimant struct {
	*Publisher
	link   link
	other  bool // another's record is there
	alive  bool // and somebody published it since we asked
	asked  bool // our question came back
	echoed bool // our record came back
}

func (c *claimant) now() time.Time { return clock.Real().Now() }

// claim returns once this program owns the node. As long as another one does, it says so and waits. The error is one of the connection.
func (p *Publisher) claim(ctx context.Context, l link) error {
	c := &claimant{Publisher: p, link: l}
	waited := false
	for {
		free, err := c.free(ctx)
		if err == nil && free {
			free, err = c.take(ctx)
		}
		if err != nil {
			return err
		}
		if free {
			break
		}
		waited = true
		p.trouble(p.occupied(), true)
		if err := c.wait(ctx); err != nil {
			return err
		}
	}
	p.rival = sighting{}
	if waited {
		p.forgive()
		p.log.Info("the other Fitbit Fetch has ended; this one publishes now")
	}
	return nil
}

// occupied says who publishes in our place.
func (p *Publisher) occupied() *Error {
	where := ""
	if p.rival.Host != "" {
		where = " on " + p.rival.Host
	}
	if p.rival.ID == p.mem.Owner {
		return &Error{Err: fmt.Errorf("%w: a copy of this one%s, with the same archive; this one publishes nothing", errDisplaced, where),
			Hint: "stop one of the two; a restored copy must not run beside the first. When the other ends, this one takes over by itself."}
	}
	return &Error{Err: fmt.Errorf("%w by this broker%s; this one publishes nothing", errDisplaced, where),
		Hint: "stop one of the two, or, if you want both, give one of them a name of its own in the option mqtt.node, such as fitbit_fetch_2. When the other ends, this one takes over by itself."}
}

// hear waits for the next message of the owner's topic until a moment; false when it has come.
func (c *claimant) hear(ctx context.Context, until time.Time) (bool, error) {
	timer := time.NewTimer(until.Sub(c.now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-c.link.lost():
			return false, c.link.why()
		case <-timer.C:
			return false, nil
		case a := <-c.link.arrivals():
			if a.topic == c.ownerTopic() {
				c.note(a)
				return true, nil
			}
		}
	}
}

// note takes in what stands in the owner's topic.
func (c *claimant) note(a arrival) {
	r, ok := readRecord(a.payload)
	switch {
	case ok && r.Ask != "":
		c.asked = c.asked || r.Ask == c.run
	case ok && r.Run == c.run:
		c.other, c.echoed = false, true
	case ok:
		if c.rival.text != a.payload || !a.retained {
			c.rival = sighting{r, a.payload, c.now()}
		}
		c.other, c.alive = true, c.alive || !a.retained
	default: // released, or nothing that we know
		c.other, c.alive = false, false
	}
}

// free asks who is there, and reports whether the node is free to take: nobody has it, it is ours from before a restart, or its owner
// has given no sign of life for long enough.
func (c *claimant) free(ctx context.Context) (bool, error) {
	c.alive, c.asked = false, false
	text, err := json.Marshal(record{Ask: c.run})
	if err != nil {
		return false, fmt.Errorf("asking for the owner: %w", err)
	}
	if err := c.link.publish(ctx, []message{{c.ownerTopic(), string(text), false}}); err != nil {
		return false, err
	}
	// The broker passes the messages of a topic on in their order: once our question is back, what was retained is here too.
	for until := c.now().Add(c.timing.echo); !c.asked; {
		if heard, err := c.hear(ctx, until); err != nil {
			return false, err
		} else if !heard {
			break // it gives nothing back to us: that is complained about later
		}
	}
	for until := c.now().Add(c.timing.answer); !c.alive; {
		if heard, err := c.hear(ctx, until); err != nil {
			return false, err
		} else if !heard {
			break
		}
	}
	switch {
	case !c.other:
		return true, nil
	case c.alive:
		return false, nil
	}
	return c.rival.ID == c.mem.Owner || c.now().Sub(c.rival.at) >= c.timing.abandoned, nil
}

// take claims the node. False: another did at the same moment.
func (c *claimant) take(ctx context.Context) (bool, error) {
	c.other, c.echoed = false, false
	m, err := c.ownRecord()
	if err != nil {
		return false, err
	}
	if err := c.link.publish(ctx, []message{m}); err != nil {
		return false, err
	}
	for until := c.now().Add(c.timing.echo); !c.echoed; {
		heard, err := c.hear(ctx, until)
		if err != nil {
			return false, err
		}
		if !heard {
			break
		}
		if c.other && !c.mine(c.rival.record) {
			return false, nil
		}
	}
	return true, nil
}

// wait returns when the owner has given no sign of life for long enough, or has released the node and not come back: it may only be
// starting again.
func (c *claimant) wait(ctx context.Context) error {
	until := c.rival.at.Add(c.timing.abandoned)
	for {
		heard, err := c.hear(ctx, until)
		if err != nil || !heard {
			return err
		}
		if c.other {
			until = c.rival.at.Add(c.timing.abandoned)
		} else {
			until = earlier(until, c.now().Add(c.timing.handover))
		}
	}
}

// renew publishes our record again.
func (s *serving) renew(ctx context.Context) error {
	s.renewed = s.now()
	m, err := s.ownRecord()
	if err != nil {
		return err
	}
	return s.link.publish(ctx, []message{m})
}

// disputed handles a message of the owner's topic while we are the owner.
func (s *serving) disputed(ctx context.Context, a arrival) error {
	r, ok := readRecord(a.payload)
	switch {
	case ok && (r.Run == s.run || r.Ask == s.run), a.retained && a.payload == "":
		return nil
	case ok && r.Ask == "" && !s.mine(r):
		s.rival = sighting{r, a.payload, s.now()}
		return s.occupied()
	}
	return s.renew(ctx) // somebody asks, or has written over our record
}
