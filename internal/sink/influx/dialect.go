package influx

import (
	"net/http"
	"net/url"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// A dialect is what differs between the servers that speak the write protocol.
type dialect struct {
	name      string // first word of the sink's name
	writePath string
	query     func(Config) url.Values // of a write
	authorize func(Config, *http.Request)
	traits    sink.Traits
}

var version1 = dialect{
	name:      "influx1",
	writePath: "/write",
	query: func(c Config) url.Values {
		q := url.Values{"db": {c.Database}, "precision": {"ns"}}
		if c.RetentionPolicy != "" {
			q.Set("rp", c.RetentionPolicy)
		}
		return q
	},
	authorize: func(c Config, r *http.Request) {
		if c.Username != "" {
			r.SetBasicAuth(c.Username, c.Password)
		}
	},
	traits: sink.Traits{Conflicts: true, ParseErrors: true, Deletes: true, Creates: true},
}
