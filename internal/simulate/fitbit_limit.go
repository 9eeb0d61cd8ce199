package simulate

import (
	"net/http"
	"strconv"
	"time"
)

// fitbitWindow is one hour of one person at one app.
type fitbitWindow struct {
	end  time.Time
	used int
}

// count holds the limit per person and app, and writes the headers that tell of it. Every answered request counts, failed ones too.
func (f *Fitbit) count(h http.Header, c *fitbitCall) *fitbitError {
	if f.cfg.NoLimit {
		return nil
	}
	f.counting.Lock()
	defer f.counting.Unlock()
	owner := fitbitOwner{c.p, c.grant.app.ID}
	w := f.windows[owner]
	if w == nil || !c.now.Before(w.end) {
		w = &fitbitWindow{end: c.now.Add(time.Hour)}
		if f.cfg.FullHours {
			w.end = c.now.Truncate(time.Hour).Add(time.Hour)
		}
		f.windows[owner] = w
	}
	w.used++
	over := w.used > f.cfg.PerHour
	left := 0
	if !over {
		left = f.cfg.PerHour - max(0, w.used-f.cfg.Lag)
	}
	h.Set("Fitbit-Rate-Limit-Limit", strconv.Itoa(f.cfg.PerHour))
	h.Set("Fitbit-Rate-Limit-Remaining", strconv.Itoa(left))
	if !over || !f.cfg.NoReset {
		h.Set("Fitbit-Rate-Limit-Reset", strconv.Itoa(int((w.end.Sub(c.now)+time.Second-1)/time.Second)))
	}
	if !over {
		return nil
	}
	if f.cfg.RetryAfter != "" {
		h.Set("Retry-After", f.cfg.RetryAfter)
	}
	if f.cfg.GoogleErrors {
		return googleErr(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
	}
	return fitbitErr(http.StatusTooManyRequests, "system", "n/a", "Too Many Requests")
}
