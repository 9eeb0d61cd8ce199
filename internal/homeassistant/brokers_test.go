package homeassistant

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

const (
	user   = "fetch"
	secret = "correct-horse"
	guest  = "guest"  // may only read and write what is ours
	narrow = "narrow" // may not write discovery
)

// A testBroker is a broker with users, a plain port and a TLS port, that can be killed and started again.
type testBroker struct {
	plain, tls int
	strict     bool   // it throws out the earlier of two with one client id, every time; mochi sometimes forgets
	web        int    // websockets; 0 for none
	ca         string // file
	start      func(t *testing.T)
	kill       func(t *testing.T)
	password   func(t *testing.T, password string) // of user, after the next start
}

func (b *testBroker) at(name, password string) Broker {
	return Broker{URL: fmt.Sprintf("mqtt://127.0.0.1:%d", b.plain), Username: name, Password: password}
}

// admin are the options of a client that may do all.
func (b *testBroker) admin() *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", b.plain)).SetUsername("admin").SetPassword(secret)
}

// brokers are those that every test of this suite runs against.
var brokers = map[string]func(t *testing.T) *testBroker{"mosquitto": mosquitto, "mochi": embedded}

func each(t *testing.T, test func(t *testing.T, b *testBroker)) {
	for name, make := range brokers {
		t.Run(name, func(t *testing.T) {
			b := make(t)
			b.start(t)
			test(t, b)
		})
	}
}

// certificates writes an authority's certificate, and one of it for a server at 127.0.0.1.
func certificates(t *testing.T, dir string) (ca, cert, key string) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if by == nil {
			by = k
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &k.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der, k
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "home"}, NotBefore: from, NotAfter: to, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, caKey := sign(authority, authority, nil)
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, k := sign(server, authority, caKey)
	kDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return write("ca.pem", "CERTIFICATE", caDER), write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", kDER)
}

// mosquitto is the broker that most people have.
func mosquitto(t *testing.T) *testBroker {
	t.Helper()
	path, dir := proctest.Mosquitto(t), t.TempDir()
	b := &testBroker{plain: proctest.FreePort(t), tls: proctest.FreePort(t), strict: true}
	ca, cert, key := certificates(t, dir)
	b.ca = ca
	passwords, acl, conf := filepath.Join(dir, "passwords"), filepath.Join(dir, "acl"), filepath.Join(dir, "mosquitto.conf")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	users := map[string]string{"admin": secret, user: secret, guest: secret, narrow: secret}
	b.password = func(t *testing.T, password string) {
		users[user] = password
		write(passwords, "")
		for name, p := range users {
			if out, err := exec.Command("mosquitto_passwd", "-b", passwords, name, p).CombinedOutput(); err != nil {
				t.Fatalf("mosquitto_passwd (apt-get install mosquitto): %v: %s", err, out)
			}
		}
	}
	b.password(t, secret)
	ours := "topic readwrite fitbit_fetch/#\n"
	write(acl, "user admin\ntopic readwrite #\nuser "+user+"\ntopic readwrite #\nuser "+guest+"\n"+ours+"topic readwrite homeassistant/#\nuser "+narrow+"\n"+ours+"topic read homeassistant/#\n")
	write(conf, fmt.Sprintf("user root\nallow_anonymous false\npassword_file %s\nacl_file %s\npersistence true\npersistence_location %s/\nlistener %d 127.0.0.1\nlistener %d 127.0.0.1\ncertfile %s\nkeyfile %s\n",
		passwords, acl, dir, b.plain, b.tls, cert, key))
	b.start = func(t *testing.T) {
		broker := proctest.Start(t, "mosquitto", exec.Command(path, "-c", conf))
		b.kill = func(*testing.T) { broker.Kill() }
		until(t, "mosquitto listens", func() bool { return proctest.Listening(b.plain) && proctest.Listening(b.tls) })
	}
	return b
}

// embeddedBroker is what a child process needs to be the broker. It runs in a process of its own because the library reads and
// writes its retained messages without a lock between, which the race detector would count as ours.
type embeddedBroker struct {
	Plain, TLS, Web int
	Cert, Key       string // files
	Password        string // of user
}

const embeddedEnv = "HOMEASSISTANT_TEST_BROKER"

func TestMain(m *testing.M) {
	if text := os.Getenv(embeddedEnv); text != "" {
		var e embeddedBroker
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			panic(err)
		}
		if err := e.serve(); err != nil {
			panic(err)
		}
		io.Copy(io.Discard, os.Stdin) // until the test ends
		return
	}
	code := m.Run()
	for _, why := range sentConfigs.refused {
		fmt.Fprintln(os.Stderr, "Home Assistant would refuse what a test has had sent:", why)
		code = 1
	}
	os.Exit(code)
}

// embedded is the broker in Go.
func embedded(t *testing.T) *testBroker {
	t.Helper()
	b := &testBroker{plain: proctest.FreePort(t), tls: proctest.FreePort(t), web: proctest.FreePort(t)}
	e := embeddedBroker{Plain: b.plain, TLS: b.tls, Web: b.web, Password: secret}
	b.ca, e.Cert, e.Key = certificates(t, t.TempDir())
	b.password = func(_ *testing.T, password string) { e.Password = password }
	b.start = func(t *testing.T) {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), embeddedEnv+"="+string(text))
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		broker := proctest.Start(t, "the embedded broker", cmd)
		b.kill = func(*testing.T) { broker.Kill() }
		until(t, "the embedded broker listens", func() bool {
			return proctest.Listening(b.plain) && proctest.Listening(b.tls) && proctest.Listening(b.web)
		})
	}
	return b
}

// serve starts the broker.
func (e embeddedBroker) serve() error {
	pair, err := tls.LoadX509KeyPair(e.Cert, e.Key)
	if err != nil {
		return err
	}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	var rules auth.AuthRules
	for _, name := range []string{"admin", guest, narrow} {
		rules = append(rules, auth.AuthRule{Username: auth.RString(name), Password: secret, Allow: true})
	}
	rules = append(rules, auth.AuthRule{Username: user, Password: auth.RString(e.Password), Allow: true})
	filters := func(discovery auth.Access) auth.Filters {
		return auth.Filters{"fitbit_fetch/#": auth.ReadWrite, "homeassistant/#": discovery, "#": auth.Deny}
	}
	err = server.AddHook(new(auth.Hook), &auth.Options{Ledger: &auth.Ledger{Auth: rules, ACL: auth.ACLRules{
		{Username: guest, Filters: filters(auth.ReadWrite)}, {Username: narrow, Filters: filters(auth.ReadOnly)},
	}}})
	if err != nil {
		return err
	}
	for _, l := range []listeners.Listener{
		listeners.NewTCP(listeners.Config{ID: "plain", Address: fmt.Sprintf("127.0.0.1:%d", e.Plain)}),
		listeners.NewTCP(listeners.Config{ID: "tls", Address: fmt.Sprintf("127.0.0.1:%d", e.TLS), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}),
		listeners.NewWebsocket(listeners.Config{ID: "web", Address: fmt.Sprintf("127.0.0.1:%d", e.Web)}),
	} {
		if err := server.AddListener(l); err != nil {
			return err
		}
	}
	return server.Serve()
}
