package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate, signed by another one or, where that is nil, by itself.
func issue(t *testing.T, c x509.Certificate, by *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := &c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestEveryFault: each thing that can be wrong with a real server's certificate is recognised, and named with what to do.
func TestEveryFault(t *testing.T) {
	now := time.Now()
	from, to := now.Add(-time.Hour), now.Add(time.Hour)
	authority := issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "home"}, NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	good := x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: to, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	with := func(change func(c *x509.Certificate)) x509.Certificate {
		c := good
		change(&c)
		return c
	}
	peer := Peer{Name: "the MQTT broker at 127.0.0.1", CA: "mqtt.tls_ca", Insecure: "mqtt.tls_insecure", Plain: "mqtt://"}
	for name, tt := range map[string]struct {
		cert   x509.Certificate
		self   bool // signed
		known  bool // its authority
		client bool // the server wants one of its client
		plain  bool
		want   Fault
		text   string
		hint   string
	}{
		"good":         {cert: good, known: true},
		"expired":      {cert: with(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), known: true, want: Expired, text: "has expired (on 20", hint: "Renew it"},
		"not yet":      {cert: with(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), known: true, want: NotYet, text: "is not valid yet (from 20", hint: "clock"},
		"CN alone":     {cert: with(func(c *x509.Certificate) { c.IPAddresses = nil }), known: true, want: NoName, text: "no subjectAltName: the name in its CN alone (localhost)", hint: "subjectAltName=IP:127.0.0.1)"},
		"nothing":      {cert: with(func(c *x509.Certificate) { c.IPAddresses, c.Subject = nil, pkix.Name{} }), known: true, want: NoName, text: "(empty here)", hint: "mqtt.tls_insecure"},
		"another name": {cert: with(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"broker.home"} }), known: true, want: OtherName, text: "is for another name: it holds broker.home, not 127.0.0.1", hint: "by a name that it holds"},
		"many names": {cert: with(func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"a", "b", "c", "d", "e", "f", "g"}
		}), known: true, want: OtherName, text: "it holds a, b, c, d, e, 2 more, not"},
		"self-signed":      {cert: good, self: true, want: SelfSigned, text: "self-signed", hint: "mqtt.tls_ca; or, if the network is your own, switch the check off with mqtt.tls_insecure."},
		"unknown":          {cert: good, want: Unknown, text: "is signed by an unknown authority", hint: "the authority that signed it in mqtt.tls_ca"},
		"for clients":      {cert: with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), known: true, want: Unusable, text: "cannot be used", hint: "Make it again"},
		"wants a client's": {cert: good, known: true, client: true, want: ClientAlone, text: "wants a certificate of its client"},
		"plain":            {plain: true, want: NotTLS, text: "does not speak TLS", hint: "Use mqtt://, or"},
	} {
		t.Run(name, func(t *testing.T) {
			by := &authority
			if tt.self {
				by = nil
			}
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "well") }))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			if tt.plain {
				s.Start()
			} else {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{issue(t, tt.cert, by)}}
				if tt.client {
					s.TLS.ClientAuth = tls.RequireAnyClientCert
				}
				s.StartTLS()
			}
			defer s.Close()
			roots := x509.NewCertPool()
			if tt.known {
				roots.AddCert(authority.Leaf)
			}
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
			defer c.CloseIdleConnections()
			res, err := c.Get(strings.Replace(s.URL, "http://", "https://", 1))
			if err == nil {
				res.Body.Close()
			}
			if (err != nil) != (tt.want != None) {
				t.Fatal(err)
			}
			if got := Of(err); got != tt.want {
				t.Errorf("%v is fault %d, want %d", err, got, tt.want)
			}
			text, hint, ok := Explain(err, peer)
			if ok != (tt.want != None) || !strings.Contains(text, tt.text) || !strings.Contains(hint, tt.hint) {
				t.Errorf("%v: %q, %q", err, text, hint)
			}
			if ok && hint == "" {
				t.Errorf("%v: no hint", err)
			}
		})
	}
}

// TestOtherErrors: what is not about certificates is left to others.
func TestOtherErrors(t *testing.T) {
	for _, err := range []error{nil, io.EOF, errors.New("the certificate of what"), &net.DNSError{}} {
		if text, _, ok := Explain(err, Peer{}); ok || Of(err) != None {
			t.Errorf("%v: %q", err, text)
		}
	}
}

// TestWithoutOptions: where a peer has no option for it, none is named.
func TestWithoutOptions(t *testing.T) {
	_, hint, _ := Explain(x509.UnknownAuthorityError{}, Peer{Name: "Grafana"})
	if hint != "Add the certificate of the authority that signed it to those that this machine trusts." {
		t.Error(hint)
	}
}
