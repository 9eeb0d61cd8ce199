package homeassistant

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// lines returns the lines of a log that hold text.
func lines(log, text string) (out []string) {
	for _, l := range strings.Split(log, "\n") {
		if strings.Contains(l, text) {
			out = append(out, l)
		}
	}
	return out
}

// TestOver: whoever reports a trouble reports it once, however often it comes, and once that it is over; and again when it comes again.
func TestOver(t *testing.T) {
	trouble := errors.New("a trouble")
	for name, r := range map[string]struct {
		begin     func(w *world, round int)
		end       func(w *world)
		bad, over string
	}{
		"reading the archive": {
			begin: func(w *world, round int) { w.archive.change(func(a *fakeArchive) { a.fail = trouble }) },
			end:   func(w *world) { w.archive.change(func(a *fakeArchive) { a.fail = nil }) },
			bad:   "does not get new values", over: "gets new values again",
		},
		"keeping what was announced": {
			begin: func(w *world, round int) {
				w.archive.change(func(a *fakeArchive) {
					a.keepFails = trouble
					a.value("me", [...]string{"weight", "hrv"}[round-1], 70, noon)
				})
			},
			end: func(w *world) { w.archive.change(func(a *fakeArchive) { a.keepFails = nil }) },
			bad: "is not remembered", over: "is remembered again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(noon, 1)
				w.archive.value("me", "steps", 5, noon)
				_, stop := w.live(t)
				defer stop()
				for round := 1; round <= 2; round++ {
					for range 3 {
						r.begin(w, round)
						pass(time.Minute)
					}
					if n := len(lines(w.log.String(), r.bad)); n != round {
						t.Errorf("round %d: the trouble was reported %d times:\n%s", round, n, w.log)
					}
					for range 3 {
						r.end(w)
						pass(time.Minute)
						w.archive.change(func(*fakeArchive) {})
						pass(time.Minute)
					}
					if n := len(lines(w.log.String(), r.over)); n != round {
						t.Errorf("round %d: its end was reported %d times:\n%s", round, n, w.log)
					}
				}
			})
		})
	}
}

// TestAfterShortConnection: a connection that ended at once is a trouble that is reported, and so is the connection that lasts, once.
func TestAfterShortConnection(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		if !b.strict { // it may take away what the one with the same client id that comes next subscribes to: then that is the trouble
			return
		}
		w := stepping(b)
		at := b.at(user, secret)
		at.ClientID = "ours"
		w.setBroker(at)
		p, _ := w.run(t)
		until(t, "it is connected", func() bool { return p.Status().Connected })
		// The other one takes our place as soon as we are there, and leaves it again.
		c := mqtt.NewClient(b.admin().SetClientID("ours").SetAutoReconnect(false))
		k := c.Connect()
		if proctest.Receive(t, "the other to connect", k.Done(), w.log.String); k.Error() != nil {
			t.Fatal(k.Error())
		}
		until(t, "it is reported", func() bool { return strings.Contains(w.log.String(), "level=WARN") })
		c.Disconnect(10)
		ha := watch(t, b.admin())
		after := func() string {
			log := w.log.String()
			return log[strings.LastIndex(log, "level=WARN"):]
		}
		proctest.Until(t, "the connection that lasts is reported", func() bool { return strings.Contains(after(), "connected to the MQTT broker") }, w.log.String)
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 8300, noon) })
		until(t, "it publishes", func() bool { return ha.value(stepsTopic) == 8300.0 })
		if n := len(lines(after(), "connected to the MQTT broker")); n != 1 {
			t.Errorf("it was reported %d times:\n%s", n, w.log)
		}
	})
}

// signed makes a certificate, signed by another one or by itself, and writes it with its key.
func signed(t *testing.T, dir, name string, c, by *x509.Certificate, key *ecdsa.PrivateKey) (cert, keyFile string, own *ecdsa.PrivateKey) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by, key = c, own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &own.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, keyFile, own
}

// TestCertificates: what is wrong with the certificate of a real Mosquitto is said as it is, and tls_insecure gets past all of it.
func TestCertificates(t *testing.T) {
	path := proctest.Mosquitto(t)
	now := time.Now()
	from, to := now.Add(-2*time.Hour), now.Add(2*time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "home"}, NotBefore: from, NotAfter: to, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	for name, c := range map[string]struct {
		change  func(c *x509.Certificate)
		self    bool
		foreign bool // its authority is not given
		problem string
		hint    string
	}{
		"good":         {change: func(*x509.Certificate) {}},
		"CN alone":     {change: func(c *x509.Certificate) { c.DNSNames = nil }, problem: "has no subjectAltName: the name in its CN alone (localhost) does not count", hint: "subjectAltName=DNS:localhost"},
		"another name": {change: func(c *x509.Certificate) { c.DNSNames = []string{"core-mosquitto"} }, problem: "for another name: it holds core-mosquitto, not localhost", hint: "Connect by a name that it holds"},
		"expired":      {change: func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }, problem: "has expired", hint: "Renew it"},
		"not yet":      {change: func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }, problem: "is not valid yet", hint: "clock"},
		"self-signed":  {change: func(*x509.Certificate) {}, self: true, foreign: true, problem: "is self-signed", hint: "mqtt.tls_ca"},
		"unknown":      {change: func(*x509.Certificate) {}, foreign: true, problem: "signed by an unknown authority", hint: "mqtt.tls_insecure"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			caFile, _, caKey := signed(t, dir, "ca", ca, nil, nil)
			leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: to, DNSNames: []string{"localhost"}}
			c.change(leaf)
			by := ca
			if c.self {
				by = nil
			}
			cert, key, _ := signed(t, dir, "cert", leaf, by, caKey)
			port := proctest.FreePort(t)
			conf := filepath.Join(dir, "mosquitto.conf")
			if err := os.WriteFile(conf, fmt.Appendf(nil, "user root\nallow_anonymous true\nlistener %d %s\ncertfile %s\nkeyfile %s\n", port, localhost(t), cert, key), 0o600); err != nil {
				t.Fatal(err)
			}
			proctest.Start(t, "mosquitto", exec.Command(path, "-c", conf))
			w := newWorld(noon, 1)
			at := Broker{URL: fmt.Sprintf("mqtts://localhost:%d", port), CA: caFile}
			if c.foreign {
				at.CA = ""
			}
			w.setBroker(at)
			p, _ := w.run(t)
			if c.problem != "" {
				until(t, "it says what is wrong", func() bool { return strings.Contains(p.Status().Problem, c.problem) })
				if s := p.Status(); s.Connected || !strings.Contains(s.Hint, c.hint) {
					t.Errorf("%+v", s)
				}
				at.Insecure = true
				w.setBroker(at)
			}
			until(t, "it is connected", func() bool { return p.Status().Connected })
		})
	}
}

// localhost is the address that this machine's own name has here: of some containers it is that of version 6.
func localhost(t *testing.T) string {
	t.Helper()
	ips, err := net.DefaultResolver.LookupIP(t.Context(), "ip", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range ips {
		if ip.To4() != nil {
			return ip.String()
		}
	}
	return ips[0].String()
}
