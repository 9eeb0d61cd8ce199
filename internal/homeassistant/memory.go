package homeassistant

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// stateKey is the key of the State document, which belongs to nobody.
const stateKey = "homeassistant"

// memory is what has to be known after a restart.
type memory struct {
	Client  string             `json:"client"`         // our id at the broker
	Owner   string             `json:"owner"`          // our id in the owner's record
	Devices map[string]*known  `json:"devices"`        // announced, by id
	Cursors map[string]*cursor `json:"cursors"`        // of the events, by person
	People  map[string]naming  `json:"people"`         // the ids of all persons there have ever been
	Page    string             `json:"page,omitempty"` // address of the program's page, as last known

	Place     *place `json:"place,omitempty"`     // where it was announced; nil for nowhere
	Withdrawn bool   `json:"withdrawn,omitempty"` // somebody had all removed: nothing is published
}

// known is an announced device.
type known struct {
	Person     string            `json:"person"`     // whose; empty for the service
	Tracker    bool              `json:"tracker"`    // one of the person's devices
	Components map[string]string `json:"components"` // platform by key
}

// cursor is how far the events of a person are.
type cursor struct {
	Today    metric.Day           `json:"today"`    // of the counters: it never goes back
	Workouts map[string]time.Time `json:"workouts"` // those told, with their ends
	Told     metric.Day           `json:"told"`     // the day of the last night that was told to be complete
	Night    metric.Day           `json:"night"`    // the newest night
	Seen     time.Time            `json:"seen"`     // when it was first seen as it is now
	End      time.Time            `json:"end"`      // of that night

	ToldStart time.Time `json:"told_start"` // of the night that was told last
	ToldEnd   time.Time `json:"told_end"`
}

func (m *memory) cursor(person string) *cursor {
	c := m.Cursors[person]
	if c == nil {
		c = &cursor{}
		m.Cursors[person] = c
	}
	if c.Workouts == nil {
		c.Workouts = map[string]time.Time{}
	}
	return c
}

// clientID returns a new id.
func (p *Publisher) clientID() string {
	return p.cfg.Node + "_" + randomID(3)
}

// recall reads the memory. An unreadable one is begun anew: all is announced again as its values are there.
func (p *Publisher) recall(ctx context.Context) error {
	text, err := p.cfg.Archive.State(ctx, "", stateKey)
	if err != nil {
		return fmt.Errorf("looking for what has been announced to Home Assistant: %w", err)
	}
	p.kept = string(text)
	m := &memory{}
	if text != nil {
		if err := json.Unmarshal(text, m); err != nil {
			p.log.Warn("what has been announced to Home Assistant is not known any more", "err", err)
			m = &memory{}
		}
	}
	if m.Devices == nil {
		m.Devices = map[string]*known{}
	}
	if m.Cursors == nil {
		m.Cursors = map[string]*cursor{}
	}
	p.mem = m
	if m.Client == "" {
		m.Client = p.clientID()
	}
	if m.Owner == "" {
		m.Owner = randomID(8)
	}
	if p.cfg.Keep && m.Place != nil && m.Place.Node != "" { // what the options say of the topics may be a mistake, too
		p.cfg.Prefix, p.cfg.Node = m.Place.Prefix, m.Place.Node
	}
	p.nameAll(m)
	p.setWithdrawn(m.Withdrawn)
	return p.remember(ctx)
}

// remember keeps the memory, if it has changed.
func (p *Publisher) remember(ctx context.Context) error {
	text, err := json.Marshal(p.mem)
	if err == nil && string(text) == p.kept {
		return nil
	}
	if err == nil {
		err = p.cfg.Archive.SetState(ctx, "", stateKey, text)
	}
	if err != nil {
		return fmt.Errorf("remembering what has been announced to Home Assistant: %w", err)
	}
	p.kept = string(text)
	return nil
}
