package archive

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Revisions of samples between merge and settle: what the answer brought, not yet known to be visible.
const (
	isNew     int64 = -1 // it was not visible before
	isChanged int64 = -2 // it was visible, with other values
)

// point names one sample for sinks: what stands there is overwritten by the next with the same name.
type point struct {
	series metric.ID
	time   int64
	device string
	tags   string // as in the column tags
}

// A lost point was visible and is not any more, or has lost fields.
type lost struct {
	point
	fields  uint64 // which it had
	partial bool   // it is still visible, with fewer fields
}

// checkBlock reports what is wrong with the shape of a block.
func checkBlock(row metric.Series, b *metric.Block) error {
	switch {
	case len(b.Values) != len(row.Fields):
		return fmt.Errorf("series %s: %d columns for %d fields", row.ID, len(b.Values), len(row.Fields))
	case len(b.Tags) > len(row.Tags):
		return fmt.Errorf("series %s: %d tags, the row has %d", row.ID, len(b.Tags), len(row.Tags))
	}
	for _, col := range b.Values {
		if len(col) != len(b.Times) {
			return fmt.Errorf("series %s: a column of %d values for %d samples", row.ID, len(col), len(b.Times))
		}
	}
	for i := 1; i < len(b.Times); i++ {
		if b.Times[i] <= b.Times[i-1] {
			return fmt.Errorf("series %s: times are not ascending and distinct", row.ID)
		}
	}
	return nil
}

// gather brings the blocks of one series together by tags. Samples without any value are left out. Where two blocks have the
// same instant under the same tags, the first wins.
func gather(row metric.Series, blocks []*metric.Block) (map[string]*samples, error) {
	out := map[string]*samples{}
	for _, b := range blocks {
		if err := checkBlock(row, b); err != nil {
			return nil, err
		}
		tags := packTags(b.Tags)
		s := out[tags]
		if s == nil {
			s = newSamples(len(row.Fields), b.Len())
			out[tags] = s
		}
		dev := s.device(b.Device)
		for i := range b.Times {
			if !allAbsent(b, i) {
				s.add(b, i, dev, isNew)
			}
		}
	}
	for _, s := range out {
		s.sort()
	}
	return out, nil
}

func allAbsent(b *metric.Block, i int) bool {
	for _, col := range b.Values {
		if !math.IsNaN(col[i]) {
			return false
		}
	}
	return true
}

// sort brings s into ascending order and keeps the first of equal instants.
func (s *samples) sort() {
	ascending := true
	for i := 1; i < len(s.times) && ascending; i++ {
		ascending = s.times[i-1] < s.times[i]
	}
	if ascending {
		return
	}
	order := make([]int, s.len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.times[a], s.times[b]) })
	out := newSamples(len(s.cols), s.len())
	out.devices = s.devices
	for n, i := range order {
		if n == 0 || s.times[i] != s.times[order[n-1]] {
			out.take(s, i, i+1)
		}
	}
	*s = *out
}

// index returns the first sample at or after t.
func (s *samples) index(t int64) int {
	return sort.Search(len(s.times), func(i int) bool { return s.times[i] >= t })
}

// A keeper tells which values that an answer does not have stay as they are; nil for none.
type keeper func(t int64, field int, v float64) bool

// merge puts samples [i, j) of in, an answer for the instants from lo to before hi, into old and returns the result and what
// was visible and is lost. Values that are kept stay where the answer does not have them. It returns old itself if the answer brings
// nothing new.
func merge(old, in *samples, i, j int, lo, hi int64, name func(t int64, device string) point, kept keeper) (*samples, []lost, error) {
	a, b := old.index(lo), old.index(hi)
	if equal(old, a, b, in, i, j) {
		return old, nil, nil
	}
	size := a + (j - i) + old.len() - b
	if size > maxSamples {
		return nil, nil, errors.New("too many samples in one unit span")
	}
	var gone []lost
	out := newSamples(len(in.cols), size)
	out.devices = slices.Clone(old.devices)
	dev := make([]uint16, len(in.devices))
	for k, d := range in.devices {
		dev[k] = out.device(d)
	}
	out.take(old, 0, a)
	for a < b || i < j {
		switch {
		case i == j || a < b && old.times[a] < in.times[i]: // vanished, or what is left of it
			out.take(old, a, a+1)
			n := out.len() - 1
			for f := range out.cols {
				out.cols[f][n] = math.NaN()
			}
			out.keep(n, old, a, kept)
			if out.mask(n) == 0 {
				out.drop(n)
				if old.revs[a] > 0 {
					gone = append(gone, lost{point: name(old.times[a], old.devices[old.dev[a]]), fields: old.mask(a)})
				}
			} else if l, partly := out.changed(n, old, a); partly {
				gone = append(gone, lost{point: name(old.times[a], old.devices[old.dev[a]]), fields: l, partial: true})
			}
			a++
		case a == b || in.times[i] < old.times[a]: // new
			out.take(in, i, i+1)
			out.dev[out.len()-1] = dev[in.dev[i]]
			i++
		default:
			out.take(in, i, i+1) // the device stays the one that measured it first
			n := out.len() - 1
			out.dev[n] = old.dev[a]
			out.keep(n, old, a, kept)
			if l, partly := out.changed(n, old, a); partly {
				gone = append(gone, lost{point: name(old.times[a], old.devices[old.dev[a]]), fields: l, partial: true})
			}
			a++
			i++
		}
	}
	out.take(old, b, old.len())
	return out, gone, nil
}

// keep gives sample n what it lacks of sample a of old, as far as that is kept.
func (s *samples) keep(n int, old *samples, a int, kept keeper) {
	if kept == nil {
		return
	}
	for f, col := range s.cols {
		if v := old.cols[f][a]; math.IsNaN(col[n]) && v == v && kept(old.times[a], f, v) {
			col[n] = v
		}
	}
}

// changed gives sample n the revision that follows from what it was, sample a of old. It returns the fields that it had, and whether it
// was visible and has lost any of them.
func (s *samples) changed(n int, old *samples, a int) (had uint64, partly bool) {
	s.revs[n] = old.revs[a]
	if sameRow(old, a, s, n) {
		return 0, false
	}
	s.revs[n] = isNew
	if old.revs[a] <= 0 {
		return 0, false
	}
	s.revs[n] = isChanged
	had = old.mask(a)
	return had, had&^s.mask(n) != 0
}

// drop takes the last sample away again, which is n.
func (s *samples) drop(n int) {
	s.times, s.dev, s.revs = s.times[:n], s.dev[:n], s.revs[:n]
	for f := range s.cols {
		s.cols[f] = s.cols[f][:n]
	}
}

// equal reports whether [a, b) of old and [i, j) of in have the same times and values.
func equal(old *samples, a, b int, in *samples, i, j int) bool {
	if b-a != j-i || !slices.Equal(old.times[a:b], in.times[i:j]) {
		return false
	}
	for f := range in.cols {
		x, y := old.cols[f][a:b], in.cols[f][i:j]
		for k, v := range x {
			if v != y[k] && (v == v || y[k] == y[k]) {
				return false
			}
		}
	}
	return true
}

func sameRow(x *samples, a int, y *samples, i int) bool {
	for f := range x.cols {
		v, w := x.cols[f][a], y.cols[f][i]
		if v != w && (v == v || w == w) {
			return false
		}
	}
	return true
}
