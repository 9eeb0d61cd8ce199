package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// describeEvery is how often the service is asked again whether the person has moved to another zone.
const describeEvery = 3 * time.Hour

// describeDue reports whether the service is to be asked who it is about.
func (l *loop) describeDue(now time.Time) bool {
	if _, ok := l.cfg.Source.(source.Describer); !ok {
		return false
	}
	age := now.Sub(l.described)
	if l.alone() && !l.described.IsZero() {
		return false
	}
	return l.described.IsZero() || age < 0 || (age >= describeEvery && !plan.Asleep(l.zones, l.quiet, now))
}

// otherAccount is the reason where the authorization is for an account whose data the archive does not hold.
const otherAccount = "ANOTHER_ACCOUNT"

// describedAs takes in who the service says it is about. Data of two accounts never mix in one person's archive.
func (l *loop) describedAs(d source.Description) error {
	key := AccountKey(l.cfg.Source.Name())
	held, err := l.cfg.Archive.State(l.ctx, l.cfg.Person.ID, key)
	if err != nil {
		return fmt.Errorf("reading the account: %w", err)
	}
	switch {
	case d.Account == "":
	case held == nil:
		if err := l.cfg.Archive.SetState(l.ctx, l.cfg.Person.ID, key, []byte(d.Account)); err != nil {
			return fmt.Errorf("keeping the account: %w", err)
		}
	case string(held) != d.Account:
		e := &source.Error{Kind: source.Auth, Reason: otherAccount, Hint: fmt.Sprintf("The authorization is for account %s, but the "+
			"archive holds the data of account %s. Authorize again with that account, or erase this person's archive, or set up a "+
			"new person.", metric.Mask(d.Account), metric.Mask(string(held))), Err: errors.New("authorized for another account")}
		l.unauthorized(e, e)
		return nil
	}
	if err := l.livesAs(d); err != nil {
		return err
	}
	if l.described.IsZero() {
		l.phase(Working, "", "")
	}
	if d.Since != 0 && d.Since != l.state.Since {
		l.state.Since = d.Since
		l.save()
	}
	l.described = l.cfg.Clock.Now()
	if o := l.out[describe]; o != nil {
		o.answered = true
	}
	delete(l.fates.failed, describe)
	delete(l.fates.tries, describe)
	return nil
}

// sawDevices takes in the answer to the question after the devices.
func (l *loop) sawDevices(r result) {
	now := l.cfg.Clock.Now()
	before := plan.LastSync(l.state.devices())
	last := plan.LastSync(r.devices)
	changed := !slices.EqualFunc(l.state.devices(), r.devices, sameDevice)
	l.state.setDevices(r.devices)
	l.state.First = first(r.devices, l.state.First)
	if !last.Equal(before) || l.state.Seen.IsZero() {
		l.state.Seen = now
	}
	if last.Sub(before) > plan.Together {
		l.state.Before = before
	}
	for id, b := range r.stored {
		l.state.Battery[id] = b
	}
	l.polled = now
	if l.device() == "" && !l.state.Named { // there is none
		l.state.Named, changed = true, true
	}
	if changed || len(r.stored) > 0 {
		l.save()
	}
}

func sameDevice(a, b metric.Device) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Tracker == b.Tracker && a.LastSync.Equal(b.LastSync) &&
		(a.Battery == b.Battery || !metric.Present(a.Battery) && !metric.Present(b.Battery))
}

// first returns the id of the tracker that carries no tag: the one that was, while it is there.
func first(devices []metric.Device, was string) string {
	id := ""
	for _, d := range devices {
		if !d.Tracker {
			continue
		}
		if d.ID == was {
			return was
		}
		if id == "" {
			id = d.ID
		}
	}
	return id
}

// device returns the value of the tag Device.
func (l *loop) device() string {
	if l.cfg.DeviceName != "" {
		return l.cfg.DeviceName
	}
	for _, d := range l.state.Devices {
		if d.Tracker && d.ID == l.state.First {
			return d.Name
		}
	}
	return ""
}

// batteries returns the batches that bring the trackers' batteries, one per instant, and what will have been stored with each.
// A batch answers for its instant alone, so nothing else vanishes; trackers that synced at the same instant share one. Levels
// stored before are left out, unless they share an instant with a new one.
func batteries(devices []metric.Device, firstID string, stored map[string]level, now time.Time) map[int64]batteryBatch {
	out := map[int64]batteryBatch{}
	fresh := map[int64]bool{}
	for _, d := range devices {
		if !d.Tracker || !metric.Present(d.Battery) {
			continue
		}
		at := d.LastSync
		was, known := stored[d.ID]
		if at.IsZero() || at.After(now) {
			at = now
			if known && was.Percent == d.Battery {
				at = was.Sync // nothing new
			}
		}
		at = at.UTC().Truncate(time.Millisecond)
		l := level{Percent: d.Battery, Sync: at}
		b := out[at.UnixNano()]
		if b.levels == nil {
			b.levels = map[string]level{}
		}
		b.levels[d.ID] = l
		block := metric.Block{Series: metric.Battery, Tags: []string{trackerTag(devices, d, firstID)}}
		block.Append(at.UnixNano(), d.Battery)
		b.blocks = append(b.blocks, block)
		out[at.UnixNano()] = b
		if !known || was.Percent != l.Percent || !was.Sync.Equal(l.Sync) {
			fresh[at.UnixNano()] = true
		}
	}
	for at := range out {
		if !fresh[at] {
			delete(out, at)
		}
	}
	return out
}

type batteryBatch struct {
	blocks []metric.Block
	levels map[string]level
}

// trackerTag returns the value of the tag Tracker: empty for the first one, its name for others, told apart where names repeat.
func trackerTag(devices []metric.Device, d metric.Device, firstID string) string {
	if d.ID == firstID {
		return ""
	}
	for _, o := range devices {
		if o.Tracker && o.ID != d.ID && o.ID != firstID && o.Name == d.Name {
			return d.Name + " " + d.ID[max(0, len(d.ID)-4):]
		}
	}
	return d.Name
}

// putBatteries stores the batteries; a failure costs only a later sample, since the level is stored with the next question.
func (l *loop) putBatteries(ctx context.Context, devices []metric.Device, known map[string]level, was string) (result, error) {
	var r result
	now := l.cfg.Clock.Now()
	if slices.Contains(l.cfg.LeaveOut, metric.Battery) {
		return r, nil
	}
	r.stored = map[string]level{}
	for at, b := range batteries(devices, first(devices, was), known, now) {
		span := metric.Span{Start: time.Unix(0, at).UTC(), End: time.Unix(0, at+1).UTC()}
		change, err := l.cfg.Archive.Put(ctx, metric.Batch{
			Person: l.cfg.Person.ID, Source: l.cfg.Source.Name(), Feed: plan.Poll, Axis: metric.Instants, Span: span, Bounds: span,
			Asked: now, Final: span.End, Series: []metric.ID{metric.Battery}, Blocks: b.blocks,
		})
		if err != nil {
			return r, err
		}
		if err := l.cfg.Archive.Uncover(ctx, l.cfg.Person.ID, l.cfg.Source.Name(), plan.Poll, span); err != nil {
			return r, err // the coverage of single instants says nothing, and would grow without end
		}
		r.change.Rev = max(r.change.Rev, change.Rev)
		r.change.Added += change.Added
		r.change.Changed += change.Changed
		r.change.Series = append(r.change.Series, change.Series...)
		for id, lv := range b.levels {
			r.stored[id] = lv
		}
	}
	return r, nil
}
