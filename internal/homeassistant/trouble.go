package homeassistant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
)

// An Error says in plain words why there is no connection.
type Error struct {
	Err  error
	Hint string // what to do about it

	wait wait
}

// wait says how soon another attempt is worth making.
type wait uint8

const (
	waitNear    wait = iota // the broker's machine answers: it may be starting
	waitRefused             // somebody has to change something
	waitLong                // the broker's machine does not answer
)

// hint returns the hint of an error, if it has one.
func hint(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// explain finds plain words for an error of connecting.
func explain(err error, to *url.URL) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	where := to.Host
	wrong, hint, ok := certificate.Explain(err, certificate.Peer{Name: "the MQTT broker at " + where, CA: "mqtt.tls_ca", Insecure: "mqtt.tls_insecure", Plain: "its port without TLS (mqtt.tls: false)"})
	err = portless(err)
	if ok {
		return &Error{Err: fmt.Errorf("%s: %w", wrong, err), Hint: hint, wait: waitRefused}
	}
	say := func(hint, format string, args ...any) *Error {
		return &Error{Err: fmt.Errorf(format+": %w", append(args, err)...), Hint: hint}
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		e := say("check user name and password of the broker", "the MQTT broker at %s refuses our user name or password", where)
		e.wait = waitRefused
		return e
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return say("leave the client id empty, or take another", "the MQTT broker at %s refuses our client id", where)
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return say("look into the broker's log", "the MQTT broker at %s is not available", where)
	case errors.As(err, &dns):
		return say("check the host's name; if the broker is an app, it has to be installed and started", "the MQTT broker's host %s is not known", to.Hostname())
	case errors.Is(err, syscall.ECONNREFUSED):
		return say("start the broker, or check the port", "nothing listens at %s", where)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e := say("check that the broker's machine is on, and no firewall between", "the MQTT broker at %s does not answer", where)
		e.wait = waitLong
		return e
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return say("check port and scheme: brokers take mqtt:// at 1883 and mqtts:// at 8883; the broker's log may say more", "%s ends the connection at once", where)
	}
	return say("look into the broker's log", "connecting to the MQTT broker at %s", where)
}

// portless takes the addresses out of an error: our own port is another at each attempt, and the trouble the same.
func portless(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// report knows whether a trouble has been reported, so that it is reported once, and its end once.
type report struct{ said string }

// bad reports whether the trouble is news.
func (r *report) bad(err error) bool {
	news := r.said != err.Error()
	r.said = err.Error()
	return news
}

// over reports whether there was a trouble that is over now.
func (r *report) over() bool {
	news := r.said != ""
	r.said = ""
	return news
}

// trouble reports what is wrong, once, to the log and by Status.
func (p *Publisher) trouble(err error, connected bool) {
	defer p.noticed(p.occupiedNow())
	p.mu.Lock()
	news := p.said.bad(err)
	if p.status.Connected != connected || p.status.Since.IsZero() {
		p.status.Since = p.cfg.Clock.Now()
	}
	p.status.Connected, p.status.Problem, p.status.Hint, p.status.Occupied = connected, err.Error(), hint(err), errors.Is(err, errDisplaced)
	p.mu.Unlock()
	if news {
		p.log.Warn("Home Assistant: "+err.Error(), "hint", hint(err))
	}
}

// occupiedNow reports whether another publishes in our place.
func (p *Publisher) occupiedNow() bool { return p.Status().Occupied }

// noticed tells when that has changed.
func (p *Publisher) noticed(before bool) {
	if p.cfg.Noticed != nil && p.occupiedNow() != before {
		p.cfg.Noticed()
	}
}

// well notes a connection.
func (p *Publisher) well() {
	defer p.noticed(p.occupiedNow())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = Status{Connected: true, Since: p.cfg.Clock.Now()}
}

// over notes the end.
func (p *Publisher) over() {
	defer p.noticed(p.occupiedNow())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = Status{Since: p.cfg.Clock.Now()}
}

// connected reports a connection in the log, and with it the end of what kept it from being made.
func (p *Publisher) connected(where string) {
	p.mu.Lock()
	p.said.over()
	p.mu.Unlock()
	p.log.Info("connected to the MQTT broker", "broker", where)
}

// lasting is called of a connection that has lasted. One that was made behind others that ended at once is reported only now: until
// then it could have been one of them.
func (p *Publisher) lasting(where string) {
	p.mu.Lock()
	over := p.status.Problem == "" && p.said.over()
	p.mu.Unlock()
	if over {
		p.log.Info("connected to the MQTT broker again", "broker", where)
	}
}

// forgive forgets the trouble reported last: it is reported again when it comes again.
func (p *Publisher) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.over()
}
