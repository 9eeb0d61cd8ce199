package archive

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// drawn writes coverage as text: one letter per row, a capital for a final one, over hours from noon.
func drawn(rows []metric.Covered) string {
	var b strings.Builder
	for _, r := range rows {
		letter := "e"
		if r.Final {
			letter = "F"
		}
		b.WriteString(r.Span.Start.Sub(noon).String() + letter + r.Span.End.Sub(noon).String() + " ")
	}
	return strings.TrimSpace(strings.NewReplacer("0m0s", "", "0s", "0h").Replace(b.String()))
}

func TestCover(t *testing.T) {
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	span := func(from, to int) metric.Span { return metric.Span{Start: at(from), End: at(to)} }
	type answer struct{ from, to, asked, final int }
	for _, tc := range []struct {
		name    string
		answers []answer
		want    string
	}{
		{"one final", []answer{{0, 4, 4, 4}}, "0hF4h"},
		{"asked too early", []answer{{0, 4, 2, 1}}, "0hF1h 1he4h"},
		{"nothing final", []answer{{0, 4, 2, -3}}, "0he4h"},
		{"final beyond the span", []answer{{0, 4, 9, 99}}, "0hF4h"},
		{"next to each other in one hour", []answer{{0, 4, 8, 4}, {4, 8, 8, 8}}, "0hF8h"},
		{"next to each other, hours apart", []answer{{0, 4, 4, 4}, {4, 8, 8, 8}}, "0hF4h 4hF8h"},
		{"final and not in one hour", []answer{{0, 4, 8, 4}, {4, 8, 8, 4}}, "0hF4h 4he8h"},
		{"settled long after", []answer{{0, 4, 1000, 4}, {4, 8, 3000, 8}}, "0hF8h"},
		{"one settled, one not", []answer{{0, 4, 1000, 4}, {4, 8, 300, 8}}, "0hF4h 4hF8h"},
		{"the middle anew", []answer{{0, 9, 9, 9}, {3, 5, 20, 5}}, "0hF3h 3hF5h 5hF9h"},
		{"what was early is final now", []answer{{0, 4, 2, 1}, {0, 4, 8, 8}}, "0hF4h"},
		{"a hole stays", []answer{{0, 2, 8, 8}, {4, 6, 8, 8}}, "0hF2h 4hF6h"},
	} {
		var rows []metric.Covered
		for _, a := range tc.answers {
			rows = cover(rows, &metric.Batch{Span: span(a.from, a.to), Asked: at(a.asked), Final: at(a.final)}, false)
		}
		if got := drawn(rows); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Whatever is asked in whatever order: each hour is covered as its last answer said.
func TestCoverRandomly(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	a := newArchive(t)
	type said struct {
		covered, final bool
	}
	var hours [60]said
	for i := range 300 {
		from := r.IntN(50)
		span := metric.Span{Start: noon.Add(time.Duration(from) * time.Hour), End: noon.Add(time.Duration(from+1+r.IntN(9)) * time.Hour)}
		final := noon.Add(time.Duration(r.IntN(60)) * time.Hour)
		asked := noon.Add(time.Duration(i*r.IntN(20)) * time.Hour)
		undo := r.IntN(5) == 0
		if undo {
			if err := a.Uncover(t.Context(), "me", "google", "steps", span); err != nil {
				t.Fatal(err)
			}
		} else {
			b := stepsBatch(span, func(int) float64 { return -1 })
			b.Final, b.Asked, b.Blocks = final, asked, nil
			mustPut(t, a, b)
		}
		for h := range hours {
			if at := noon.Add(time.Duration(h) * time.Hour); span.Contains(at) {
				hours[h] = said{!undo, !undo && at.Before(final)}
			}
		}
		rows, err := a.Coverage(t.Context(), "me", "google")
		if err != nil {
			t.Fatal(err)
		}
		for h, want := range hours {
			var got said
			for n, c := range rows["steps"] {
				if c.Span.Contains(noon.Add(time.Duration(h) * time.Hour)) {
					got = said{true, c.Final}
				}
				if n > 0 && c.Span.Start.Before(rows["steps"][n-1].Span.End) {
					t.Fatalf("round %d: rows overlap", i)
				}
			}
			if got != want {
				t.Fatalf("round %d: hour %d is %+v, want %+v", i, h, got, want)
			}
		}
	}
	if rows, err := a.Coverage(t.Context(), "you", "google"); err != nil || len(rows) != 0 {
		t.Errorf("another person is covered too: %v (%v)", rows, err)
	}
}
