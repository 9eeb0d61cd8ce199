package google

import (
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// The service writes int64 as strings, doubles as numbers or as "NaN", durations as "123s". All of these readers take the bytes
// of a scalar without its quotes and allocate nothing on the common shapes.

// parseNumber reads a number; NaN and infinities are none.
func parseNumber(b []byte) (float64, bool) {
	if n, ok := parseDigits(b); ok {
		return n, true
	}
	return answer.Number(b)
}

// parseDigits reads up to 15 plain digits.
func parseDigits(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return float64(n), true
}

// parseSeconds reads a duration such as "1025s", "-14400s" or "1.500s".
func parseSeconds(b []byte) (float64, bool) {
	if len(b) < 2 || b[len(b)-1] != 's' {
		return math.NaN(), false
	}
	return answer.Number(b[:len(b)-1])
}

// The years that fit into nanoseconds since 1970 as int64.
const minYear, maxYear = 1700, 2250

// parseInstant reads an RFC 3339 time as nanoseconds since 1970.
func parseInstant(b []byte) (int64, bool) {
	if ns, ok := parseZulu(b); ok {
		return ns, true
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return 0, false
	}
	return t.UnixNano(), true
}

// parseZulu reads 2006-01-02T15:04:05[.999999999]Z, the one shape the service is known to write.
func parseZulu(b []byte) (int64, bool) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return 0, false
	}
	ok := true
	two := func(i int) int {
		hi, lo := b[i]-'0', b[i+1]-'0'
		ok = ok && hi <= 9 && lo <= 9
		return int(hi)*10 + int(lo)
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 ||
		year < minYear || year > maxYear {
		return 0, false
	}
	ns := (daysSince1970(year, month, day)*86400 + int64(hour*3600+minute*60+second)) * 1e9
	fraction := b[19 : len(b)-1]
	if len(fraction) == 0 {
		return ns, true
	}
	if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
		return 0, false
	}
	unit := int64(1e8)
	for _, c := range fraction[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		ns += int64(c-'0') * unit
		unit /= 10
	}
	return ns, true
}

func daysIn(year, month int) int {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// daysSince1970 counts days of the Gregorian calendar; years begin in March so that the leap day comes last.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	inEra := year - era*400
	inYear := (153*(month-3)+2)/5 + day - 1
	return int64(era)*146097 + int64(inEra*365+inEra/4-inEra/100+inYear) - 719468
}
