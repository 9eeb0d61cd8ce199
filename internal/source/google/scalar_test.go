package google

import (
	"math"
	"testing"
	"time"
)

func TestParseNumber(t *testing.T) {
	cases := []struct {
		in   string
		want float64
		ok   bool
	}{
		{"0", 0, true}, {"72", 72, true}, {"999999999999999", 999999999999999, true}, {"9007199254740993", 9007199254740992, true},
		{"-5", -5, true}, {"1.5", 1.5, true}, {"7.0e1", 70, true}, {"+7", 7, true}, {"NaN", math.NaN(), false}, {"Infinity", math.NaN(), false}, {"-Infinity", math.NaN(), false},
		{"inf", math.NaN(), false}, {"1_0", math.NaN(), false}, {"0x1p4", math.NaN(), false}, {" 7", math.NaN(), false}, {"1e999", math.NaN(), false}, {"many", math.NaN(), false}, {"", math.NaN(), false}, {"1 2", math.NaN(), false},
	}
	for _, c := range cases {
		got, ok := parseNumber([]byte(c.in))
		if ok != c.ok || got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%q: %v, %v; want %v, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

// Minus zero would be written with its sign.
func TestMinusZero(t *testing.T) {
	for _, in := range []string{"-0", "-0.0"} {
		if got, ok := parseNumber([]byte(in)); !ok || math.Signbit(got) {
			t.Errorf("%q: %v, %v", in, got, ok)
		}
	}
}

func TestParseSeconds(t *testing.T) {
	for in, want := range map[string]float64{"1025s": 1025, "-14400s": -14400, "1.500s": 1.5, "0s": 0, "0.245s": 0.245} {
		if got, ok := parseSeconds([]byte(in)); !ok || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "s", "12", "12m", "NaNs", "Infs", "1e400s", "xs", "1_0s", "0x1p4s", " 1s"} {
		if got, ok := parseSeconds([]byte(in)); ok {
			t.Errorf("%q is taken for %v", in, got)
		}
	}
}

// The quick reader of times agrees with the library's on every shape it takes.
func TestParseInstant(t *testing.T) {
	good := []string{"2026-08-06T11:30:20Z", "2026-08-06T11:30:20.343679Z", "2026-08-06T11:30:20.1Z", "2026-08-06T11:30:20.123456789Z", "2024-02-29T23:59:59Z",
		"2000-02-29T00:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "1900-03-01T12:00:00Z", "2200-12-31T00:00:00Z", "2026-08-06T11:30:20+02:00", "2026-08-06T11:30:20.5-04:00"}
	for _, in := range good {
		want, err := time.Parse(time.RFC3339Nano, in)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseInstant([]byte(in)); !ok || got != want.UnixNano() {
			t.Errorf("%s: %d, %v; want %d", in, got, ok, want.UnixNano())
		}
	}
	for _, in := range []string{"", "yesterday", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-08-06T24:00:00Z", "2026-08-06T11:60:00Z",
		"2026-08-06", "2026-08-06T11:30:20", "2026-08-06 11:30:20Z", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-08-06T11:30:20.Z", "2026-08-06T11:30:20.12x4Z", "20x6-08-06T11:30:20Z"} {
		if got, ok := parseInstant([]byte(in)); ok {
			t.Errorf("%q is taken for %d", in, got)
		}
	}
	for d := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC); d.Year() < 2102; d = d.Add(24 * time.Hour) {
		if got := daysSince1970(d.Year(), int(d.Month()), d.Day()); got != d.Unix()/86400-boolInt(d.Unix()%86400 < 0) {
			t.Fatalf("%v: day %d", d, got)
		}
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
