package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Self is this app as Supervisor knows it.
type Self struct {
	Slug         string `json:"slug"` // with the repository's id before it: 1a2b3c4d_fitbit_fetch
	Version      string `json:"version"`
	IngressEntry string `json:"ingress_entry"` // empty without a page
}

// Self asks who we are.
func (c *Client) Self(ctx context.Context) (Self, error) {
	var s Self
	if err := c.data(ctx, "/addons/self/info", &s); err != nil {
		return Self{}, fmt.Errorf("asking Supervisor about this app: %w", err)
	}
	if s.Slug == "" {
		return Self{}, errors.New("asking Supervisor about this app: the answer has no slug")
	}
	return s, nil
}

// Page returns the path of this app's own page in the interface of that version of Home Assistant, for a link in a notification; the
// page of its settings where it has no own. Home Assistant 2026.2 has moved both, and the old paths do not lead there.
func (s Self) Page(version string) string {
	page, settings := "/app/"+s.Slug, "/config/app/"+s.Slug+"/config"
	if before(version, 2026, 2) {
		page, settings = "/hassio/ingress/"+s.Slug, "/hassio/addon/"+s.Slug+"/config"
	}
	if s.IngressEntry == "" {
		return settings
	}
	return page
}

// before reports whether a version such as 2025.12.0 or 2026.2.0b1 is older than a month's; one that cannot be read is not.
func before(version string, year, month int) bool {
	y, rest, _ := strings.Cut(version, ".")
	m, _, _ := strings.Cut(rest, ".")
	a, errYear := strconv.Atoi(y)
	b, errMonth := strconv.Atoi(m)
	return errYear == nil && errMonth == nil && (a < year || a == year && b < month)
}

// Link turns the path of a page into the address that a device may have: Home Assistant takes http, https, and a scheme of its own
// for its own pages, and rejects the whole device for anything else.
func Link(path string) string { return "homeassistant:/" + path }

// Page asks where Home Assistant shows this app's page.
func (c *Client) Page(ctx context.Context) (string, error) {
	self, err := c.Self(ctx)
	if err != nil {
		return "", err
	}
	core, err := c.Core(ctx)
	if err != nil {
		return "", err
	}
	return self.Page(core.Version), nil
}

// How long WatchPage waits between two questions: shortly until it knows, since all start side by side; and then only for a Home
// Assistant that has been updated.
const (
	firstLook = time.Second
	lastLook  = 10 * time.Second
	againLook = 5 * time.Minute
)

// WatchPage tells where Home Assistant shows this app's page, as soon as Supervisor and Home Assistant have said it, and again when
// that changes, until ctx ends. While nobody answers, what was known before stays.
func (c *Client) WatchPage(ctx context.Context, tell func(path string)) {
	last, pause := "", firstLook
	for ctx.Err() == nil {
		path, err := c.Page(ctx)
		wait := pause
		switch {
		case err == nil:
			if path != last {
				tell(path)
			}
			last, wait = path, againLook
		case last != "":
			wait = againLook
		default:
			pause = min(2*pause, lastLook)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
