package homeassistant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// connection is a link over paho's client, used for one connection only: paho's own reconnecting hides a wrong password for ever.
type connection struct {
	client mqtt.Client
	in     chan arrival
	ack    time.Duration
	end    chan struct{}
	once   sync.Once
	err    error
}

// errLost is the end of a connection of which nobody knows why.
var errLost = errors.New("the connection to the MQTT broker is lost")

const (
	dialing   = 10 * time.Second
	keepAlive = 30 * time.Second
	goodbye   = 250 // ms
	inbox     = 64  // more arrivals than that at once do not matter
)

// terms are what a connection is made for.
type terms struct {
	topics []string
	will   bool          // should it break, all entities become unavailable
	take   func(arrival) // gets what arrives, of one goroutine, and must not block; nil: it comes out of arrivals
}

// connect makes a connection. Its errors are explained.
func (p *Publisher) connect(ctx context.Context, b Broker, client string, t terms) (link, error) {
	trust, err := trusted(b)
	if err != nil {
		return nil, err
	}
	server, err := address(b.URL)
	if err != nil {
		return nil, err
	}
	c := &connection{in: make(chan arrival, inbox), ack: p.timing.ack, end: make(chan struct{})}
	o := mqtt.NewClientOptions().AddBroker(server.String()).SetClientID(client).SetUsername(b.Username).SetPassword(b.Password).SetTLSConfig(trust)
	o.SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true)
	o.SetConnectTimeout(dialing).SetKeepAlive(keepAlive).SetPingTimeout(dialing).SetWriteTimeout(dialing)
	if t.will {
		o.SetWill(p.availabilityTopic(), offline, 1, true)
	}
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.finish(err) })
	o.SetCustomOpenConnectionFn(func(u *url.URL, o mqtt.ClientOptions) (net.Conn, error) { return open(ctx, u, o) })
	if t.take == nil {
		t.take = func(a arrival) {
			select {
			case c.in <- a:
			default:
			}
		}
	}
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { t.take(arrival{m.Topic(), string(m.Payload()), m.Retained()}) })
	c.client = mqtt.NewClient(o)
	if err := c.wait(ctx, c.client.Connect(), 2*dialing); err != nil {
		c.close()
		return nil, explain(err, server)
	}
	topics := map[string]byte{}
	for _, topic := range t.topics {
		topics[topic] = 1
	}
	if err := c.wait(ctx, c.client.SubscribeMultiple(topics, nil), p.timing.ack); err != nil {
		c.close()
		return nil, explain(err, server)
	}
	return c, nil
}

// finish notes the end, once.
func (c *connection) finish(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.end)
	})
}

// wait waits for what the broker has to confirm.
func (c *connection) wait(ctx context.Context, t mqtt.Token, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-c.end:
		return c.why()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("the MQTT broker does not answer: %w", os.ErrDeadlineExceeded)
	}
}

func (c *connection) publish(ctx context.Context, messages []message) error {
	tokens := make([]mqtt.Token, 0, len(messages))
	for _, m := range messages {
		tokens = append(tokens, c.client.Publish(m.topic, 1, m.retain, redact.Text(m.payload)))
	}
	for _, t := range tokens {
		if err := c.wait(ctx, t, c.ack); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) arrivals() <-chan arrival { return c.in }
func (c *connection) lost() <-chan struct{}    { return c.end }

func (c *connection) why() error {
	<-c.end
	if c.err == nil {
		return errLost
	}
	return fmt.Errorf("%w: %w", errLost, portless(c.err))
}

func (c *connection) close() { c.client.Disconnect(goodbye) }

// address reads the address of a broker; the port may be left out.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		if strings.Contains(text, "@") {
			text = "..." + text[strings.LastIndex(text, "@"):] // what stands before it may be a password
		}
		return nil, &Error{Err: fmt.Errorf("the address of the MQTT broker is not one: %q", text), wait: waitRefused, Hint: "it looks like mqtt://host:1883 or mqtts://host:8883"}
	}
	u.User = nil
	port := map[string]string{"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "ssl": "8883", "tls": "8883", "ws": "80", "wss": "443"}[u.Scheme]
	if port == "" {
		return nil, &Error{Err: fmt.Errorf("the address of the MQTT broker begins with %q", u.Scheme), wait: waitRefused, Hint: "it begins with mqtt://, mqtts://, ws:// or wss://"}
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// trusted returns whom to trust.
func trusted(b Broker) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: b.Insecure, MinVersion: tls.VersionTLS12}
	if b.CA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(b.CA)
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("reading the certificates of the MQTT broker's authority: %w", err), wait: waitRefused, Hint: "check the path"}
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Err: fmt.Errorf("the file %s holds no certificate", b.CA), wait: waitRefused, Hint: "it has to be in PEM: text that begins with -----BEGIN CERTIFICATE-----"}
	}
	return c, nil
}

// open opens the connection below MQTT, and gives up when ctx is done.
func open(ctx context.Context, u *url.URL, o mqtt.ClientOptions) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	switch u.Scheme {
	case "ws", "wss":
		return mqtt.NewWebsocket(u.String(), o.TLSConfig, o.ConnectTimeout, http.Header{}, nil)
	case "mqtt", "tcp":
		return (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	}
	return (&tls.Dialer{Config: o.TLSConfig}).DialContext(ctx, "tcp", u.Host)
}
