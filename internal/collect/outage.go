package collect

import (
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// outage is a run of failures of one feed. It is told when it begins, rarely while it lasts, and when it is over.
type outage struct {
	since, last time.Time
	count       int
	told        time.Time // when the log last said so
	kinds       []source.Kind
	answered    bool // since the last failure
}

// reminders are how old an outage is when the log says that it goes on; then every day.
var reminders = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}

// news counts a failure and reports whether the log is to tell of it: the first of its kind, and then at times.
func (o *outage) news(kind source.Kind, now time.Time) bool {
	o.count++
	o.last, o.answered = now, false
	first := !slices.Contains(o.kinds, kind)
	if first {
		o.kinds = append(o.kinds, kind)
	}
	due := o.told.Add(reminders[len(reminders)-1])
	for _, age := range reminders {
		if at := o.since.Add(age); at.After(o.told) {
			due = at
			break
		}
	}
	if !first && now.Before(due) {
		return false
	}
	o.told = now
	return true
}

// tell logs a failure, where it is news.
func (l *loop) tell(feed, what string, e *source.Error, err error) {
	now := l.cfg.Clock.Now()
	o := l.out[feed]
	if o == nil {
		o = &outage{since: now, told: now}
		l.out[feed] = o
	}
	if !o.news(e.Kind, now) {
		return
	}
	args := []any{"feed", feed, "kind", e.Kind.String(), "error", err, "hint", e.Hint}
	if o.count > 1 {
		args = append(args, "failures", o.count, "since", o.since.UTC().Format(time.RFC3339))
	}
	l.cfg.Log.Warn(what, args...)
}

// over tells of the outages that have ended: the feed answers, and nothing of what was asked in vain is missing.
func (l *loop) over() {
	for feed, o := range l.out {
		if o.answered && len(l.state.Missed[feed]) == 0 {
			l.cfg.Log.Info("answers again", "feed", feed, "failures", o.count, "lasted", o.last.Sub(o.since).Round(time.Second).String())
			delete(l.out, feed)
		}
	}
}
