package google

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

const scopeSettings = "settings"

// Describe implements source.Describer: the account, and as much of zone and devices as was allowed.
func (s *Source) Describe(ctx context.Context) (source.Description, error) {
	var d source.Description
	identity := newForm()
	account := identity.text("healthUserId")
	identity.known("name", "legacyUserId")
	r, err := s.resource(ctx, "identity", "", identity)
	if err != nil {
		return d, err
	}
	d.Account = r.texts[account]
	if d.Account == "" {
		return d, &source.Error{Kind: source.Bad, Feed: "identity", Hint: hintReport, Err: fmt.Errorf("%w: no healthUserId", answer.ErrShape)}
	}
	settings := newForm()
	zone, offset := settings.text("timeZone"), settings.text("utcOffset")
	settings.known("name", "languageLocale", "distanceUnit", "weightUnit", "heightUnit", "temperatureUnit", "waterUnit", "swimUnit",
		"glucoseUnit", "strideLengthWalkingType", "strideLengthRunningType", "autoStrideEnabled", "foodLanguageCode")
	switch r, err := s.resource(ctx, "settings", scopeSettings, settings); {
	case err == nil:
		east, _ := parseSeconds([]byte(r.texts[offset]))
		d.Locate(r.texts[zone], east)
	case source.KindOf(err) != source.Denied: // what cannot be read may be a passing fault: the days hang on it
		return d, err
	}
	if d.Devices, err = s.Devices(ctx); left(err) {
		err = nil
	}
	return d, err
}

// left reports whether err only means that one thing is not given.
func left(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && (e.Kind == source.Denied || e.Kind == source.Bad)
}

// resource reads one object below users/me.
func (s *Source) resource(ctx context.Context, name, scope string, f *form) (*record, error) {
	path := "/v4/users/me/" + name
	w := walker{rec: f.record(), notes: &answer.Notes{}}
	_, err := s.ask(ctx, question{feed: name, method: http.MethodGet, path: path, shown: path, query: url.Values{"prettyPrint": {"false"}}, scope: scope},
		func(b *answer.Body) error {
			dec, err := b.JSON("{")
			if err != nil {
				return err
			}
			w.dec = dec
			if err := w.object(f.root); err != nil {
				return err
			}
			return b.End()
		})
	w.notes.Hand(&s.surprises, name, s.cfg.Now())
	return w.rec, err
}

// Devices implements source.Describer.
func (s *Source) Devices(ctx context.Context) ([]metric.Device, error) {
	f := newForm()
	name, kind := f.text("name"), f.word("deviceType", []string{"TRACKER", "SCALE", "DEVICE_TYPE_UNSPECIFIED"})
	status, level := f.text("batteryStatus"), f.number("batteryLevel")
	sync, version := f.instant("lastSyncTime"), f.text("deviceVersion")
	f.known("macAddress", "features")
	var out []metric.Device
	var l *listing
	odd := 0
	path := "/v4/users/me/pairedDevices"
	l = &listing{s: s, feed: "devices", form: f, name: "pairedDevices", token: getToken, each: func(r *record) error {
		d := metric.Device{ID: id(r.texts[name]), Name: r.texts[version], Tracker: r.words[kind] == 0, Battery: metric.BatteryLevel(r.numbers[level], r.texts[status])}
		if metric.Present(r.numbers[level]) && !metric.Present(d.Battery) {
			s.surprises.Add(l.feed, answer.PointOdd, "pairedDevices.batteryLevel", 1, s.cfg.Now())
		}
		if d.ID == "" { // it costs only itself
			s.surprises.Add(l.feed, answer.PointOdd, "pairedDevices", 1, s.cfg.Now())
			odd++
			return nil
		}
		if t := r.times[sync]; t != 0 {
			d.LastSync = at(t)
		}
		out = append(out, d)
		return nil
	}}
	l.first = question{feed: "devices", method: http.MethodGet, path: path, shown: path, query: url.Values{"pageSize": {"100"}, "prettyPrint": {"false"}}, scope: scopeSettings}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	if odd > 0 && len(out) == 0 {
		return nil, &source.Error{Kind: source.Bad, Feed: l.feed, Hint: hintReport, Err: fmt.Errorf("%w: not one of the devices can be read", answer.ErrShape)}
	}
	return out, nil
}
