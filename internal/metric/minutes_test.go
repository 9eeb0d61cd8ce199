package metric

import (
	"slices"
	"testing"
	"time"
)

func TestMinutesOf(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	const second = int64(time.Second)
	raw := Block{Series: HeartRate, Device: "Charge 5"}
	for _, s := range []struct {
		after int64
		bpm   float64
	}{{-1, 50}, {0, 60}, {59*second + 999_999_999, 71}, {60 * second, 70}, {61 * second, 71}, {62 * second, 71}, {300 * second, 80}, {361 * second, Absent()}} {
		raw.Append(at+s.after, s.bpm)
	}
	got := MinutesOf(raw)
	if got.Series != HeartRateMinute || got.Device != "Charge 5" {
		t.Errorf("block of %s, Device %q", got.Series, got.Device)
	}
	want := []struct {
		minute int64
		row    []float64
	}{{-1, []float64{50, 50, 50}}, {0, []float64{65.5, 60, 71}}, {1, []float64{70.67, 70, 71}}, {5, []float64{80, 80, 80}}}
	if got.Len() != len(want) {
		t.Fatalf("%d minutes, want %d", got.Len(), len(want))
	}
	for i, w := range want {
		if got.Times[i] != at+w.minute*60*second || !slices.Equal(got.Row(i), w.row) {
			t.Errorf("minute %d: %d %v, want %d %v", i, (got.Times[i]-at)/second, got.Row(i), w.minute*60, w.row)
		}
	}
	if empty := MinutesOf(Block{}); empty.Len() != 0 || len(empty.Values) != 3 {
		t.Errorf("minutes of nothing: %+v", empty)
	}
}

// Before 1970 a minute still begins before its samples.
func TestMinutesBefore1970(t *testing.T) {
	var raw Block
	raw.Append(-1, 60)
	if got := MinutesOf(raw); got.Times[0] != -int64(time.Minute) {
		t.Errorf("minute at %d", got.Times[0])
	}
}

func TestCrop(t *testing.T) {
	var b Block
	for i := range 10 {
		b.Append(int64(i), float64(i))
	}
	at := func(ns int64) time.Time { return time.Unix(0, ns) }
	for _, c := range []struct {
		from, to int64
		want     []int64
	}{{3, 6, []int64{3, 4, 5}}, {-5, 2, []int64{0, 1}}, {8, 50, []int64{8, 9}}, {5, 5, nil}, {6, 3, nil}, {20, 30, nil}} {
		c2 := Block{Times: slices.Clone(b.Times), Values: [][]float64{slices.Clone(b.Values[0])}}
		c2.Crop(Span{at(c.from), at(c.to)})
		if !slices.Equal(c2.Times, c.want) || len(c2.Values[0]) != len(c.want) {
			t.Errorf("%d to %d: %v, %v; want %v", c.from, c.to, c2.Times, c2.Values, c.want)
		}
	}
}
