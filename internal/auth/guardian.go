package auth

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Standing is how an authorization stands.
type Standing uint8

const (
	Missing Standing = iota // never given, or taken back
	Good                    // no end is known
	Ending                  // it dies at State.Ends
	Dead                    // the person must authorize again
)

func (s Standing) String() string { return [...]string{"missing", "ok", "ending", "dead"}[s] }

// State is how the authorization stands now, in words for the page, the log and a notification.
type State struct {
	Standing Standing
	Ends     time.Time // Ending: when the refresh token dies
	Soon     bool      // Ending: it is time to tell the person
	Text     string
	Hint     string // what to do; empty where there is nothing
	Account  string // masked
	Missing  []Scope
}

// State tells how the authorization stands.
func (s *TokenSource) State(now time.Time) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.cfg.Client.Provider
	if s.othersLocked() && s.rejected == nil {
		st := State{Standing: Missing}
		st.Text, st.Hint = s.others()
		return st
	}
	st := judge(p, s.tok, now)
	if err := s.refusalLocked(); err != nil && !s.tok.Empty() {
		st.Standing, st.Ends, st.Soon = Dead, time.Time{}, false
		st.Text = fmt.Sprintf("%s does not accept the authorization any more.", p.Title)
		st.Hint = p.Cures.Ended
		if e := s.rejected; e != nil {
			st.Text, st.Hint = fmt.Sprintf("%s does not accept the authorization any more (%s).", p.Title, e.Reason), e.Hint
		}
	}
	return st
}

// judge is State without what the service said.
func judge(p Provider, t Token, now time.Time) State {
	st := State{Account: metric.Mask(t.Account)}
	if t.Empty() {
		st.Text = fmt.Sprintf("Not authorized at %s yet.", p.Title)
		st.Hint = "Authorize on the page or with: fitbit-fetch authorize"
		return st
	}
	if t.Scopes != nil {
		_, st.Missing = p.Split(t.Scopes)
	}
	if t.RefreshExpires.IsZero() {
		st.Standing, st.Text = Good, fmt.Sprintf("Authorized at %s; no end is known.", p.Title)
		return st
	}
	st.Hint, st.Ends = p.Cures.SevenDays, t.RefreshExpires
	left := t.RefreshExpires.Sub(now)
	if left <= 0 {
		st.Standing, st.Soon = Dead, true
		st.Text = fmt.Sprintf("The authorization at %s ended on %s.", p.Title, stamp(t.RefreshExpires))
		return st
	}
	st.Standing, st.Soon = Ending, left <= warnings[0]
	st.Text = fmt.Sprintf("The authorization at %s ends in %s, on %s.", p.Title, span(left), stamp(t.RefreshExpires))
	return st
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span is a duration in words, rounded down.
func span(d time.Duration) string {
	switch hours := int(d.Hours()); {
	case hours >= 48:
		return fmt.Sprintf("%d days", hours/24)
	case hours >= 2:
		return fmt.Sprintf("%d hours", hours)
	default:
		return fmt.Sprintf("%d minutes", int(math.Ceil(d.Minutes())))
	}
}

// warnings are given so long before the end.
var warnings = [...]time.Duration{72 * time.Hour, 24 * time.Hour, 6 * time.Hour}

// Due decides whether to warn now of an end, given the warning last given (0 for none), and which warning that is. Each is given
// once; those that were slept through are left out.
func Due(end time.Time, last time.Duration, now time.Time) (time.Duration, bool) {
	if end.IsZero() {
		return 0, false
	}
	left, due := end.Sub(now), time.Duration(0)
	for _, w := range warnings {
		if left <= w {
			due = w
		}
	}
	if due == 0 || left <= 0 || (last != 0 && last <= due) {
		return 0, false
	}
	return due, true
}

// Run looks after the authorization until ctx is done: it notices when another process has changed the token file, and warns in
// the log before the refresh token dies. It returns ctx's error.
func (s *TokenSource) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		s.guard()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *TokenSource) guard() {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeOverLocked()
	if s.rejected != nil {
		return
	}
	if w, due := Due(s.tok.RefreshExpires, s.warned, now); due {
		s.warned = w
		st := judge(s.cfg.Client.Provider, s.tok, now)
		s.cfg.Log.Warn(st.Text, "hint", st.Hint)
		s.notifyLocked()
	}
}
