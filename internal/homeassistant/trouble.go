package homeassistant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// An Error says in plain words why there is no connection.
type Error struct {
	Err  error
	Hint string // the cure

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
	err = portless(err)
	where := to.Host
	say := func(hint, format string, args ...any) *Error {
		return &Error{Err: fmt.Errorf(format+": %w", append(args, err)...), Hint: hint}
	}
	if e := explainTLS(err, where, say); e != nil {
		return e
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

// explainTLS finds plain words for what is wrong with certificates.
func explainTLS(err error, where string, say func(hint, format string, args ...any) *Error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return say("give the file with the certificate of the authority that signed the broker's", "the certificate of the MQTT broker at %s is signed by an unknown authority", where)
	case errors.As(err, &name):
		return say("connect by a name that stands in the certificate", "the certificate of the MQTT broker at %s is for another name", where)
	case errors.As(err, &invalid):
		return say("renew the broker's certificate, or check this machine's clock", "the certificate of the MQTT broker at %s is not valid", where)
	case errors.As(err, &record):
		return say("use mqtt:// there, or the broker's TLS port, mostly 8883", "%s does not speak TLS", where)
	}
	return nil
}

// trouble tells what is wrong, once, to the log and by Status.
func (p *Publisher) trouble(err error, connected bool) {
	defer p.noticed(p.occupiedNow())
	p.mu.Lock()
	told := p.said == err.Error()
	p.said = err.Error()
	if p.status.Connected != connected || p.status.Since.IsZero() {
		p.status.Since = p.cfg.Clock.Now()
	}
	p.status.Connected, p.status.Problem, p.status.Hint, p.status.Occupied = connected, err.Error(), hint(err), errors.Is(err, errDisplaced)
	p.mu.Unlock()
	if !told {
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

// forgive forgets the trouble told last: it is told again when it comes again.
func (p *Publisher) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = ""
}
