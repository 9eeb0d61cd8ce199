package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// ErrNoBroker: no app that is a broker runs at the moment. One may be installed or started later.
var ErrNoBroker = errors.New("there is no MQTT broker in Home Assistant")

// Broker is how to reach the MQTT broker. It prints without its password.
type Broker struct {
	App      string `json:"addon"` // the slug of the app that offers it
	Host     string `json:"host"`
	Port     int    `json:"port"`
	TLS      bool   `json:"ssl"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// String implements fmt.Stringer without the password.
func (b Broker) String() string { return fmt.Sprintf("%s:%d", b.Host, b.Port) }

// GoString implements fmt.GoStringer without the password.
func (b Broker) GoString() string { return b.String() }

// LogValue tells what may stand in a log.
func (b Broker) LogValue() slog.Value { return slog.StringValue(b.String()) }

// Broker asks for the broker; ErrNoBroker where there is none. Ask again when it refuses the password: a broker that was installed
// again has a new one.
func (c *Client) Broker(ctx context.Context) (Broker, error) {
	var b struct {
		Broker
		Renamed string `json:"app"` // newer name of addon
	}
	err := c.data(ctx, "/services/mqtt", &b)
	var e *Error
	switch {
	case errors.As(err, &e) && (e.Status == http.StatusNotFound || strings.Contains(e.Message, "not enabled")):
		return Broker{}, ErrNoBroker
	case err != nil:
		return Broker{}, fmt.Errorf("asking Supervisor for the MQTT broker: %w", err)
	case b.Host == "":
		return Broker{}, ErrNoBroker
	}
	if b.App == "" {
		b.App = b.Renamed
	}
	if b.Port == 0 {
		b.Port = 1883
	}
	return b.Broker, nil
}

// How long AwaitBroker waits between two questions: shortly at first, because apps start side by side.
const (
	firstPause = 5 * time.Second
	lastPause  = 5 * time.Minute
)

// AwaitBroker asks until there is a broker, however long that takes. told is called with every answer that is none; the same answer
// as before is not told again. Its error is ctx's.
func (c *Client) AwaitBroker(ctx context.Context, told func(error)) (Broker, error) {
	last := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		b, err := c.Broker(ctx)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return Broker{}, ctx.Err()
		}
		if err.Error() != last {
			last = err.Error()
			told(err)
		}
		select {
		case <-ctx.Done():
			return Broker{}, ctx.Err()
		case <-time.After(pause):
		}
	}
}
