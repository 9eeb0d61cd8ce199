package deliver

import (
	"errors"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Status is how delivery to a sink stands.
type Status struct {
	Sink    string
	Working bool            // the last attempt succeeded
	Behind  archive.Backlog // as of the last failure, and zero when all was delivered
	Error   string          // of the last failure, empty while working
	Hint    string          // what the user can do about it
	Since   time.Time       // of the first failure in a row
	Retry   time.Time       // when it is tried again
	Success time.Time       // the last time all went well
	Emptied time.Time       // when the database was last found emptied
	Written int64           // samples since the start
	Rate    float64         // samples per second while delivering, over the last half minute or so
	Refused int64           // samples or fields in quarantine since the start
	Refusal sink.Rejection  // the latest
}

// board keeps the status; the loop writes, anybody reads.
type board struct {
	mu   sync.Mutex
	now  Status
	hook func(Status)

	trouble  string    // what tells a failure from another
	window   time.Time // since when inWindow counts
	inWindow int
}

// Status returns how delivery stands.
func (d *Deliverer) Status() Status {
	d.status.mu.Lock()
	defer d.status.mu.Unlock()
	return d.status.now
}

func (b *board) change(fn func(s *Status)) {
	b.mu.Lock()
	fn(&b.now)
	s := b.now
	b.mu.Unlock()
	if b.hook != nil {
		b.hook(s)
	}
}

// out reports whether the last attempt failed.
func (b *board) out() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.Error != ""
}

// wrote counts samples that are in.
func (b *board) wrote(now time.Time, n int) {
	b.change(func(s *Status) {
		s.Working, s.Error, s.Hint, s.Since, s.Retry = true, "", "", time.Time{}, time.Time{}
		s.Success = now
		s.Written += int64(n)
		b.inWindow += n
		switch past := now.Sub(b.window); {
		case b.window.IsZero() || past > time.Minute: // it rested between
			b.window, b.inWindow = now, 0
		case past > 0:
			s.Rate = float64(b.inWindow) / past.Seconds()
			if past > 30*time.Second {
				b.window, b.inWindow = now, 0
			}
		}
	})
}

// idle says that nothing is due.
func (b *board) idle(now time.Time) {
	b.change(func(s *Status) {
		s.Working, s.Error, s.Hint, s.Since, s.Retry = true, "", "", time.Time{}, time.Time{}
		s.Success = now
		s.Behind = archive.Backlog{}
		s.Rate = 0
		b.window = time.Time{}
	})
}

// news reports whether a failure is another than the one that stands there.
func (b *board) news(err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.Error == "" || b.trouble != troubleOf(err)
}

// failed notes a failure.
func (b *board) failed(now time.Time, err error, hint string, retry time.Time) {
	b.change(func(s *Status) {
		b.trouble = troubleOf(err)
		if s.Error == "" {
			s.Since = now
		}
		s.Working, s.Error, s.Hint, s.Retry, s.Rate = false, err.Error(), hint, retry, 0
	})
}

// troubleOf is what tells a failure from another.
func troubleOf(err error) string {
	if e := (*sink.Error)(nil); errors.As(err, &e) && e.Status == 0 && e.Hint != "" {
		return e.Hint // a sink that is away breaks a connection first and then refuses new ones: one trouble in several words
	}
	return err.Error()
}

func (b *board) behind(l archive.Backlog) { b.change(func(s *Status) { s.Behind = l }) }
func (b *board) emptied(now time.Time)    { b.change(func(s *Status) { s.Emptied = now }) }

func (b *board) refuse(r sink.Rejection) {
	b.change(func(s *Status) {
		s.Refused += int64(r.Count)
		s.Refusal = r
	})
}
