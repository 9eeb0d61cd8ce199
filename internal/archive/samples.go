package archive

import (
	"math"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// maxSamples is the most samples one chunk may hold: one per 80 ms of a day.
const maxSamples = 1 << 20

// samples are the contents of one chunk, column by column, ascending and distinct in time. A revision of 0 marks a sample that
// is kept but not visible, because a better source has data there.
type samples struct {
	times   []int64 // UTC, nanoseconds
	cols    [][]float64
	dev     []uint16 // index into devices
	devices []string
	revs    []int64
}

func newSamples(fields, size int) *samples {
	s := &samples{cols: make([][]float64, fields)}
	s.grow(size)
	return s
}

func (s *samples) grow(n int) {
	s.times = slices.Grow(s.times, n)
	s.dev = slices.Grow(s.dev, n)
	s.revs = slices.Grow(s.revs, n)
	for f := range s.cols {
		s.cols[f] = slices.Grow(s.cols[f], n)
	}
}

func (s *samples) len() int { return len(s.times) }

// device returns the index of a device's name, entering it where it is new.
func (s *samples) device(name string) uint16 {
	i := slices.Index(s.devices, name)
	if i < 0 {
		i = len(s.devices)
		s.devices = append(s.devices, name)
	}
	return uint16(i)
}

// add appends sample i of a block.
func (s *samples) add(b *metric.Block, i int, dev uint16, rev int64) {
	s.times = append(s.times, b.Times[i])
	for f := range s.cols {
		s.cols[f] = append(s.cols[f], b.Values[f][i]+0) // -0 becomes 0
	}
	s.dev = append(s.dev, dev)
	s.revs = append(s.revs, rev)
}

// take appends the samples [i, j) of another, all of whose devices are those of s.
func (s *samples) take(o *samples, i, j int) {
	s.times = append(s.times, o.times[i:j]...)
	for f := range s.cols {
		s.cols[f] = append(s.cols[f], o.cols[f][i:j]...)
	}
	s.dev = append(s.dev, o.dev[i:j]...)
	s.revs = append(s.revs, o.revs[i:j]...)
}

// mask tells which fields sample i has, a bit each.
func (s *samples) mask(i int) uint64 {
	var m uint64
	for f, col := range s.cols {
		if !math.IsNaN(col[i]) {
			m |= 1 << (f & 63)
		}
	}
	return m
}

// blocks returns the samples for which keep holds, one block per device. They may share the memory of s.
func (s *samples) blocks(series metric.ID, tags []string, keep func(i int) bool) []metric.Block {
	var out []metric.Block
	at := make([]int, len(s.devices)) // index into out, plus 1
	for i := 0; i < s.len(); {
		if !keep(i) {
			i++
			continue
		}
		j := i + 1
		for j < s.len() && s.dev[j] == s.dev[i] && keep(j) {
			j++
		}
		d := s.dev[i]
		if i == 0 && j == s.len() {
			return []metric.Block{{Series: series, Device: s.devices[d], Tags: tags, Times: s.times, Values: s.cols}}
		}
		if at[d] == 0 {
			out = append(out, metric.Block{Series: series, Device: s.devices[d], Tags: tags, Values: make([][]float64, len(s.cols))})
			at[d] = len(out)
		}
		b := &out[at[d]-1]
		b.Times = append(b.Times, s.times[i:j]...)
		for f := range s.cols {
			b.Values[f] = append(b.Values[f], s.cols[f][i:j]...)
		}
		i = j
	}
	return out
}
