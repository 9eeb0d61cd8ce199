package homeassistant

import (
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// seen makes facts: minutes before now at which each was last seen; -1 for never.
func seen(heart, steps, night, sync int) facts {
	f := facts{now: noon, zones: berlin}
	ago := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	if heart >= 0 {
		f.values = append(f.values, latest.Value{Series: metric.HeartRate, Value: 60, At: ago(heart)})
	}
	if steps >= 0 {
		f.values = append(f.values, latest.Value{Series: metric.Steps, Value: 5, At: ago(steps)})
	}
	if night >= 0 {
		f.nights = []metric.Session{{End: ago(night), Start: ago(night + 400)}}
	}
	if sync >= 0 {
		f.devices = []metric.Device{{Tracker: true, LastSync: ago(sync)}, {LastSync: noon}}
	}
	return f
}

func TestWorn(t *testing.T) {
	for name, c := range map[string]struct {
		heart, sync int
		want        any
		at          int // minutes ago
		none        bool
	}{
		"now":                        {heart: 3, sync: 2, want: "ON", at: 3},
		"no sync is told":            {heart: 3, sync: -1, want: "ON", at: 3},
		"taken off":                  {heart: 40, sync: 10, want: "OFF", at: 10},
		"synced, data on their way":  {heart: 40, sync: 1, none: true},
		"never":                      {heart: -1, sync: 1, none: true},
		"the phone is away":          {heart: 130, sync: 129, want: nil, at: 130},
		"taken off and not synced":   {heart: 200, sync: 125, want: nil, at: 125},
		"taken off, lies in the hub": {heart: 2000, sync: 5, want: "OFF", at: 5},
	} {
		s, ok := seen(c.heart, -1, -1, c.sync).worn()
		if ok == c.none || ok && (s.Value != c.want || s.MeasuredAt != facts{zones: berlin}.stamp(noon.Add(-time.Duration(c.at)*time.Minute))) {
			t.Errorf("%s: %+v, %v", name, s, ok)
		}
	}
}

func TestSleeping(t *testing.T) {
	for name, c := range map[string]struct {
		heart, steps, night int
		want                any
		at                  int
		none                bool
	}{
		"just woken":                   {heart: 10, steps: 500, night: 12, want: "ON", at: 12},
		"woken, and data go on":        {heart: 2, steps: 500, night: 12, want: "OFF", at: 12},
		"up":                           {heart: 2, steps: 4, night: 12, want: "OFF", at: 4},
		"in the day":                   {heart: 2, steps: 30, night: 600, want: "OFF", at: 30},
		"in bed, nobody knows":         {heart: 2, steps: 150, night: 1000, want: nil, at: 150},
		"nothing since a night":        {heart: 90, steps: -1, night: 90, want: nil, at: 90},
		"never slept":                  {heart: 2, steps: 3, night: -1, none: true},
		"no steps are kept, morning":   {heart: 2, steps: -1, night: 60, want: "OFF", at: 60},
		"no steps are kept, afternoon": {heart: 2, steps: -1, night: 400, want: nil, at: 400},
	} {
		s, ok := seen(c.heart, c.steps, c.night, -1).sleeping()
		if ok == c.none || ok && (s.Value != c.want || s.MeasuredAt != facts{zones: berlin}.stamp(noon.Add(-time.Duration(c.at)*time.Minute))) {
			t.Errorf("%s: %+v, %v", name, s, ok)
		}
	}
}
