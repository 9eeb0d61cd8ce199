package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// offerVisit logs the address of the consent page in Home Assistant's app, where nobody has a shell.
func (p *person) offerVisit(a *app) {
	if !a.opts.InApp {
		return
	}
	visit, err := p.flow.Begin()
	if err != nil {
		p.log.Warn("the consent page's address cannot be made", "err", err)
		return
	}
	p.log.Warn("to authorize, use the page of this app; or open this address, sign in, and copy the address on which the browser ends into the option authorization_address", "open", visit.URL, "until", visit.Expires)
}

// addressKey is the archive's state that tells which authorization_address has been used, by its hash: it works once.
const addressKey = "authorization_address"

// takeOver uses what the options hold of an authorization, where there is none or it has died: the address that the browser ended
// on; or else, where there is none, a refresh token.
func (p *person) takeOver(ctx context.Context, a *app) error {
	p.taking.Lock()
	defer p.taking.Unlock()
	standing := p.tokens.State(a.clock.Now()).Standing
	if standing != auth.Missing && standing != auth.Dead {
		p.attempts.end(standing, true)
		return nil
	}
	err := p.takeOptions(ctx, a, standing)
	switch now := p.tokens.State(a.clock.Now()).Standing; {
	case now != auth.Missing && now != auth.Dead:
		p.attempts.end(standing, true)
	case err == nil || settled(err):
		p.attempts.end(standing, false)
	}
	return err
}

// How long to wait, in real time, until what the options hold is used again.
const (
	takeFirst = 30 * time.Second
	takeMost  = 10 * time.Minute
)

// settled reports whether trying the same again is of no use: then somebody has to do something.
func settled(err error) bool {
	var e *source.Error
	return !errors.As(err, &e) || e.Kind != source.Retry && e.Kind != source.Limited
}

// takeOptions is takeOver where there is something to take.
func (p *person) takeOptions(ctx context.Context, a *app, standing auth.Standing) error {
	done, err := p.takeAddress(ctx)
	if done || err != nil || standing == auth.Dead {
		return err
	}
	token := p.opts.RefreshToken.Reveal()
	if token == "" {
		return nil
	}
	grant, err := p.flow.UseRefreshToken(ctx, token, false)
	return p.tookOver(grant, err)
}

// takeAddress uses the address of the options, unless it was used before. done means that it has authorized.
func (p *person) takeAddress(ctx context.Context) (done bool, err error) {
	address := p.opts.AuthorizationAddress.Reveal()
	if address == "" {
		return false, nil
	}
	sum := sha256.Sum256([]byte(address))
	mark := hex.EncodeToString(sum[:])
	used, err := p.archive.State(ctx, p.ID, addressKey)
	if err != nil || string(used) == mark {
		return false, err
	}
	grant, err := p.flow.Finish(ctx, address, false)
	if err == nil || spent(err) {
		if kept := p.archive.SetState(ctx, p.ID, addressKey, []byte(mark)); kept != nil {
			p.log.Warn("that the authorization_address was used could not be kept; it is tried once more at the next start", "err", kept)
		}
	}
	return err == nil, p.tookOver(grant, err)
}

// spent reports whether an address cannot work any more, whatever is mended.
func spent(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && slices.Contains([]string{"invalid_grant", "expired", "state", "not_begun", "paste", "access_denied", "no_refresh_token"}, e.Reason)
}

func (p *person) tookOver(grant auth.Grant, err error) error {
	if err != nil {
		return err
	}
	p.log.Info("the authorization in the options was taken over", "account", grant.Account, "missing", len(grant.Missing))
	return nil
}

// watchAuthorization tells the collector when the person has authorized again. For one that has died it uses what the options
// hold, again and again where that cannot be done for the moment, and otherwise says where to go.
func (p *person) watchAuthorization(ctx context.Context, a *app) {
	had, pause := false, takeFirst
	for {
		changed := p.tokens.Changed()
		var again <-chan time.Time
		s := p.tokens.State(a.clock.Now()).Standing
		switch s {
		case auth.Good, auth.Ending:
			pause = takeFirst
			p.attempts.end(s, true)
			select {
			case p.again <- struct{}{}:
			default:
			}
		case auth.Missing:
			if had { // it was taken back: what the options hold is used at the next start
				p.attempts.end(s, false)
			}
		case auth.Dead:
			if err := p.takeOver(ctx, a); err != nil && ctx.Err() == nil {
				p.log.Warn("the authorization has died, and the one in the options is not accepted", "err", err, "hint", hint(err))
				if !settled(err) {
					again = time.After(pause)
					pause = min(2*pause, takeMost)
				}
			}
			if again == nil && p.tokens.State(a.clock.Now()).Standing == auth.Dead {
				p.offerVisit(a)
			}
		}
		had = had || s != auth.Missing
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}
