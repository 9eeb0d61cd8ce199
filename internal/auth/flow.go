package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// FlowConfig is what a Flow needs.
type FlowConfig struct {
	Client Client
	Tokens *TokenSource // where a new authorization goes

	// Known returns the account whose data the archive holds; empty for none yet. Nil where there is no archive.
	Known func(ctx context.Context) (string, error)
	// Identity asks the service whose access token this is. Nil where the service cannot tell.
	Identity func(ctx context.Context, access string) (string, error)

	Now func() time.Time
	Log *slog.Logger
}

// A Flow leads one person through an authorization. What is begun is kept beside the token file for ten minutes, so that the page
// and the command line can finish what the other began, and a restart between the two does no harm.
type Flow struct {
	cfg     FlowConfig
	pending attempts
}

// NewFlow returns a flow; nothing is asked yet.
func NewFlow(cfg FlowConfig) *Flow {
	return &Flow{cfg: cfg, pending: attempts{path: pendingPath(cfg.Tokens.cfg.File.Path())}}
}

func pendingPath(token string) string {
	return filepath.Join(filepath.Dir(token), "."+filepath.Base(token)+".pending")
}

// A Visit is where to send the person.
type Visit struct {
	URL     string    // the consent page
	Expires time.Time // begin anew after this
}

// Begin returns the address of the consent page.
func (f *Flow) Begin() (Visit, error) {
	c := f.cfg.Client
	if c.ID == "" {
		return Visit{}, &source.Error{Kind: source.Auth, Reason: "no_client", Err: errors.New("there is no client id"),
			Hint: "Give client id and client secret on the page or in the options first."}
	}
	a := attempt{State: rand.Text(), Verifier: oauth2.GenerateVerifier(), Client: c.ID, Redirect: c.Redirect, Created: f.cfg.Now()}
	if err := f.pending.begin(a, a.Created); err != nil {
		return Visit{}, err
	}
	opts := append(c.Provider.options(), oauth2.S256ChallengeOption(a.Verifier))
	return Visit{URL: c.oauth().AuthCodeURL(a.State, opts...), Expires: a.Created.Add(pendingLife)}, nil
}

// A Grant is what an authorization brought.
type Grant struct {
	Account        string // masked
	Granted        []Scope
	Missing        []Scope
	RefreshExpires time.Time     // zero where no end is known
	Words          []string      // all of it in sentences, in order
	Trouble        *source.Error // why the account could not be asked for; nil where it could
}

// Finish takes what the person brings back: the whole address, only the code, or a refresh token. newPerson lets an authorization
// for another account pass than the archive holds. Its errors are *source.Error, or ctx's.
func (f *Flow) Finish(ctx context.Context, in string, newPerson bool) (Grant, error) {
	p, err := f.cfg.Client.parse(in)
	if err != nil {
		return Grant{}, err
	}
	if p.refresh != "" {
		return f.UseRefreshToken(ctx, p.refresh, newPerson)
	}
	a, err := f.pending.find(p.state, p.code, f.cfg.Client.ID, f.cfg.Now())
	if err != nil {
		return Grant{}, f.noAttempt(p)
	}
	if !a.alive(f.cfg.Now()) {
		return Grant{}, &source.Error{Kind: source.Auth, Reason: "expired", Err: fmt.Errorf("this attempt was begun more than %d minutes ago", int(pendingLife.Minutes())),
			Hint: "Begin again and come back within that time."}
	}
	tok, err := f.exchange(ctx, a, p.code)
	if err != nil {
		return Grant{}, err
	}
	return f.accept(ctx, tok, newPerson)
}

func (f *Flow) noAttempt(p pasted) error {
	e := &source.Error{Kind: source.Auth, Reason: "state", Err: errors.New("this address belongs to another attempt"),
		Hint: "Begin again, and use only the newest link. If an authorization has succeeded meanwhile, nothing is to be done."}
	if p.state == "" {
		e.Reason, e.Err = "not_begun", errors.New("no attempt is open that this code could belong to")
	}
	return e
}

// exchange turns the code into a token, which is on disk before anything is done with it: when the check of the account fails for
// the moment, the same address can be pasted again.
func (f *Flow) exchange(ctx context.Context, a attempt, code string) (Token, error) {
	if a.Code == code && len(a.Token) > 0 {
		return decodeToken(a.Token)
	}
	c := f.cfg.Client
	c.Redirect = a.Redirect
	if a.Client != c.ID {
		return Token{}, &source.Error{Kind: source.Auth, Reason: "client_changed", Err: errors.New("the client id was changed since this attempt was begun"), Hint: "Begin again."}
	}
	tok, err := c.exchange(ctx, code, a.Verifier, f.cfg.Now)
	if err != nil {
		return Token{}, f.exchangeFailed(err)
	}
	if tok.Refresh == "" {
		return Token{}, &source.Error{Kind: source.Auth, Reason: "no_refresh_token", Err: errors.New("the service gave no refresh token"),
			Hint: "Take the program's right back at " + c.Provider.Cures.Disconn + ", then authorize again with the link from here."}
	}
	a.Code = code
	if a.Token, err = encodeToken(tok); err != nil {
		return Token{}, err
	}
	return tok, f.pending.update(a)
}

func (f *Flow) exchangeFailed(err error) error {
	var e *source.Error
	if errors.As(err, &e) && e.Reason == "invalid_grant" {
		e.Hint = "A code can be used once, within minutes, and only by the attempt it was made for: begin again and paste the new address at once."
	}
	return err
}

// UseRefreshToken takes over a refresh token from elsewhere, after it has proved that it works.
func (f *Flow) UseRefreshToken(ctx context.Context, refresh string, newPerson bool) (Grant, error) {
	refresh = strings.TrimSpace(refresh)
	if refresh == "" || checkToken(refresh) != nil {
		return Grant{}, mistake("this is no refresh token", "Paste it whole and nothing else.")
	}
	tok, err := f.prove(ctx, refresh)
	if err != nil {
		return Grant{}, err
	}
	return f.accept(ctx, tok, newPerson)
}

// prove refreshes. The service may have made the old refresh token void by that, so the answer is on disk before it is used.
func (f *Flow) prove(ctx context.Context, refresh string) (Token, error) {
	now := f.cfg.Now()
	if a, err := f.pending.find("", refresh, "", now); err == nil {
		return decodeToken(a.Token)
	}
	if err := f.pending.ready(); err != nil {
		return Token{}, &source.Error{Kind: source.Retry, Reason: "token_not_saved", Err: err, Hint: "The folder of the token file must be writable and its disk must have room. The refresh token has not been used; give it again."}
	}
	tok, err := f.cfg.Client.refresh(ctx, Token{Refresh: refresh, Authorized: now}, f.cfg.Now)
	if err != nil {
		var e *source.Error
		if errors.As(err, &e) && e.Reason == "invalid_grant" {
			e.Hint = "The refresh token is not accepted: it ended, was taken back, or was made with another client id than the one in the options."
		}
		return Token{}, err
	}
	a := attempt{State: rand.Text(), Code: refresh, Client: f.cfg.Client.ID, Created: now}
	if a.Token, err = encodeToken(tok); err != nil {
		return Token{}, err
	}
	return tok, f.pending.begin(a, now)
}

// accept checks whose authorization it is, and stores it.
func (f *Flow) accept(ctx context.Context, tok Token, newPerson bool) (Grant, error) {
	account, trouble, err := f.identify(ctx, tok, newPerson)
	if err != nil {
		return Grant{}, err
	}
	tok.Account = account
	if err := f.cfg.Tokens.Reauthorize(tok); err != nil {
		return Grant{}, &source.Error{Kind: source.Retry, Reason: "token_not_saved", Err: err, Hint: "The folder of the token file must be writable and its disk must have room. Then paste the same address again."}
	}
	if err := f.pending.clear(); err != nil {
		f.cfg.Log.Warn("the finished attempt stays on disk until it runs out", "error", err)
	}
	g := f.grant(tok)
	if trouble != nil {
		g.Words = append(g.Words, "Authorized, but the service did not tell the account: "+advice(trouble))
		if !errors.As(trouble, &g.Trouble) {
			g.Trouble = &source.Error{Kind: source.Retry, Err: trouble}
		}
	}
	return g, nil
}

// identify returns the account, or refuses another one than the archive holds. While nothing is known that could be mixed up, a
// service that does not tell (its API may not be enabled yet) is no reason to refuse: that is trouble, but no error.
func (f *Flow) identify(ctx context.Context, tok Token, newPerson bool) (account string, trouble, err error) {
	var known string
	if f.cfg.Known != nil {
		if known, err = f.cfg.Known(ctx); err != nil {
			return "", nil, fmt.Errorf("reading whose data the archive holds: %w", err)
		}
	}
	if f.cfg.Identity == nil {
		return tok.Account, nil, nil
	}
	account, err = f.cfg.Identity(ctx, tok.Access)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", nil, ctx.Err()
	case err != nil && (known == "" || newPerson):
		f.cfg.Log.Warn("the account could not be asked for", "error", err)
		return "", err, nil
	case err != nil:
		return "", nil, unidentified(err)
	case newPerson:
		return account, nil, nil
	}
	return account, nil, CheckAccount(known, account)
}

func unidentified(err error) error {
	e := source.Error{Kind: source.Retry}
	var answer *source.Error
	if errors.As(err, &answer) {
		e = *answer
	}
	e.Err = fmt.Errorf("asking whose authorization this is: %w", err)
	e.Hint = strings.TrimSpace(e.Hint + " Then paste the same address again.")
	return &e
}

func advice(err error) string {
	var e *source.Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Hint
	}
	return "it is asked again later."
}

// CheckAccount refuses an account that is not the one whose data the archive holds; known is empty while it holds none.
func CheckAccount(known, account string) error {
	if known == "" || known == account {
		return nil
	}
	return &source.Error{Kind: source.Auth, Reason: "other_account",
		Err:  fmt.Errorf("the archive holds the data of account %s, but this authorization is for account %s", metric.Mask(known), metric.Mask(account)),
		Hint: "Choose the right account on the consent page (a private window helps), or say that this is a new person."}
}

// grant tells what an authorization brought.
func (f *Flow) grant(tok Token) Grant {
	p := f.cfg.Client.Provider
	g := Grant{Account: metric.Mask(tok.Account), RefreshExpires: tok.RefreshExpires}
	g.Words = append(g.Words, fmt.Sprintf("Authorized at %s, account %s.", p.Title, g.Account))
	if tok.Scopes != nil {
		g.Granted, g.Missing = p.Split(tok.Scopes)
	} else {
		g.Words = append(g.Words, p.Title+" did not say which rights it granted; a missing one will show when its data is asked for.")
	}
	for _, s := range g.Granted {
		g.Words = append(g.Words, fmt.Sprintf("Granted: %s (%s).", s.Short(), s.Unlocks))
	}
	for _, s := range g.Missing {
		g.Words = append(g.Words, fmt.Sprintf("Missing: %s. Without it there is no data on: %s. To grant it, authorize again and leave its box ticked.", s.Short(), s.Unlocks))
	}
	if !tok.RefreshExpires.IsZero() {
		st := judge(p, tok, f.cfg.Now())
		g.Words = append(g.Words, st.Text+" "+st.Hint)
	}
	return g
}

// Revoke takes the right back at the service and deletes the token. Where the service cannot be reached, the token stays.
func (f *Flow) Revoke(ctx context.Context) error {
	tok := f.cfg.Tokens.Snapshot()
	secret := tok.Refresh
	if secret == "" {
		secret = tok.Access
	}
	if secret != "" {
		if err := f.cfg.Client.revoke(ctx, secret, f.cfg.Now()); err != nil {
			var e *source.Error
			if errors.As(err, &e) {
				e.Hint = "The authorization is still there. Try again, or take it back at " + f.cfg.Client.Provider.Cures.Disconn + " and delete the token file."
			}
			return err
		}
	}
	return errors.Join(f.cfg.Tokens.Forget(), f.pending.clear())
}
