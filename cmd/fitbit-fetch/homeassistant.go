package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// support is where help is found: beside the code.
func support() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		return "https://" + info.Main.Path + "/issues"
	}
	return ""
}

// publish shows the latest values in Home Assistant until ctx ends, where a broker is known or Supervisor can tell one.
func (a *app) publish(ctx context.Context) {
	m := a.opts.MQTT
	if !m.On || m.Host == "" && (!m.Ask || a.supervisor == nil) {
		return
	}
	words := a.words(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var page func() (string, <-chan struct{})
	if a.supervisor != nil {
		at := newPlace()
		wg.Go(func() { a.supervisor.WatchPage(ctx, at.set) })
		page = at.link
	}
	p := homeassistant.New(homeassistant.Config{
		Archive: a.archive, Latest: a.latest, Catalogue: a.catalogue, Clock: a.clock, Log: a.log.With("part", "mqtt"), People: a.published(),
		Broker: a.broker, Changed: a.archive.Changed, Service: a.service, Sync: a.syncAll,
		Words: func(key string) string {
			if text := words.Text(key); text != key {
				return text
			}
			return ""
		},
		Hide: a.hidden(), Keep: a.held(), Prefix: m.Prefix, Version: programVersion(), Support: support(), Page: page,
	})
	if err := p.Run(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("publishing for Home Assistant has ended", "err", err, "hint", hint(err))
	}
}

// published are the persons as Home Assistant gets them.
func (a *app) published() []homeassistant.Person {
	var out []homeassistant.Person
	for _, p := range a.people {
		out = append(out, homeassistant.Person{
			Person: p.Person, Name: p.opts.Name, LeaveOut: a.leaveOut(),
			Devices: func() []metric.Device { return p.devices(context.Background()) },
			Zones:   func() metric.Zones { return p.zones(context.Background()) },
		})
	}
	return out
}

// devices are the person's as the service tells of them, or as it last did, before it has been asked.
func (p *person) devices(ctx context.Context) []metric.Device {
	if d := p.collect.Status().Devices; d != nil {
		return d
	}
	d, err := collect.Devices(ctx, p.archive, p.ID, p.source.Name())
	if err != nil {
		p.log.Warn("reading which devices there are", "err", err)
	}
	return d
}

// words are the names of the sensors in the user's language.
func (a *app) words(ctx context.Context) translations.Words {
	lang := a.opts.Language
	if lang == "" && a.supervisor != nil {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if core, err := a.supervisor.Core(ctx); err == nil {
			lang = core.Language
		}
	}
	return translations.Lookup(cmp.Or(lang, translations.English))
}

// pageAddress is the path of our page in Home Assistant's interface; empty outside of it, and while nobody there answers.
func (a *app) pageAddress(ctx context.Context) string {
	if a.supervisor == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	path, err := a.supervisor.Page(ctx)
	if err != nil {
		return ""
	}
	return path
}

// place is where Home Assistant shows our page, once that is known.
type place struct {
	mu      sync.Mutex
	path    string
	changed chan struct{}
}

func newPlace() *place { return &place{changed: make(chan struct{})} }

func (p *place) set(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path = path
	close(p.changed)
	p.changed = make(chan struct{})
}

// link is the address for a device, empty while it is not known, and a channel that is closed when it changes.
func (p *place) link() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" {
		return "", p.changed
	}
	return supervisor.Link(p.path), p.changed
}

// broker tells where to connect to: what the options say, or else what Supervisor knows.
func (a *app) broker(ctx context.Context) (homeassistant.Broker, error) {
	m := a.opts.MQTT
	b := homeassistant.Broker{Username: m.Username, Password: m.Password.Reveal(), CA: m.CA}
	host, port, tls := m.Host, m.Port, m.TLS || m.CA != ""
	if host == "" {
		got, err := a.supervisor.AwaitBroker(ctx, func(err error) {
			a.log.Warn("Home Assistant knows no MQTT broker yet; waiting", "err", err, "hint", "Install and start the Mosquitto broker app; sensors appear by themselves then.")
		})
		if err != nil {
			return b, err
		}
		host, port, tls = got.Host, got.Port, got.TLS
		b.Username, b.Password = got.Username, got.Password
	}
	scheme := "mqtt"
	if tls {
		scheme = "mqtts"
	}
	b.URL = scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
	return b, nil
}

// hidden are the sensors that Home Assistant's own Google Health integration has, for those who use both.
func (a *app) hidden() []string {
	if a.opts.Sensors != "missing" {
		return nil
	}
	return []string{
		"steps", "distance", "floors", "calories", "calories_active", "weight", "body_fat", "resting_heart_rate", "sleep_asleep", "sleep_awake",
		"sleep_in_bed", "sleep_to_fall_asleep", "sleep_after_wakeup", "battery", "last_sync",
	}
}

// syncAll has every person's devices asked now.
func (a *app) syncAll() {
	if a.held() {
		return
	}
	for _, p := range a.people {
		p.collect.Sync()
	}
}

// service is how the program is doing, over all persons and databases.
func (a *app) service() homeassistant.Service {
	s := homeassistant.Service{Backfill: math.NaN(), Left: -1, InfluxDB: len(a.opts.Databases()) > 0 && !a.opts.DryRun, LastError: strings.Join(a.opts.Notes, "; ")}
	var left, total float64
	for _, p := range a.people {
		c := p.collect.Status()
		standing := p.tokens.State(a.clock.Now()).Standing
		s.Unauthorized = s.Unauthorized || standing == auth.Missing || standing == auth.Dead
		if c.LastFetch.After(s.LastFetch) {
			s.LastFetch = c.LastFetch
		}
		if s.NextFetch.IsZero() || !c.Next.IsZero() && c.Next.Before(s.NextFetch) {
			s.NextFetch = c.Next
		}
		if c.Unanswered.After(s.Unanswered) {
			s.Unanswered = c.Unanswered
		}
		s.Requests += c.LastHour
		if n := p.requestsLeft(c.Budget); n >= 0 && (s.Left < 0 || n < s.Left) {
			s.Left = n
		}
		left, total = left+c.Remaining.Days, total+c.Remaining.Total
		for _, id := range sortedKeys(c.Feeds) {
			if f := c.Feeds[id]; f.Error != "" {
				s.LastError = f.Error
			}
		}
	}
	if total > 0 {
		s.Backfill = 100 * (1 - left/total)
	}
	for i, t := range a.sinks {
		d := t.deliver.Status()
		s.Connected = d.Working && (s.Connected || i == 0) // with several, all are
		if d.Error != "" {
			s.LastError = d.Error
		}
	}
	if a.held() {
		s.LastError = oneLine(a.opts.Wrong)
	}
	return s
}

// requestsLeft is what the service's limit leaves: as the service says it, or as the source counts; negative where nobody knows.
func (p *person) requestsLeft(b plan.Budget) int {
	if b.Left >= 0 {
		return b.Left
	}
	if s, ok := p.source.(interface{ Left() int }); ok {
		return s.Left()
	}
	return -1
}

// noticeEvery is how often Home Assistant's notifications are looked after, beside every change of an authorization.
const noticeEvery = 5 * time.Minute

// notify keeps Home Assistant's notifications as they should be: one for an authorization that died or is about to, one for wrong
// options, one where the broker runs and nobody in Home Assistant listens. Each is taken back once cured.
func (a *app) notify(ctx context.Context) {
	if a.supervisor == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	shown := notices{a: a, shown: map[string]string{}}
	for _, p := range a.people {
		if !a.held() {
			wg.Go(func() { a.notifyPerson(ctx, p) })
		}
	}
	for ctx.Err() == nil {
		shown.set(ctx, "fitbit_fetch_options", a.heldNotice())
		if core, err := a.supervisor.Core(ctx); err == nil && core.Started() {
			text := ""
			if a.opts.MQTT.On && a.opts.MQTT.Host == "" && !core.MQTT() {
				if _, err := a.supervisor.Broker(ctx); err == nil {
					text = "The MQTT broker runs, but Home Assistant does not listen to it yet: open *Settings → Devices & services*, and add the integration *MQTT* that is offered there. The sensors appear by themselves then."
				}
			}
			shown.set(ctx, "fitbit_fetch_mqtt", text)
		}
		a.clock.Sleep(ctx, noticeEvery)
	}
}

func (a *app) notifyPerson(ctx context.Context, p *person) {
	shown := notices{a: a, shown: map[string]string{}}
	for ctx.Err() == nil {
		changed := p.tokens.Changed()
		s := p.tokens.State(a.clock.Now())
		text := ""
		if s.Standing == auth.Missing || s.Standing == auth.Dead || s.Soon {
			text = s.Text + " " + s.Hint
			if page := a.pageAddress(ctx); page != "" {
				text += fmt.Sprintf(" [Open Fitbit Fetch](%s)", page)
			}
		}
		shown.set(ctx, "fitbit_fetch_authorization_"+p.ID, text)
		wait, cancel := context.WithTimeout(ctx, a.clock.Real(noticeEvery))
		select {
		case <-changed:
		case <-wait.Done():
		}
		cancel()
	}
}

// notices remembers what is shown, so that nothing is said twice.
type notices struct {
	a     *app
	shown map[string]string
}

// set shows text under id, or takes the notification back where text is empty.
func (n *notices) set(ctx context.Context, id, text string) {
	if was, known := n.shown[id]; known && was == text {
		return
	}
	var err error
	if text == "" {
		err = n.a.supervisor.Dismiss(ctx, id)
	} else {
		err = n.a.supervisor.Notify(ctx, supervisor.Notice{ID: id, Title: "Fitbit Fetch", Message: text})
	}
	if err != nil {
		if ctx.Err() == nil {
			n.a.log.Debug("Home Assistant does not take the notification yet; it is tried again", "err", err)
		}
		return
	}
	n.shown[id] = text
}
