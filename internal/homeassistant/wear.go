package homeassistant

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Nobody tells whether a device is worn or its wearer asleep: it shows in the data, up to the last sync. So each state says when
// the data showed it, and is given up when that is too long ago.
const (
	stale  = 2 * time.Hour    // nothing newer: nobody knows
	soon   = time.Hour        // data ending in sleep this long ago may still be ending in sleep
	unworn = 20 * time.Minute // a sync that brings no heart rate of this long
	coming = 3 * time.Minute  // from a sync until its data are here
	awoken = 5 * time.Minute  // data going on this long behind a sleep
)

// newest returns the newest instant at which one of some series has a value above 0.
func (f facts) newest(series ...metric.ID) (at time.Time) {
	for _, v := range f.values {
		for _, id := range series {
			if v.Series == id && v.Value > 0 && v.At.After(at) {
				at = v.At
			}
		}
	}
	return at
}

// sync returns the last sync of a tracker.
func (f facts) sync() (at time.Time) {
	for _, d := range f.devices {
		if d.Tracker && d.LastSync.After(at) {
			at = d.LastSync
		}
	}
	return at
}

func (f facts) binary(on bool, at time.Time, good time.Duration) state {
	if f.now.Sub(at) > good {
		return measured(nil, f.stamp(at))
	}
	return measured(onOff(on), f.stamp(at))
}

// worn: a heart rate came with the last sync. False where there has never been one, and as long as its data may still be coming.
func (f facts) worn() (state, bool) {
	heart, sync := f.newest(metric.HeartRate, metric.HeartRateMinute), f.sync()
	switch {
	case heart.IsZero():
		return state{}, false
	case sync.Sub(heart) <= unworn:
		return f.binary(true, heart, stale), true
	case f.now.Sub(sync) < coming:
		return state{}, false
	}
	return f.binary(false, sync, stale), true
}

// sleeping: the data end in a sleep. What shows that somebody is awake is a sleep that has ended, or steps behind it.
// False where there has never been a night.
func (f facts) sleeping() (state, bool) {
	var end time.Time
	for _, s := range f.nights {
		if s.End.After(end) {
			end = s.End
		}
	}
	if end.IsZero() {
		return state{}, false
	}
	steps := f.newest(metric.Steps)
	last := f.newest(metric.HeartRate, metric.HeartRateMinute, metric.Steps)
	if last.Sub(end) <= awoken && !steps.After(end) {
		return f.binary(true, end, soon), true
	}
	awake := end
	if steps.After(end) {
		awake = steps
	}
	return f.binary(false, awake, stale), true
}
