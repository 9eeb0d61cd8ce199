package auth

import (
	"strings"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	end := day.Add(168 * time.Hour)
	tests := []struct {
		left time.Duration
		last time.Duration
		want time.Duration
	}{
		{168 * time.Hour, 0, 0},
		{72*time.Hour + time.Second, 0, 0},
		{72 * time.Hour, 0, 72 * time.Hour},
		{71 * time.Hour, 72 * time.Hour, 0},
		{24 * time.Hour, 72 * time.Hour, 24 * time.Hour},
		{7 * time.Hour, 24 * time.Hour, 0},
		{6 * time.Hour, 24 * time.Hour, 6 * time.Hour},
		{time.Minute, 6 * time.Hour, 0},
		{5 * time.Hour, 0, 6 * time.Hour}, // first seen so late: one warning, not three
		{0, 0, 0},
		{-time.Hour, 24 * time.Hour, 0},
	}
	for _, tt := range tests {
		if got, due := Due(end, tt.last, end.Add(-tt.left)); got != tt.want || due != (tt.want != 0) {
			t.Errorf("%v left, last %v: %v, %v", tt.left, tt.last, got, due)
		}
	}
	if _, due := Due(time.Time{}, 0, day); due {
		t.Error("a warning without an end")
	}
}

func TestStates(t *testing.T) {
	tok := Token{Refresh: "r", Account: "1234567890123"}
	ending := tok
	ending.RefreshExpires = day
	tests := []struct {
		name string
		tok  Token
		now  time.Time
		want Standing
		soon bool
		text string
	}{
		{"none", Token{}, day, Missing, false, "Not authorized at Google yet."},
		{"no end", tok, day, Good, false, "Authorized at Google; no end is known."},
		{"six days", ending, day.Add(-6*24*time.Hour - time.Minute), Ending, false, "The authorization at Google ends in 6 days, on 2026-11-23 07:00 UTC."},
		{"three days", ending, day.Add(-72 * time.Hour), Ending, true, "ends in 3 days"},
		{"hours", ending, day.Add(-47*time.Hour - 59*time.Minute), Ending, true, "ends in 47 hours"},
		{"minutes", ending, day.Add(-119 * time.Minute), Ending, true, "ends in 119 minutes"},
		{"over", ending, day, Dead, true, "ended on 2026-11-23 07:00 UTC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := judge(Google(), tt.tok, tt.now)
			if st.Standing != tt.want || st.Soon != tt.soon || !strings.Contains(st.Text, tt.text) {
				t.Fatalf("%+v", st)
			}
			if (st.Hint == "") != (tt.want == Good) {
				t.Fatalf("hint %q", st.Hint)
			}
		})
	}
}
