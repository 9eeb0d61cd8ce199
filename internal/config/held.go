package config

import (
	"slices"
	"strings"
)

// Held returns options with which Home Assistant's app stays up while some are wrong, so that it can say which: nothing is fetched or
// delivered with them. o is what Load returned beside wrong.
func (o Options) Held(wrong Problems) Options {
	o.Wrong = wrong
	o.Manual = Manual{}
	seen := map[string]bool{"": true}
	o.Persons = slices.DeleteFunc(slices.Clone(o.Persons), func(p Person) bool {
		twice := seen[p.ID]
		seen[p.ID] = true
		return twice
	})
	// Where the other broker's options are wrong, Home Assistant's own can still be told.
	if slices.ContainsFunc(wrong, func(p Problem) bool { return strings.HasPrefix(p.Where, "mqtt.") }) {
		o.MQTT = MQTT{On: o.MQTT.On, Ask: true, Prefix: o.MQTT.Prefix, Node: o.MQTT.Node}
	}
	return o
}
