package simulate

import (
	"strconv"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Person is one simulated life. The exported fields are set before first use and not changed after; all else is computed from
// them, so a Person holds no history: any day can be asked for at once. Methods may be called from many goroutines.
//
// A Person must not be copied once used.
type Person struct {
	ID      string        // the numeric account id; empty for one made from Seed
	Legacy  string        // the id of the old service; empty for one made from Seed
	Seed    uint64        // two seeds are two people
	Zones   metric.Zones  // where the person lives from which day on; empty for UTC
	Start   metric.Day    // the first day of data
	Device  string        // product name of the tracker; empty for "Charge 6"
	NoPhone bool          // no phone that counts steps beside the tracker
	Offline []metric.Span // instants without a sync: the phone is off, or away
	Last    time.Time     // nothing is measured, entered or synced after it; zero for no end
	Rewrite []Rewrite     // nights that the service computes again

	mu    sync.Mutex
	locs  map[string]*time.Location
	minds recent[*minutes]
	beats recent[*beats]
	syncd recent[[]time.Time]
}

// A Rewrite says that the night of Day gets another start and other stages at the instant At, under the same key.
type Rewrite struct {
	Day metric.Day
	At  time.Time
}

// over reports whether an instant lies behind the last one of which anything is known.
func (p *Person) over(t time.Time) bool { return !p.Last.IsZero() && t.After(p.Last) }

// Account returns the person's numeric id.
func (p *Person) Account() string {
	if p.ID != "" {
		return p.ID
	}
	return strconv.FormatUint(1e18+hash(p.Seed, saltKey, -1)%8e18, 10)
}

// LegacyAccount returns the person's id at the old service: six letters and digits.
func (p *Person) LegacyAccount() string {
	if p.Legacy != "" {
		return p.Legacy
	}
	const letters = "23456789BCDFGHJKLMNPQRSTVWXYZ"
	h := hash(p.Seed, saltKey, -2)
	b := make([]byte, 6)
	for i := range b {
		b[i] = letters[h%uint64(len(letters))]
		h /= uint64(len(letters))
	}
	return string(b)
}

// Tracker returns the product name of the tracker.
func (p *Person) Tracker() string {
	if p.Device == "" {
		return "Charge 6"
	}
	return p.Device
}

func (p *Person) random(d metric.Day, salt uint64) random {
	return random{hash(p.Seed, salt, int64(d))}
}

// Zone returns where the person lives on that day.
func (p *Person) Zone(d metric.Day) *time.Location {
	name := "UTC"
	for i, e := range p.Zones {
		if i == 0 || e.From <= d {
			name = e.Name
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if loc, ok := p.locs[name]; ok {
		return loc
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC
	}
	if p.locs == nil {
		p.locs = map[string]*time.Location{}
	}
	p.locs[name] = loc
	return loc
}

// Midnight returns the instant at which that day begins for the person: the same as p.Zones.Midnight.
func (p *Person) Midnight(d metric.Day) time.Time { return d.In(p.Zone(d)).UTC() }

// Day returns the person's calendar day at t.
func (p *Person) Day(t time.Time) metric.Day {
	d := metric.DayOf(t.In(p.Zone(metric.DayOf(t.UTC()))))
	for p.Midnight(d).After(t) {
		d--
	}
	for !p.Midnight(d + 1).After(t) {
		d++
	}
	return d
}

// DaySpan returns the instants of that day. A journey to the west makes it longer than a day of the clock, one to the east shorter.
func (p *Person) DaySpan(d metric.Day) metric.Span {
	return metric.Span{Start: p.Midnight(d), End: p.Midnight(d + 1)}
}

// Offset returns the seconds east of UTC on the person's clock at t. On a journey the clock is set when the old or the new day
// begins, whichever comes first, so that every instant of a DaySpan carries that day's date.
func (p *Person) Offset(t time.Time) int {
	d := p.Day(t)
	if in, next := p.Zone(d), p.Zone(d+1); in != next && !(d + 1).In(in).After(t) {
		_, off := t.In(next).Zone() // the old day is over, the new has not begun: the clock was set back
		return off
	}
	_, off := t.In(p.Zone(d)).Zone()
	return off
}

// clock returns the instant at which the person's clock shows that many minutes after midnight of day d; minutes may be negative
// or above 1440. In a gap of the clocks it is the instant an hour on.
func (p *Person) clock(d metric.Day, minutes int) time.Time {
	y, m, day := d.Civil().Date()
	return time.Date(y, m, day, 0, minutes, 0, 0, p.Zone(d)).UTC()
}

// key makes a stable numeric key for the nth session of a kind on a day.
func (p *Person) key(salt uint64, d metric.Day, n int) string {
	return strconv.FormatUint(1e18+hash(p.Seed, saltKey+salt<<8, int64(d)*16+int64(n))%8e18, 10)
}

// recent keeps the last few values computed, by day.
type recent[T any] struct {
	days []metric.Day
	vals []T
}

func (r *recent[T]) get(d metric.Day) (v T, ok bool) {
	for i := len(r.days) - 1; i >= 0; i-- {
		if r.days[i] == d {
			return r.vals[i], true
		}
	}
	return v, false
}

func (r *recent[T]) put(d metric.Day, v T, keep int) {
	if len(r.days) >= keep {
		r.days, r.vals = append(r.days[:0], r.days[1:]...), append(r.vals[:0], r.vals[1:]...)
	}
	r.days, r.vals = append(r.days, d), append(r.vals, v)
}

// cached answers from r or computes: two goroutines may compute the same, with the same result.
func cached[T any](p *Person, r *recent[T], d metric.Day, keep int, compute func(metric.Day) T) T {
	p.mu.Lock()
	v, ok := r.get(d)
	p.mu.Unlock()
	if ok {
		return v
	}
	v = compute(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	if held, ok := r.get(d); ok {
		return held
	}
	r.put(d, v, keep)
	return v
}
