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

// scale is the index of the one type of device that is no tracker; every other one is worn, also one of a type that is not known.
const scale = 1

// Describe implements source.Describer: the account, and as much of zone and devices as was allowed.
func (s *Source) Describe(ctx context.Context) (source.Description, error) {
	var d source.Description
	identity := newForm()
	account := identity.text("healthUserId")
	identity.known("name", "legacyUserId")
	r, err := s.resource(ctx, "identity", scopeIdentity, identity)
	if err != nil {
		return d, err
	}
	d.Account = r.texts[account]
	if d.Account == "" {
		return d, &source.Error{Kind: source.Bad, Feed: "identity", Hint: hintReport, Err: fmt.Errorf("%w: no healthUserId", answer.ErrShape)}
	}
	settings := newForm()
	zone, offset := settings.text("timeZone"), settings.seconds("utcOffset")
	settings.known("name", "languageLocale", "distanceUnit", "weightUnit", "heightUnit", "temperatureUnit", "waterUnit", "swimUnit",
		"glucoseUnit", "strideLengthWalkingType", "strideLengthRunningType", "autoStrideEnabled", "foodLanguageCode")
	switch r, err := s.resource(ctx, "settings", scopeSettings, settings); {
	case err == nil:
		d.Zone = metric.ZoneName(r.texts[zone], r.numbers[offset])
	case source.KindOf(err) != source.Denied: // what cannot be read may be a passing fault: the days hang on it
		return d, err
	}
	if d.Devices, err = s.Devices(ctx); left(err) {
		if source.KindOf(err) == source.Bad {
			s.surprises.Add("devices", answer.PointOdd, "pairedDevices", 1, s.cfg.Now())
		}
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
	_, err := s.ask(ctx, question{Feed: name, Method: http.MethodGet, Path: path, Shown: path, Query: url.Values{"prettyPrint": {"false"}}, Scope: scope},
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
	status, level := f.word("batteryStatus", []string{"Empty", "Low", "Medium", "High"}), f.number("batteryLevel")
	sync, version := f.instant("lastSyncTime"), f.text("deviceVersion")
	f.known("macAddress", "features")
	var out []metric.Device
	path := "/v4/users/me/pairedDevices"
	l := &listing{s: s, feed: "devices", form: f, name: "pairedDevices", token: getToken, each: func(r *record) (metric.Span, fate) {
		d := metric.Device{ID: idOf(r.texts[name]), Name: r.texts[version], Tracker: r.words[kind] != scale, Battery: r.numbers[level]}
		if d.Battery < 0 || d.Battery > 100 {
			s.surprises.Add("devices", answer.PointOdd, "batteryLevel", 1, s.cfg.Now())
			d.Battery = metric.Absent()
		}
		if !metric.Present(d.Battery) && r.words[status] == 0 { // a level of 0 is left out
			d.Battery = 0
		}
		if t := r.times[sync]; t != 0 {
			d.LastSync = at(t)
		}
		if d.ID == "" {
			return metric.Span{}, unreadable
		}
		out = append(out, d)
		return metric.Span{}, understood
	}}
	l.first = question{Feed: "devices", Method: http.MethodGet, Path: path, Shown: path, Query: url.Values{"pageSize": {"100"}, "prettyPrint": {"false"}}, Scope: scopeSettings}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return out, nil
}
