package simulate

import (
	"math"
	"strconv"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// enc appends JSON by hand, leaving out what the mask does not keep. Members with a zero value are left out by whoever calls.
type enc struct {
	b     []byte
	mask  *mask // of the object that is open
	stack []*mask

	p    *Person
	slot int64 // quarter of an hour for which off holds
	off  int   // seconds east of UTC
	offs string

	utcDay   int64 // day for which utcDate holds
	utcDate  []byte
	civilDay int64
	civil    []byte
}

func newEnc(p *Person, m *mask) *enc {
	return &enc{p: p, mask: m, slot: math.MinInt64, utcDay: math.MinInt64, civilDay: math.MinInt64}
}

// comma separates from what stands before.
func (e *enc) comma() {
	if n := len(e.b); n > 0 {
		switch e.b[n-1] {
		case '{', '[', ',', ':':
		default:
			e.b = append(e.b, ',')
		}
	}
}

func (e *enc) key(name string) {
	e.comma()
	e.b = append(append(append(e.b, '"'), name...), `":`...)
}

// keep reports whether a member without members of its own is wanted, and writes its key.
func (e *enc) keep(name string) bool {
	if _, ok := e.mask.child(name); !ok {
		return false
	}
	e.key(name)
	return true
}

// open begins an object member; false when the mask does not keep it.
func (e *enc) open(name string) bool {
	if !e.enter(name) {
		return false
	}
	e.b = append(e.b, '{')
	return true
}

// array begins an array member.
func (e *enc) array(name string) bool {
	if !e.enter(name) {
		return false
	}
	e.b = append(e.b, '[')
	return true
}

func (e *enc) enter(name string) bool {
	sub, ok := e.mask.child(name)
	if !ok {
		return false
	}
	e.key(name)
	e.stack = append(e.stack, e.mask)
	e.mask = sub
	return true
}

// item begins an object in an array, done ends it.
func (e *enc) item() { e.comma(); e.b = append(e.b, '{') }
func (e *enc) done() { e.b = append(e.b, '}') }

func (e *enc) leave(closing byte) {
	e.b = append(e.b, closing)
	e.mask = e.stack[len(e.stack)-1]
	e.stack = e.stack[:len(e.stack)-1]
}

// end closes an object member, endArray an array member.
func (e *enc) end()      { e.leave('}') }
func (e *enc) endArray() { e.leave(']') }

func (e *enc) str(name, v string) {
	if e.keep(name) {
		e.b = appendString(e.b, v)
	}
}

// int64 writes an int64 the way the service does: as a string.
func (e *enc) int64(name string, v int64) {
	if e.keep(name) {
		e.b = append(strconv.AppendInt(append(e.b, '"'), v, 10), '"')
	}
}

// count is int64 without a zero.
func (e *enc) count(name string, v int64) {
	if v != 0 {
		e.int64(name, v)
	}
}

// int32 writes a number, without a zero.
func (e *enc) int32(name string, v int) {
	if v != 0 && e.keep(name) {
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	}
}

func (e *enc) double(name string, v float64) {
	if !e.keep(name) {
		return
	}
	if math.IsNaN(v) {
		e.b = append(e.b, `"NaN"`...)
		return
	}
	e.b = strconv.AppendFloat(e.b, v, 'f', -1, 64)
}

// kcal writes an energy given in 0.0001 kcal.
func (e *enc) kcal(name string, v int) {
	if !e.keep(name) {
		return
	}
	e.b = strconv.AppendInt(e.b, int64(v/10_000), 10)
	if r := v % 10_000; r != 0 {
		e.b = append(e.b, '.', byte('0'+r/1000), byte('0'+r/100%10), byte('0'+r/10%10), byte('0'+r%10))
		for e.b[len(e.b)-1] == '0' {
			e.b = e.b[:len(e.b)-1]
		}
	}
}

// yes writes true; false is left out.
func (e *enc) yes(name string, v bool) {
	if v && e.keep(name) {
		e.b = append(e.b, "true"...)
	}
}

func (e *enc) duration(name string, d time.Duration) {
	if e.keep(name) {
		e.b = append(e.b, '"')
		e.b = strconv.AppendFloat(e.b, d.Seconds(), 'f', -1, 64)
		e.b = append(e.b, 's', '"')
	}
}

func (e *enc) seconds(name string, s int) {
	if e.keep(name) {
		e.b = append(strconv.AppendInt(append(e.b, '"'), int64(s), 10), 's', '"')
	}
}

// time writes an instant with microseconds where it has any.
func (e *enc) time(name string, t time.Time) {
	if e.keep(name) {
		e.instant(t.Unix(), t.Nanosecond())
	}
}

func (e *enc) instant(sec int64, nano int) {
	day := floorDiv(sec, 86400)
	if day != e.utcDay {
		e.utcDay = day
		e.utcDate = time.Unix(day*86400, 0).UTC().AppendFormat(e.utcDate[:0], `"2006-01-02T`)
	}
	s := sec - day*86400
	b := append(e.b, e.utcDate...)
	b = append(b, byte('0'+s/36000), byte('0'+s/3600%10), ':', byte('0'+s/600%6), byte('0'+s/60%10), ':', byte('0'+s/10%6), byte('0'+s%10))
	if nano != 0 {
		us := nano / 1000
		b = append(b, '.')
		for div := 100_000; div > 0; div /= 10 {
			b = append(b, byte('0'+us/div%10))
		}
	}
	e.b = append(b, 'Z', '"')
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// offset returns the seconds east of UTC at an instant; clocks change on quarters of an hour only.
func (e *enc) offset(sec int64) int {
	if slot := floorDiv(sec, 900); slot != e.slot {
		e.slot = slot
		e.off = e.p.Offset(time.Unix(slot*900, 0))
		e.offs = strconv.Itoa(e.off)
	}
	return e.off
}

func (e *enc) writeOffset(name string, sec int64) {
	e.offset(sec)
	if e.keep(name) {
		e.b = append(append(append(e.b, '"'), e.offs...), 's', '"')
	}
}

// civilTime writes a CivilDateTime; what is zero of the time of day is left out, and at midnight the time itself.
func (e *enc) civilTime(name string, sec int64, nano int) {
	local := sec + int64(e.offset(sec))
	day := floorDiv(local, 86400)
	if !e.open(name) {
		return
	}
	e.date("date", metric.Day(day))
	if s := int(local - day*86400); s != 0 || nano != 0 {
		if e.mask == nil {
			e.timeOfDay(s, nano)
		} else if e.open("time") {
			e.int32("hours", s/3600)
			e.int32("minutes", s/60%60)
			e.int32("seconds", s%60)
			e.int32("nanos", nano)
			e.end()
		}
	}
	e.end()
}

// timeOfDay is the quick way for the whole of it.
func (e *enc) timeOfDay(s, nano int) {
	b := append(e.b, `,"time":{`...)
	n := len(b)
	put := func(key string, v int) {
		if v == 0 {
			return
		}
		if len(b) > n {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, key...), int64(v), 10)
	}
	put(`"hours":`, s/3600)
	put(`"minutes":`, s/60%60)
	put(`"seconds":`, s%60)
	put(`"nanos":`, nano)
	e.b = append(b, '}')
}

func (e *enc) date(name string, d metric.Day) {
	if e.mask == nil {
		if e.civilDay != int64(d) {
			e.civilDay = int64(d)
			y, m, day := d.Civil().Date()
			b := strconv.AppendInt(append(e.civil[:0], `{"year":`...), int64(y), 10)
			b = strconv.AppendInt(append(b, `,"month":`...), int64(m), 10)
			b = strconv.AppendInt(append(b, `,"day":`...), int64(day), 10)
			e.civil = append(b, '}')
		}
		e.key(name)
		e.b = append(e.b, e.civil...)
		return
	}
	if e.open(name) {
		y, m, day := d.Civil().Date()
		e.int32("year", y)
		e.int32("month", int(m))
		e.int32("day", day)
		e.end()
	}
}

// sampleTime writes an ObservationSampleTime.
func (e *enc) sampleTime(sec int64, nano int) {
	if !e.open("sampleTime") {
		return
	}
	if e.keep("physicalTime") {
		e.instant(sec, nano)
	}
	e.writeOffset("utcOffset", sec)
	e.civilTime("civilTime", sec, nano)
	e.end()
}

// interval writes an ObservationTimeInterval, or with civil false a session's.
func (e *enc) interval(start, end int64, civil bool) {
	if !e.open("interval") {
		return
	}
	e.bounds(start, end)
	if civil {
		e.civilTime("civilStartTime", start, 0)
		e.civilTime("civilEndTime", end, 0)
	}
	e.end()
}

// bounds writes start and end with their offsets.
func (e *enc) bounds(start, end int64) {
	if e.keep("startTime") {
		e.instant(start, 0)
	}
	e.writeOffset("startUtcOffset", start)
	if e.keep("endTime") {
		e.instant(end, 0)
	}
	e.writeOffset("endUtcOffset", end)
}

// appendString quotes s.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == '<' || c == '>' || c == '&':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
