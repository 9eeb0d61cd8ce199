package homeassistant

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// device is a device as it is now.
type device struct {
	id       string // behind the node, in topics and ids
	via      string // id of the device it belongs to
	entity   string // begins the entity ids
	name     string
	model    string
	maker    string
	person   string
	tracker  bool
	states   map[string]state
	hidden   map[string]bool // keys that are not, or not any more, published
	announce []string        // keys that are announced whether they have a value or not
}

// state is what a state topic carries.
type state struct {
	Value      any      `json:"value"` // nil: unknown
	MeasuredAt string   `json:"measured_at,omitempty"`
	Stopped    []string `json:"stopped_series,omitempty"` // of the problem sensor
}

// measured is the state of a value that was measured at a time, or on a day.
func measured(value any, at string) state { return state{Value: value, MeasuredAt: at} }

type message struct {
	topic   string
	payload string // empty: what was retained is removed
	retain  bool
}

// payload is the body of a device's discovery message.
type payload struct {
	Device       deviceInfo           `json:"device"`
	Origin       origin               `json:"origin"`
	Availability []availability       `json:"availability"`
	QoS          int                  `json:"qos"`
	Components   map[string]component `json:"components"`
}

type deviceInfo struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	Model        string   `json:"model,omitempty"`
	Version      string   `json:"sw_version,omitempty"`
	Via          string   `json:"via_device,omitempty"`
	Page         string   `json:"configuration_url,omitempty"`
}

type origin struct {
	Name    string `json:"name"`
	Version string `json:"sw_version,omitempty"`
	Support string `json:"support_url,omitempty"`
}

type availability struct {
	Topic string `json:"topic"`
}

// component is one entity; with nothing but its platform, its removal.
type component struct {
	Platform           string   `json:"platform"`
	UniqueID           string   `json:"unique_id,omitempty"`
	DefaultEntityID    string   `json:"default_entity_id,omitempty"`
	Name               string   `json:"name,omitempty"`
	StateTopic         string   `json:"state_topic,omitempty"`
	ValueTemplate      string   `json:"value_template,omitempty"`
	AttributesTopic    string   `json:"json_attributes_topic,omitempty"`
	AttributesTemplate string   `json:"json_attributes_template,omitempty"`
	CommandTopic       string   `json:"command_topic,omitempty"`
	Unit               string   `json:"unit_of_measurement,omitempty"`
	DeviceClass        string   `json:"device_class,omitempty"`
	StateClass         string   `json:"state_class,omitempty"`
	Precision          *int     `json:"suggested_display_precision,omitempty"`
	Options            []string `json:"options,omitempty"`
	EventTypes         []string `json:"event_types,omitempty"`
	Icon               string   `json:"icon,omitempty"`
	Category           string   `json:"entity_category,omitempty"`
	Enabled            *bool    `json:"enabled_by_default,omitempty"`
}

func (p *Publisher) object(id string) string { return p.cfg.Node + "_" + id }
func (p *Publisher) discoveryTopic(id string) string {
	return p.cfg.Prefix + "/device/" + p.object(id) + "/config"
}
func (p *Publisher) availabilityTopic() string { return p.cfg.Node + "/availability" }
func (p *Publisher) stateTopic(id, key string) string {
	return p.cfg.Node + "/" + id + "/" + key
}

// birthTopics are where Home Assistant says that it has started: its own setting, which does not follow the prefix of discovery, and
// below the prefix, where somebody may have put it.
func (p *Publisher) birthTopics() []string {
	if p.cfg.Prefix == prefix {
		return []string{prefix + "/status"}
	}
	return []string{prefix + "/status", p.cfg.Prefix + "/status"}
}

func (p *Publisher) commandTopic() string { return p.stateTopic(serviceID, "sync") + "/press" }

// component describes one entity of a device.
func (p *Publisher) component(d device, e Entity) component {
	c := component{
		Platform: e.Platform, UniqueID: p.object(d.id) + "_" + e.Key, DefaultEntityID: e.Platform + "." + d.entity + "_" + e.Key, Name: p.name(e),
		Unit: e.Unit, DeviceClass: e.DeviceClass, StateClass: e.StateClass, Icon: e.Icon,
	}
	topic := p.stateTopic(d.id, e.Key)
	switch e.Platform {
	case Button:
		c.CommandTopic = p.commandTopic()
	case Event:
		c.StateTopic, c.EventTypes = topic, e.Values
	default:
		c.StateTopic, c.ValueTemplate, c.Options = topic, "{{ value_json.value }}", e.Values
		if e.Key == "authorization" {
			c.AttributesTopic, c.AttributesTemplate = topic, "{{ {'stopped_series': value_json.stopped_series | default([])} | tojson }}"
		}
		if e.Place == OfPerson {
			c.AttributesTopic, c.AttributesTemplate = topic, "{{ {'measured_at': value_json.measured_at} | tojson }}"
		}
	}
	if e.Precision >= 0 {
		c.Precision = &e.Precision
	}
	if e.Diagnostic {
		c.Category = "diagnostic"
	}
	if e.Off {
		c.Enabled = new(bool)
	}
	return c
}

// components returns the keys that a device has from now on, with their platforms: those with a value, those announced before, and
// not those hidden.
func (p *Publisher) components(d device) map[string]string {
	out := map[string]string{}
	add := func(key string) {
		if e, ok := p.entities[key]; ok && !d.hidden[key] {
			out[key] = e.Platform
		}
	}
	for key := range d.states {
		add(key)
	}
	for _, key := range d.announce {
		add(key)
	}
	if old := p.mem.Devices[d.id]; old != nil {
		for key := range old.Components {
			add(key)
		}
	}
	return out
}

// page is the address of the program's page as it is now, or as it was last known.
func (p *Publisher) page() string {
	if p.cfg.Page == nil {
		return ""
	}
	if now := p.cfg.Page(); now != "" {
		p.mem.Page = now
	}
	return p.mem.Page
}

// discovery is the message that announces a device with these components; gone are those to be removed.
func (p *Publisher) discovery(d device, keys, gone map[string]string) (message, error) {
	body := payload{
		Device: deviceInfo{Identifiers: []string{p.object(d.id)}, Name: d.name, Manufacturer: d.maker, Model: d.model, Page: p.page()},
		Origin: origin{"Fitbit Fetch", p.cfg.Version, p.cfg.Support}, Availability: []availability{{p.availabilityTopic()}}, QoS: 1,
		Components: map[string]component{},
	}
	if d.via != "" {
		body.Device.Via = p.object(d.via)
	} else {
		body.Device.Version = p.cfg.Version
	}
	for key, platform := range gone {
		body.Components[key] = component{Platform: platform}
	}
	for key := range keys {
		body.Components[key] = p.component(d, p.entities[key])
	}
	text, err := json.Marshal(body)
	if err != nil {
		return message{}, fmt.Errorf("describing the device %s: %w", d.id, err)
	}
	return message{p.discoveryTopic(d.id), string(text), true}, nil
}

// stateMessages are the states of a device, in the table's order.
func (p *Publisher) stateMessages(d device) ([]message, error) {
	var out []message
	for _, e := range p.table {
		s, ok := d.states[e.Key]
		if !ok || d.hidden[e.Key] {
			continue
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("the state of %s: %w", e.Key, err)
		}
		out = append(out, message{p.stateTopic(d.id, e.Key), string(text), true})
	}
	return out, nil
}

// removal takes a device and its states from the broker.
func (p *Publisher) removal(id string, k *known) []message {
	out := []message{{p.discoveryTopic(id), "", true}}
	for _, key := range slices.Sorted(maps.Keys(k.Components)) {
		out = append(out, p.clearing(id, key, k.Components[key])...)
	}
	return out
}

// clearing takes one state from the broker.
func (p *Publisher) clearing(id, key, platform string) []message {
	if platform == Event || platform == Button {
		return nil
	}
	return []message{{p.stateTopic(id, key), "", true}}
}
