package main

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
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
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// support is where help is found: beside the code.
func support() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		return "https://" + info.Main.Path + "/issues"
	}
	return ""
}

// publish shows the latest values in Home Assistant until ctx ends, where a broker is known or Supervisor can tell one. Switched off, it
// removes there what was shown before.
func (a *app) publish(ctx context.Context) {
	m := a.opts.MQTT
	if m.Host == "" && (!m.Ask || a.supervisor == nil) {
		return
	}
	a.recallLanguage(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if a.supervisor != nil {
		wg.Go(func() { a.supervisor.WatchPage(ctx, a.announced.setPage) })
	}
	host, _ := os.Hostname() // for people; empty will do
	p := homeassistant.New(homeassistant.Config{
		Archive: a.archive, Latest: a.latest, Catalogue: a.catalogue, Clock: a.clock, Log: a.log.With("part", "mqtt"), People: a.published(),
		Broker: a.broker, Changed: a.archive.Changed, Service: a.service, Sync: a.syncAll, Noticed: a.noticed,
		Words: a.sensorName, Page: a.announced.link, Restated: a.announced.news.changed,
		Hide: a.hidden(), Off: !m.On, Keep: a.held(), Prefix: m.Prefix, Node: m.Node, Host: host, Version: programVersion(), Support: support(),
	})
	a.setSensors(p)
	defer a.setSensors(nil)
	if err := p.Run(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("publishing for Home Assistant has ended", "err", err, "hint", hint(err))
	}
}

func (a *app) setSensors(p *homeassistant.Publisher) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sensors = p
}

// publisher returns what publishes the sensors, and how it is doing; nil where nothing does.
func (a *app) publisher() (*homeassistant.Publisher, homeassistant.Status) {
	a.mu.Lock()
	p := a.sensors
	a.mu.Unlock()
	if p == nil {
		return nil, homeassistant.Status{}
	}
	return p, p.Status()
}

// Publish has the sensors removed from Home Assistant, or published again.
func (p page) Publish(ctx context.Context, on bool) error {
	sensors, _ := p.publisher()
	var err error
	switch {
	case sensors == nil:
		err = &homeassistant.Error{Err: errors.New("no MQTT broker is known here: nothing is published"), Hint: "Set mqtt.host, or remove the devices in Home Assistant, where they stand under MQTT."}
	case on:
		err = sensors.Restore(ctx)
	default:
		err = sensors.Withdraw(ctx)
	}
	var e *homeassistant.Error
	if errors.As(err, &e) {
		return &source.Error{Kind: source.Retry, Reason: "mqtt", Err: err, Hint: e.Hint}
	}
	return err
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

// broker tells where to connect to: what the options say, or else what Supervisor knows.
func (a *app) broker(ctx context.Context) (homeassistant.Broker, error) {
	m := a.opts.MQTT
	b := homeassistant.Broker{Username: m.Username, Password: m.Password.Reveal(), CA: m.CA, Insecure: m.Insecure}
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
		if stopped, err := p.stoppedSeries(context.Background(), a); err == nil { // an archive that cannot be read is told elsewhere
			for _, st := range stopped {
				s.Stopped = append(s.Stopped, string(st.Series))
			}
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
	s.LastError = a.advice(s.LastError)
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
