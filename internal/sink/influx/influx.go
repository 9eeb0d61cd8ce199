// Package influx delivers to InfluxDB 1, 2 and 3 and to VictoriaMetrics: the schema of the catalogue, batches of gzipped line
// protocol in requests of our own; set-up, queries and deletes mostly by the databases' client packages. All that differs between
// them stands in one table, dialects.
package influx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Config says where to write and how.
type Config struct {
	Version         Version
	URL             string // http://host:8086, with a path where a proxy wants one
	Database        string // of InfluxDB 2 the bucket; VictoriaMetrics has none
	Org             string // of InfluxDB 2
	Token           string // of InfluxDB 2 and 3
	Username        string // of InfluxDB 1 and VictoriaMetrics
	Password        string
	RetentionPolicy string // of InfluxDB 1; empty for the database's default
	CAFile          string // PEM certificates to trust besides the system's
	Insecure        bool   // do not check the server's certificate
	Units           Units
	Adopt           bool     // the first person's points take the Device that the database has, where it has only others
	Deciding        Deciding // remembers what Auto and Adopt found; nil remembers only as long as the Sink lives
	Catalogue       metric.Catalogue
	Timeout         time.Duration     // of one request; 0 for 30 s
	Transport       http.RoundTripper // carries the writes; nil for one made from the settings above
	Log             *slog.Logger
}

// Sink writes to one database. It holds no goroutine and no state that a restart would miss, but for its connections.
type Sink struct {
	cfg     Config
	dialect dialect
	base    *url.URL // without credentials
	http    *http.Client
	client  client.Client    // asks InfluxDB 1 and 2
	client2 influxdb2.Client // nil but for InfluxDB 2
	found   atomic.Pointer[scope]
	metric  *lineproto.Encoder
	decided atomic.Pointer[lineproto.Encoder] // nil until the units are known
	device  atomic.Pointer[string]            // the first person's; nil until it is known, empty for the service's own name
	first   sync.Mutex                        // held by who finds out met, clean and the units
	met     bool                              // the database has been looked at before anything was written
	clean   bool                              // the Python project alone had filled it then; read by Write alone
	buffers sync.Pool                         // of *buffer
	warned  sync.Map                          // texts already said
}

// Traits are what the database can tell and do.
func (s *Sink) Traits() sink.Traits { return s.dialect.traits }

// New checks cfg and returns a sink; it does not connect.
func New(cfg Config) (*Sink, error) {
	speaks, ok := dialects[cfg.Version]
	if !ok {
		return nil, fmt.Errorf("version %q: want %s, %s, %s or %s", cfg.Version, V1, V2, V3, VictoriaMetrics)
	}
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("%s address %q: want http://HOST:PORT or https://HOST:PORT", speaks.title, redact(cfg.URL))
	}
	if cfg.Database == "" && speaks.noun != "" {
		return nil, fmt.Errorf("%s %s: no name given", speaks.title, speaks.noun)
	}
	if cfg.Org == "" && cfg.Version == V2 {
		return nil, fmt.Errorf("%s organisation: no name given", speaks.title)
	}
	if base.User != nil { // credentials in an address would end up in names and logs
		if cfg.Username == "" {
			cfg.Username = base.User.Username()
			cfg.Password, _ = base.User.Password()
		}
		base.User = nil
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawQuery, base.Fragment = "", ""
	cfg.URL = base.String()
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sink{cfg: cfg, dialect: speaks, base: base}
	s.buffers.New = func() any { return newBuffer() }
	if s.metric, err = lineproto.New(cfg.Catalogue, lineproto.Metric); err != nil {
		return nil, err
	}
	if err := s.forceUnits(); err != nil {
		return nil, err
	}
	if !cfg.Adopt || !speaks.traits.Reads || speaks.read.narrow {
		s.useDevice(asCalled)
	}
	return s, s.connect()
}

// connect makes the two clients: ours for lines, the database's for everything else.
func (s *Sink) connect() error {
	conf := &tls.Config{InsecureSkipVerify: s.cfg.Insecure}
	if s.cfg.CAFile != "" {
		pem, err := os.ReadFile(s.cfg.CAFile)
		if err != nil {
			return fmt.Errorf("certificates for InfluxDB: %w", err)
		}
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			conf.RootCAs = x509.NewCertPool()
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("certificates for InfluxDB: no certificate in %s", s.cfg.CAFile)
		}
	}
	transport := s.cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     conf.Clone(),
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     90 * time.Second,
			MaxIdleConnsPerHost: 2,
		}
	}
	s.http = &http.Client{
		Transport: transport,
		// A write that is redirected would arrive as GET: the address has to be mended instead.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	user, password := s.cfg.Username, s.cfg.Password
	if s.cfg.Version == V2 {
		user, password = "token", s.cfg.Token // its InfluxQL takes a token as the password of any user
		s.client2 = influxdb2.NewClientWithOptions(s.cfg.URL, s.cfg.Token, influxdb2.DefaultOptions().SetHTTPClient(&http.Client{Transport: transport, Timeout: s.cfg.Timeout}).SetLogLevel(0))
	}
	var err error
	s.client, err = client.NewHTTPClient(client.HTTPConfig{
		Addr: s.cfg.URL, Username: user, Password: password,
		UserAgent: userAgent, Timeout: s.cfg.Timeout, TLSConfig: conf, Proxy: http.ProxyFromEnvironment,
	})
	if err != nil {
		return fmt.Errorf("InfluxDB client: %w", err)
	}
	return nil
}

// Name is the identity of the sink's cursor.
func (s *Sink) Name() string {
	return strings.TrimSpace(s.dialect.name + " " + s.cfg.URL + " " + s.dialect.place(s.cfg))
}

// Write stores the samples. See sink.Sink for what its errors mean.
func (s *Sink) Write(ctx context.Context, blocks []sink.Points) error {
	return s.Prepare(blocks).Write(ctx)
}

// Close lets go of idle connections.
func (s *Sink) Close() error {
	s.http.CloseIdleConnections()
	return s.client.Close()
}

// warnOnce logs what would otherwise be said with every batch.
func (s *Sink) warnOnce(text string, args ...any) {
	if _, said := s.warned.LoadOrStore(text, true); !said {
		s.cfg.Log.Warn(text, args...)
	}
}

// redact takes the credentials out of an address that may not even be one.
func redact(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			return scheme + "://***@" + rest[i+1:]
		}
	} else if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return "***@" + address[i+1:]
	}
	return address
}
