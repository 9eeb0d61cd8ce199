// Package certificate says what is wrong with the certificate of a server, and what can be done about it: in the same words for a
// broker, a database, a Grafana and a service.
package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Fault is what is wrong.
type Fault uint8

const (
	None        Fault = iota // nothing, or nothing about certificates
	Expired                  // its time is over
	NotYet                   // its time has not begun: mostly a clock is wrong
	NoName                   // it has no subjectAltName: its common name alone does not count
	OtherName                // it is for other names than the one that was asked for
	SelfSigned               // nobody signed it but itself
	Unknown                  // its authority is not trusted here
	Unusable                 // it must not be used for this, or cannot be read
	NotTLS                   // what answers does not speak TLS
	ClientAlone              // the server wants a certificate of its client
)

// Peer is whose certificate it is.
type Peer struct {
	Name     string // in a sentence, such as: the MQTT broker at localhost:8883
	CA       string // the option that takes the authority's certificate; empty where there is none
	Insecure string // the option that switches the check off; empty where there is none
	Plain    string // what to use where it does not speak TLS, such as: an address that begins with http://
}

// Of returns what is wrong with a certificate, as far as err says so.
func Of(err error) Fault {
	f, _ := find(err)
	return f
}

// find returns the fault with the certificate that has it; nil where it is not known.
func find(err error) (Fault, *x509.Certificate) {
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		critical x509.UnhandledCriticalExtension
		insecure x509.InsecureAlgorithmError
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
		remote   *net.OpError
	)
	switch {
	case errors.As(err, &name):
		if c := name.Certificate; len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0 {
			return NoName, c
		}
		return OtherName, name.Certificate
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if strings.Contains(invalid.Detail, "is before") {
			return NotYet, invalid.Cert
		}
		return Expired, invalid.Cert
	case errors.As(err, &invalid):
		return Unusable, invalid.Cert
	case errors.As(err, &unknown):
		if c := unknown.Cert; c != nil && bytes.Equal(c.RawIssuer, c.RawSubject) {
			return SelfSigned, c
		}
		return Unknown, unknown.Cert
	case errors.As(err, &critical), errors.As(err, &insecure), errors.As(err, &verify):
		return Unusable, nil
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return NotTLS, nil
	case errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate"):
		return ClientAlone, nil
	}
	return None, nil
}

// Explain says in plain words what is wrong with the certificate of a peer, and what to do; ok is false where err is about
// something else.
func Explain(err error, p Peer) (text, hint string, ok bool) {
	fault, c := find(err)
	its := "the certificate of " + p.Name
	if c != nil && c.IsCA && (fault == Expired || fault == NotYet) {
		its = "the certificate of the authority of " + p.Name
	}
	var host x509.HostnameError
	errors.As(err, &host)
	switch fault {
	case None:
		return "", "", false
	case Expired:
		return its + " has expired" + day(c, true), "Renew it, or check this machine's clock.", true
	case NotYet:
		return its + " is not valid yet" + day(c, false), "Check this machine's clock; if it is right, make the certificate again.", true
	case NoName:
		text := fmt.Sprintf("%s has no subjectAltName: the name in its CN alone (%s) does not count", its, commonName(c))
		return text, fmt.Sprintf("Make it again with a subjectAltName for %s (with openssl: -addext subjectAltName=%s)%s.", host.Host, altName(host.Host), p.unchecked()), true
	case OtherName:
		return fmt.Sprintf("%s is for another name: it holds %s, not %s", its, names(c), host.Host),
			fmt.Sprintf("Connect by a name that it holds, or make it again with a subjectAltName for %s%s.", host.Host, p.unchecked()), true
	case SelfSigned:
		return its + " is self-signed: no authority vouches for it", p.trust("that certificate"), true
	case Unknown:
		return its + " is signed by an unknown authority", p.trust("the certificate of the authority that signed it"), true
	case NotTLS:
		hint := "Connect to its TLS port."
		if p.Plain != "" {
			hint = "Use " + p.Plain + ", or its TLS port."
		}
		return p.Name + " does not speak TLS there", hint, true
	case ClientAlone:
		return p.Name + " wants a certificate of its client, and there is none to show", "Let it take clients without a certificate; who they are is proven by user and password, or by a token.", true
	}
	return its + " cannot be used", "Make it again, as the certificate of a server" + p.unchecked() + ".", true
}

// trust is how a certificate comes to be trusted.
func (p Peer) trust(which string) string {
	if p.CA == "" {
		return "Add " + which + " to those that this machine trusts" + p.unchecked() + "."
	}
	return "Give the file with " + which + " in " + p.CA + p.unchecked() + "."
}

// unchecked is the way out that gives up the check.
func (p Peer) unchecked() string {
	if p.Insecure == "" {
		return ""
	}
	return "; or, if the network is your own, switch the check off with " + p.Insecure
}

// day is when the time of a certificate ends, or begins.
func day(c *x509.Certificate, end bool) string {
	switch {
	case c == nil:
		return ""
	case end:
		return " (on " + c.NotAfter.UTC().Format("2006-01-02") + ")"
	}
	return " (from " + c.NotBefore.UTC().Format("2006-01-02 15:04 UTC") + " on)"
}

func commonName(c *x509.Certificate) string {
	if c.Subject.CommonName == "" {
		return "empty here"
	}
	return c.Subject.CommonName
}

// altName is a name as openssl takes it.
func altName(host string) string {
	if net.ParseIP(host) != nil {
		return "IP:" + host
	}
	return "DNS:" + host
}

// shown is how many names of a certificate are listed: those of a large site have hundreds.
const shown = 5

func names(c *x509.Certificate) string {
	var all []string
	all = append(all, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name of a machine"
	}
	if more := len(all) - shown; more > 0 {
		all = append(all[:shown], fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}
