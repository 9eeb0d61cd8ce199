package collect

import (
	"context"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const (
	lookFirst = 15 * time.Minute
	lookMost  = 4 * time.Hour
)

// answered stands for no failure, where the kind of one is told.
const answered source.Kind = 255

// mine are the service's words for a stop that nothing at the service can end: only the user can.
var mine = []string{"invalid_grant", "no_refresh_token", "not_authorized", "other_provider", otherAccount}

func renew(ctx context.Context, stop context.CancelFunc) (context.Context, context.CancelFunc) {
	stop()
	return context.WithCancel(ctx)
}

// refused takes in that the service does not take the authorization. Where a feed says so, it may be that feed's matter alone.
func (l *loop) refused(r result, e *source.Error) {
	feed := r.job.item.Feed
	_, describes := l.cfg.Source.(source.Describer)
	if !describes || feed == describe || feed == plan.Poll || slices.Contains(mine, e.Reason) {
		l.unauthorized(r.err, e)
		return
	}
	l.inVain(r)
	l.suspects[feed] = e
}

// unauthorized stops everything until the user has authorized again, or until a look at it finds that the service has healed.
func (l *loop) unauthorized(err error, e *source.Error) {
	l.auth = err
	clear(l.suspects)
	l.lookAgain = time.Time{}
	if !slices.Contains(mine, e.Reason) {
		l.lookLater()
	}
	l.phase(NeedsUser, e.Hint, e.Reason)
	l.showLook()
	l.stop()
}

func (l *loop) lookLater() {
	l.looked++
	l.lookAgain = l.cfg.Clock.Now().Add(backOff(lookFirst, lookMost, l.looked))
	l.showLook()
}

func (l *loop) showLook() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.LookAgain = l.lookAgain
}

// probing asks the devices, which costs one request, to know whether the service answers this person.
func (l *loop) probing(now time.Time) {
	if l.live != nil || l.auth != nil && (l.lookAgain.IsZero() || now.Before(l.lookAgain)) || l.auth == nil && !l.probe && l.fates.held(plan.Poll, now) {
		return
	}
	if _, describes := l.cfg.Source.(source.Describer); !describes {
		l.resume()
		return
	}
	if l.auth != nil {
		l.jobs, l.stop = renew(l.ctx, l.stop)
	}
	l.probe = false
	l.startPoll(plan.Item{Request: metric.Request{Person: l.cfg.Person.ID, Feed: plan.Poll, Zones: l.zones}, Paced: true,
		Why: "asking whether the service answers"})
}

// heard takes in what the question after the devices says of a stop, or of feeds that were refused as if there were no authorization.
func (l *loop) heard(feed string, kind source.Kind) {
	if feed != plan.Poll || kind == source.Auth {
		return
	}
	alive := kind == answered || kind == source.Denied || kind == source.Bad
	switch {
	case l.auth != nil && alive:
		l.cfg.Log.Info("the service takes the authorization again")
		l.resume()
	case l.auth != nil:
		l.lookLater()
	case alive: // so it is those feeds' matter
		for id, e := range l.suspects {
			l.state.Denied[id] = l.cfg.Clock.Now().Add(deniedFor)
			l.showFailure(id, id, e, e)
		}
		if len(l.suspects) > 0 {
			clear(l.suspects)
			l.save()
		}
	}
}

// reauthorized goes on after the user has authorized.
func (l *loop) reauthorized() {
	l.looked = 0
	clear(l.state.Denied) // more may be granted now
	l.resume()
	l.save()
}

// resume goes on after a stop.
func (l *loop) resume() {
	l.jobs, l.stop = renew(l.ctx, l.stop)
	l.auth, l.lookAgain, l.described, l.polled = nil, time.Time{}, time.Time{}, time.Time{}
	clear(l.suspects)
	hold := l.fates.hold
	l.fates = newFates()
	l.fates.hold = hold
	l.phase(Working, "", "")
	l.showLook()
}
