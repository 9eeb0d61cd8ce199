package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor"
)

// noticeEvery is how often Home Assistant is asked for its language and its MQTT integration, beside every start of it.
const noticeEvery = 5 * time.Minute

// How long to wait, in real time, where Home Assistant does not answer.
const (
	askFirst = 2 * time.Second
	askMost  = 30 * time.Second
)

// notify keeps Home Assistant's notifications as they should be: one for an authorization that died or is about to, one for wrong
// options, one where the broker runs and nobody in Home Assistant listens. Each is taken back once its matter is settled.
func (a *app) notify(ctx context.Context) {
	if a.supervisor == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	n := newNotices(a.supervisor, a.log)
	n.recall(ctx, a.archive)
	wg.Go(func() { n.run(ctx) })
	wg.Go(func() { n.watch(ctx) })
	for _, p := range a.people {
		if !a.held() {
			wg.Go(func() { a.notifyPerson(ctx, p, n) })
		}
	}
	text := a.advice(a.heldNotice())
	n.set("fitbit_fetch_options", notice{text, text})
	wg.Go(func() { a.notifyOccupied(ctx, n) })
	a.askCore(ctx, n)
}

// noticed has notifyOccupied look again.
func (a *app) noticed() {
	select {
	case a.occupied <- struct{}{}:
	default:
	}
}

// notifyOccupied keeps the notification that another program publishes in our place.
func (a *app) notifyOccupied(ctx context.Context, n *notices) {
	for ctx.Err() == nil {
		text := a.advice(a.occupiedNotice())
		n.set("fitbit_fetch_occupied", notice{text, text})
		select {
		case <-a.occupied:
		case <-ctx.Done():
		}
	}
}

// occupiedNotice says that another program publishes in our place; empty where none does.
func (a *app) occupiedNotice() string {
	if _, s := a.publisher(); s.Occupied {
		return firstUpper(s.Problem) + ". " + firstUpper(s.Hint)
	}
	return ""
}

// firstUpper makes a sentence of a message.
func firstUpper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// askCore asks Home Assistant again and again for what may change, or may not be known at our start: its language, and whether it
// listens to the broker.
func (a *app) askCore(ctx context.Context, n *notices) {
	pause := askFirst
	for ctx.Err() == nil {
		started := n.began.changed()
		wait := a.clock.Real(noticeEvery)
		core, err := a.supervisor.Core(ctx)
		if err == nil {
			a.hearLanguage(ctx, core)
		}
		if err != nil || !core.Started() {
			wait, pause = pause, min(2*pause, askMost)
		} else {
			pause = askFirst
			text := ""
			if a.opts.MQTT.On && a.opts.MQTT.Host == "" && !core.MQTT() {
				if _, err := a.supervisor.Broker(ctx); err == nil {
					text = "The MQTT broker runs, but Home Assistant does not listen to it yet: open *Settings → Devices & services*, and add the integration *MQTT* that is offered there. The sensors appear by themselves then."
				}
			}
			n.set("fitbit_fetch_mqtt", notice{text, text})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-started: // it may have another language now
		}
		timer.Stop()
	}
}

func (a *app) notifyPerson(ctx context.Context, p *person, n *notices) {
	for ctx.Err() == nil {
		changed, tried := p.tokens.Changed(), p.attempts.news.changed()
		now := a.clock.Now()
		s := p.tokens.State(now)
		w := notice{}
		switch {
		case s.Standing == auth.Missing || s.Standing == auth.Dead:
			w.matter = s.Text
		case s.Soon:
			due, _ := auth.Due(s.Ends, 0, now)
			w.matter = fmt.Sprint("ends ", s.Ends.Unix(), due)
		}
		if w.matter != "" {
			w.text = a.advice(s.Text + " " + s.Hint)
			if page := a.pageAddress(ctx); page != "" {
				w.text += fmt.Sprintf(" [Open Fitbit Fetch](%s)", page)
			}
		}
		if needed := s.Standing == auth.Missing || s.Standing == auth.Dead; !needed || p.attempts.ended(s.Standing) { // else the options may settle it
			n.set("fitbit_fetch_authorization_"+p.ID, w)
		}
		timer := time.NewTimer(a.clock.Real(noticeEvery))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tried:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// attempts knows whether what the options hold of an authorization has been tried since it is needed. Before that, nobody has to be
// asked for one.
type attempts struct {
	news broadcast // somebody tried, or does not have to

	mu   sync.Mutex
	done map[auth.Standing]bool
}

func (t *attempts) ended(s auth.Standing) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done[s]
}

// end notes that an attempt out of the standing s has ended; good, that there is an authorization.
func (t *attempts) end(s auth.Standing, good bool) {
	t.mu.Lock()
	switch {
	case good:
		t.done = nil
	case t.done == nil:
		t.done = map[auth.Standing]bool{s: true}
	default:
		t.done[s] = true
	}
	t.mu.Unlock()
	t.news.fire()
}

// notice is what Home Assistant shows; without a text there is nothing to show.
type notice struct {
	matter string // what it is about: another one is shown even where the last was dismissed
	text   string
}

// board is where notices are shown.
type board interface {
	Notify(ctx context.Context, n supervisor.Notice) error
	Dismiss(ctx context.Context, id string) error
	WatchNotices(ctx context.Context, changed func(supervisor.NoticeChange)) error
}

// notices keeps what Home Assistant shows of us as it should be. Its notifications are in its memory alone: they are gone after its
// restart and are shown again, except those that somebody has dismissed.
type notices struct {
	board board
	log   *slog.Logger
	wake  chan struct{}

	mu        sync.Mutex
	want      map[string]notice
	shown     map[string]notice // what Home Assistant took, by id; without a text: it was taken back
	dismissed map[string]string // the matter of what somebody has dismissed, by id
	listening bool              // every dismissal is heard of
	began     broadcast         // Home Assistant is heard again after it was not

	store stateStore // nil: nothing is kept
	kept  string     // dismissed, as it is kept
}

// stateStore is where small things are kept over restarts; archive.Archive is one.
type stateStore interface {
	State(ctx context.Context, person, key string) ([]byte, error)
	SetState(ctx context.Context, person, key string, value []byte) error
}

// dismissedKey is the state that holds what somebody has dismissed: a restart of ours must not bring it back.
const dismissedKey = "dismissed_notifications"

// recall reads what has been dismissed before.
func (n *notices) recall(ctx context.Context, store stateStore) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.store = store
	text, err := store.State(ctx, "", dismissedKey)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &n.dismissed)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Warn("which notifications were dismissed is not known any more", "err", err)
	}
	if n.dismissed == nil {
		n.dismissed = map[string]string{}
	}
	n.kept = string(text)
}

// keep writes down what has been dismissed.
func (n *notices) keep(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := json.Marshal(n.dismissed)
	if err != nil || n.store == nil || string(text) == n.kept || n.kept == "" && len(n.dismissed) == 0 {
		return
	}
	if err := n.store.SetState(ctx, "", dismissedKey, text); err != nil {
		if ctx.Err() == nil {
			n.log.Warn("which notifications were dismissed could not be kept", "err", err)
		}
		return
	}
	n.kept = string(text)
}

func newNotices(b board, log *slog.Logger) *notices {
	return &notices{board: b, log: log, wake: make(chan struct{}, 1), want: map[string]notice{}, shown: map[string]notice{}, dismissed: map[string]string{}}
}

// set says what should be shown under id.
func (n *notices) set(id string, w notice) {
	n.mu.Lock()
	old, known := n.want[id]
	n.want[id] = w
	n.mu.Unlock()
	if !known || old != w {
		n.nudge()
	}
}

func (n *notices) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run shows and takes back until ctx ends.
func (n *notices) run(ctx context.Context) {
	pause := askFirst
	for ctx.Err() == nil {
		var again <-chan time.Time
		done := n.apply(ctx)
		n.keep(ctx)
		if done {
			pause = askFirst
		} else {
			again = time.After(pause)
			pause = min(2*pause, askMost)
		}
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-again:
		}
	}
}

// apply brings Home Assistant to what is wanted, and reports whether it is there.
func (n *notices) apply(ctx context.Context) bool {
	n.mu.Lock()
	want := maps.Clone(n.want)
	n.mu.Unlock()
	all := true
	for _, id := range slices.Sorted(maps.Keys(want)) {
		w := want[id]
		if !n.due(id, w) {
			continue
		}
		var err error
		if w.text == "" {
			err = n.board.Dismiss(ctx, id)
		} else {
			err = n.board.Notify(ctx, supervisor.Notice{ID: id, Title: "Fitbit Fetch", Message: w.text})
		}
		if err != nil {
			if ctx.Err() == nil {
				n.log.Debug("Home Assistant does not take the notification yet; it is tried again", "err", err)
			}
			all = false
			continue
		}
		n.mu.Lock()
		n.shown[id] = w
		delete(n.dismissed, id)
		n.mu.Unlock()
	}
	return all
}

// due reports whether Home Assistant has to be asked for w.
func (n *notices) due(id string, w notice) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	was, known := n.shown[id]
	matter, gone := n.dismissed[id]
	switch {
	case w.text == "":
		return !known || was.text != ""
	case gone && matter == w.matter:
		return false
	case known && was.matter == w.matter && was.text != w.text:
		return n.listening // other words for the same must not bring back what was dismissed unheard
	}
	return !known || was != w
}

// watch listens to what becomes of the notifications, over as many connections as it takes.
func (n *notices) watch(ctx context.Context) {
	pause := askFirst
	for ctx.Err() == nil {
		err := n.board.WatchNotices(ctx, func(c supervisor.NoticeChange) {
			pause = askFirst
			n.heard(c)
		})
		n.mu.Lock()
		n.listening = false
		n.mu.Unlock()
		if ctx.Err() == nil {
			n.log.Debug("Home Assistant's notifications are not heard of; it is tried again", "err", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, askMost)
	}
}

// heard takes in a change.
func (n *notices) heard(c supervisor.NoticeChange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.nudge()
	switch c.Kind {
	case supervisor.NoticesCurrent:
		n.listening = true
		n.began.fire()
		for id, was := range n.shown {
			if _, gone := n.dismissed[id]; was.text != "" && !gone && !slices.Contains(c.IDs, id) {
				delete(n.shown, id) // lost in a restart
			}
		}
	case supervisor.NoticesRemoved:
		for _, id := range c.IDs {
			if was := n.shown[id]; was.text != "" {
				n.dismissed[id] = was.matter
			}
		}
	case supervisor.NoticesAdded, supervisor.NoticesUpdated:
		for _, id := range c.IDs {
			delete(n.dismissed, id)
		}
	}
}
