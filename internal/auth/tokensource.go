package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const (
	ahead       = 5 * time.Minute  // an access token is renewed so long before its end
	firstPause  = 2 * time.Second  // after a failed refresh; doubled each time
	longPause   = 10 * time.Minute // but not longer than this
	forcedPause = time.Minute      // a fresh token that is refused is not renewed again within this
	look        = 10 * time.Second // how often Run looks at the token file
)

// Config is what a TokenSource needs.
type Config struct {
	Client Client
	File   *File
	Now    func() time.Time
	Log    *slog.Logger
}

// A TokenSource hands out one person's access token and renews it ahead of its end, once however many ask. A new token is on disk
// before it is first used. Once the service has rejected the authorization nothing more is asked of it until the person has
// authorized again, here (Reauthorize) or in another process (the token file changes).
type TokenSource struct {
	cfg Config

	ctx    context.Context // of refreshes: they outlive the request that needed them
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	tok      Token
	version  int           // grows with every authorization from outside
	unsaved  bool          // tok is not on disk yet and may not be used
	rejected *source.Error // the latch
	call     *call         // the refresh in flight
	failed   failure
	changed  chan struct{}
	warned   time.Duration // the last warning given, see Due
}

type call struct {
	done chan struct{}
	err  error // read after done
}

// failure is the pause after refreshes that failed.
type failure struct {
	until time.Time
	pause time.Duration
	err   error
}

// New reads the token file and returns its source. What was mended in the file is told in the log.
// The error means that the disk refuses; the file then stays as it is.
func New(cfg Config) (*TokenSource, error) {
	s := &TokenSource{cfg: cfg, changed: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	loaded, err := cfg.File.Load(cfg.Now())
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("loading the authorization: %w", err)
	}
	for _, line := range loaded.Report {
		cfg.Log.Warn("token file", "finding", line)
	}
	s.adopt(loaded.Token)
	return s, nil
}

// Token returns an access token that is good for the next minutes. Its errors are *source.Error or ctx's.
func (s *TokenSource) Token(ctx context.Context) (string, error) {
	return s.token(ctx, "")
}

// Renew returns another access token than refused, which the service did not accept. Where refused is a fresh one, it returns
// refused again: renewing would not help.
func (s *TokenSource) Renew(ctx context.Context, refused string) (string, error) {
	return s.token(ctx, refused)
}

func (s *TokenSource) token(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	now := s.cfg.Now()
	if s.rejected != nil || s.tok.Empty() {
		s.takeOverLocked()
	}
	if err := s.refusalLocked(); err != nil {
		s.mu.Unlock()
		return "", err
	}
	force := refused != "" && refused == s.tok.Access
	if force && now.Sub(s.tok.SavedAt).Abs() < forcedPause {
		s.mu.Unlock()
		return refused, nil
	}
	if !force && s.freshLocked(now) {
		defer s.mu.Unlock()
		return s.tok.Access, nil
	}
	if err := s.pausedLocked(now); err != nil {
		defer s.mu.Unlock()
		return s.lastResortLocked(now, refused, err)
	}
	c := s.startLocked()
	s.mu.Unlock()

	select {
	case <-c.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.err != nil {
		return s.lastResortLocked(s.cfg.Now(), refused, c.err)
	}
	return s.tok.Access, s.refusalLocked()
}

// tooFresh is the error of a request whose token the service refused within a minute of its making.
func (s *TokenSource) tooFresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &source.Error{Kind: source.Retry, Status: http.StatusUnauthorized, Reason: "fresh_token_refused", Until: s.cfg.Now().Add(forcedPause),
		Err:  errors.New("the service refused an access token that it gave within the last minute"),
		Hint: "Another one is asked for in a minute; if that is refused, too, you are asked to authorize again."}
}

// refusalLocked is why nothing can be handed out at all.
func (s *TokenSource) refusalLocked() error {
	switch {
	case s.rejected != nil:
		return own(s.rejected)
	case s.tok.Empty():
		return &source.Error{Kind: source.Auth, Reason: "not_authorized", Err: errors.New("there is no authorization yet"),
			Hint: "Authorize on the page or with: fitbit-fetch authorize"}
	case s.othersLocked():
		text, hint := s.others()
		return &source.Error{Kind: source.Auth, Reason: "other_provider", Err: errors.New(text), Hint: hint}
	}
	return nil
}

// othersLocked reports whether the token is for another service: then there is none for this one.
func (s *TokenSource) othersLocked() bool {
	return s.tok.Provider != "" && s.tok.Provider != s.cfg.Client.Provider.Name
}

// others says whose token it is, and what to do.
func (s *TokenSource) others() (text, hint string) {
	name, file, here := short(s.tok.Provider, 20), filepath.Base(s.cfg.File.Path()), s.cfg.Client.Provider
	hint = fmt.Sprintf("Authorize at %s on the page or with: fitbit-fetch authorize", here.Title)
	if title(name) != "" {
		hint += fmt.Sprintf("; what is in the file now is kept as %s.%s. To stay with %s, set provider (HEALTH_API_PROVIDER) to %s.", file, name, title(name), name)
	}
	return fmt.Sprintf("The token file %s is for %s, but the provider is %s.", file, cmp.Or(title(name), name), here.Name), hint
}

// freshLocked reports whether the access token needs no renewal yet.
func (s *TokenSource) freshLocked(now time.Time) bool {
	early := ahead
	if life := s.tok.life(); life > 0 {
		early = min(early, life/10)
	}
	return s.usableLocked(now.Add(early))
}

// usableLocked reports whether the access token may be used at t.
func (s *TokenSource) usableLocked(t time.Time) bool {
	return s.tok.Access != "" && !s.unsaved && t.Before(s.tok.Expiry)
}

// pausedLocked returns the last failure while it is too early to try again. A pause longer than any we make means that the clock
// was set back.
func (s *TokenSource) pausedLocked(now time.Time) error {
	if wait := s.failed.until.Sub(now); wait > 0 && wait <= 24*time.Hour {
		return s.failed.err
	}
	return nil
}

// lastResortLocked hands out the old access token while it lives, although it could not be renewed.
func (s *TokenSource) lastResortLocked(now time.Time, refused string, err error) (string, error) {
	if s.rejected == nil && s.usableLocked(now) && s.tok.Access != refused {
		return s.tok.Access, nil
	}
	return "", own(err)
}

// own returns a copy of an error that several callers get, for each may complete it.
func own(err error) error {
	var e *source.Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	return &c
}

// startLocked joins the refresh in flight or starts one.
func (s *TokenSource) startLocked() *call {
	if s.call != nil {
		return s.call
	}
	c := &call{done: make(chan struct{})}
	s.call = c
	s.tasks.Go(func() { s.refresh(c) })
	return c
}

// refresh renews the token and saves it. It runs on whoever waits for it: an answer that was received is saved, always.
func (s *TokenSource) refresh(c *call) {
	s.mu.Lock()
	defer close(c.done)
	defer s.mu.Unlock()
	defer func() { s.call = nil }()
	if s.unsaved {
		c.err = s.saveLocked(s.tok, true)
		return
	}
	if s.takeOverLocked() && (s.freshLocked(s.cfg.Now()) || s.refusalLocked() != nil) {
		return // another process has renewed it, or taken it back
	}
	old, version := s.tok, s.version
	if old.Refresh == "" {
		c.err = s.rejectLocked(&source.Error{Kind: source.Auth, Reason: "no_refresh_token", Err: errors.New("the token file holds no refresh token"),
			Hint: s.cfg.Client.Provider.Cures.Ended})
		return
	}
	s.mu.Unlock()
	got, err := s.cfg.Client.refresh(s.ctx, old, s.cfg.Now)
	s.mu.Lock()
	if s.version != version {
		return // authorized again meanwhile: this answer is about the old grant
	}
	if err != nil {
		c.err = s.failLocked(err)
		return
	}
	if s.cfg.File.Changed() && s.takeOverLocked() {
		return
	}
	c.err = s.saveLocked(got, got.Refresh != old.Refresh)
}

// saveLocked puts a renewed token on disk and then to use. One whose refresh token is a new one may not be used before; any other
// may, since the file on disk still leads to the next.
func (s *TokenSource) saveLocked(t Token, rotated bool) error {
	err := s.cfg.File.Save(t, s.cfg.Now())
	s.tok, s.unsaved = t, err != nil && rotated
	if err == nil {
		if s.failed.err != nil {
			s.cfg.Log.Info("the access token is renewed again")
		}
		s.failed = failure{}
		s.cfg.Log.Debug("access token renewed", "token", t)
		return nil
	}
	s.cfg.Log.Error("the renewed token could not be saved", "error", err)
	if !rotated {
		s.failed = failure{}
		return nil
	}
	return s.failLocked(&source.Error{Kind: source.Retry, Reason: "token_not_saved", Err: err,
		Hint: "The folder of the token file must be writable and its disk must have room. The renewed token is kept in memory and saved as soon as that works."})
}

// failLocked remembers a failure: for good where the person must act, for a growing pause otherwise.
func (s *TokenSource) failLocked(err error) error {
	var e *source.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Kind == source.Auth || e.Kind == source.Gone {
		return s.rejectLocked(e)
	}
	pause := min(max(2*s.failed.pause, firstPause), longPause)
	until := s.cfg.Now().Add(pause)
	if e.Until.After(until) {
		until = e.Until
	}
	e.Until = until
	s.failed = failure{until: until, pause: pause, err: e}
	s.cfg.Log.Warn("the access token could not be renewed", "error", e, "hint", e.Hint, "next", until)
	return e
}

func (s *TokenSource) rejectLocked(e *source.Error) error {
	if e.Reason == "invalid_grant" && !s.tok.RefreshExpires.IsZero() {
		e.Hint = s.cfg.Client.Provider.Cures.SevenDays
	}
	s.rejected = e
	s.cfg.Log.Error("the authorization was rejected; nothing is asked until it is renewed", "error", e, "hint", e.Hint)
	s.notifyLocked()
	return e
}

// Reauthorize stores a new authorization and puts it to use.
func (s *TokenSource) Reauthorize(t Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cfg.File.Save(t, s.cfg.Now()); err != nil {
		return err
	}
	s.cfg.Log.Info("authorized", "token", t)
	s.adopt(t)
	return nil
}

// Forget drops the authorization, here and on disk.
func (s *TokenSource) Forget() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopt(Token{})
	return s.cfg.File.Delete()
}

// adopt begins anew with t.
func (s *TokenSource) adopt(t Token) {
	s.tok, s.unsaved, s.rejected, s.failed, s.warned = t, false, nil, failure{}, 0
	s.version++
	s.notifyLocked()
}

// takeOverLocked adopts what another process put into the token file.
func (s *TokenSource) takeOverLocked() bool {
	if s.unsaved || !s.cfg.File.Changed() {
		return false
	}
	t, err := s.cfg.File.Reload()
	if err != nil {
		s.cfg.Log.Debug("the token file changed and cannot be read yet", "error", err)
		return false
	}
	s.cfg.Log.Info("the token file was changed by another process", "token", t)
	s.adopt(t)
	return true
}

func (s *TokenSource) notifyLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of the authorization: given, rejected, given again, taken back.
func (s *TokenSource) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Snapshot returns the token in use, for those who show its account, scopes and ends.
func (s *TokenSource) Snapshot() Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tok
}

// Close waits for a refresh in flight to be saved. When ctx is done it gives up the request, but not the saving.
func (s *TokenSource) Close(ctx context.Context) {
	done := make(chan struct{})
	go func() { s.tasks.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.cancel()
	<-done
}
