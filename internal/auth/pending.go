package auth

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
)

const (
	pendingLife = 10 * time.Minute // a consent that takes longer is begun anew
	pendingMost = 8                // attempts kept: pages that were opened again
)

// attempt is one visit to the consent page that has not come back yet.
type attempt struct {
	State    string          `json:"state"`
	Verifier string          `json:"verifier"`
	Client   string          `json:"client"`
	Redirect string          `json:"redirect"`
	Created  time.Time       `json:"created"`
	Code     string          `json:"code,omitempty"`  // once exchanged; or the refresh token that was brought instead
	Token    json.RawMessage `json:"token,omitempty"` // what it brought, until the account could be checked
}

func (a attempt) alive(now time.Time) bool {
	age := now.Sub(a.Created)
	return age < pendingLife && age > -pendingLife
}

// attempts is the file that page and command line share, so that what one began the other can finish. It is a secret: 0600.
type attempts struct {
	path string
	mu   sync.Mutex
}

// errUnknownState: the address belongs to an attempt that is not ours, or so old that it is forgotten.
var errUnknownState = errors.New("no such attempt")

// begin adds an attempt.
func (p *attempts) begin(a attempt, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.load()
	kept := []attempt{a}
	for _, old := range list {
		// Those that ran out lately are kept to tell "too old" from "not ours".
		if len(kept) < pendingMost && now.Sub(old.Created).Abs() < 24*time.Hour {
			kept = append(kept, old)
		}
	}
	return p.save(kept)
}

// ready proves that an attempt could be saved, before a token is used up that only its answer replaces.
func (p *attempts) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.save(p.load())
}

// find returns the attempt with that state; without a state the one that has brought a token for that code, else the newest of
// this client that is alive.
func (p *attempts) find(state, code, client string, now time.Time) (attempt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.load() {
		switch {
		case state != "" && subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) == 1:
			return a, nil
		case state == "" && a.Code != "" && a.Code == code:
			return a, nil
		case state == "" && a.Code == "" && a.Client == client && a.alive(now):
			return a, nil
		}
	}
	return attempt{}, errUnknownState
}

// update replaces the attempt with the same state.
func (p *attempts) update(a attempt) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.load()
	for i := range list {
		if list[i].State == a.State {
			list[i] = a
		}
	}
	return p.save(list)
}

// clear forgets all attempts, once one has come back.
func (p *attempts) clear() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the attempt: %w", err)
	}
	return nil
}

// load returns no attempts where the file cannot be read: they live ten minutes, and beginning anew is one click.
func (p *attempts) load() []attempt {
	data, err := readLimited(p.path)
	if err != nil {
		return nil
	}
	var list []attempt
	if json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

func (p *attempts) save(list []attempt) error {
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return fmt.Errorf("saving the attempt: %w", err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return errors.New("saving the attempt: a time is out of range")
	}
	if err := atomicfile.Write(p.path, data, 0o600); err != nil {
		return fmt.Errorf("saving the attempt: %w", err)
	}
	return nil
}
