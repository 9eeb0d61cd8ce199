package archive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// decode unpacks a chunk into s, whose memory is used again. It never panics, whatever data is.
func (c *codec) decode(s *samples, data []byte) error {
	if !intact(data) {
		return fmt.Errorf("%w: its checksum is wrong", errGarbage)
	}
	return c.unpack(s, data[:len(data)-4])
}

// intact reports whether a chunk's checksum is right.
func intact(data []byte) bool {
	n := len(data) - 4
	return n > 0 && crc32.Checksum(data[:n], castagnoli) == binary.LittleEndian.Uint32(data[n:])
}

func (c *codec) unpack(s *samples, data []byte) error {
	r := &reader{data: data, c: c}
	if v := r.byte(); r.err == nil && v != format {
		r.fail("format %d", v)
	}
	n, fields := r.uvarint(), r.uvarint()
	if r.err == nil && (n == 0 || n > maxSamples || fields > 64) {
		r.fail("%d samples of %d fields", n, fields)
	}
	if r.err != nil {
		return r.err
	}
	r.runs(s, int(n))
	r.times(s, int(n))
	s.cols = grow(s.cols, int(fields))
	for f := range s.cols {
		if r.err == nil {
			s.cols[f] = r.field(s.cols[f], int(n))
		}
	}
	return r.err
}

func (r *reader) runs(s *samples, n int) {
	inner := &reader{data: append([]byte(nil), r.bytes()...), c: r.c}
	s.devices, s.dev, s.revs = s.devices[:0], s.dev[:0], s.revs[:0]
	names := inner.uvarint()
	for range names {
		size := inner.uvarint()
		if inner.err != nil || size > uint64(len(inner.data)) || len(s.devices) > math.MaxUint16 {
			r.fail("a device")
			return
		}
		s.devices = append(s.devices, string(inner.data[:size]))
		inner.data = inner.data[size:]
	}
	if names == 1 {
		s.dev = grow(s.dev, n)
		clear(s.dev)
	}
	for len(s.dev) < n {
		d, k := inner.uvarint(), inner.uvarint()
		if inner.err != nil || d >= names || k == 0 || k > uint64(n-len(s.dev)) {
			r.fail("a run of devices")
			return
		}
		for range k {
			s.dev = append(s.dev, uint16(d))
		}
	}
	rev := int64(0)
	for len(s.revs) < n {
		d, k := inner.varint(), inner.uvarint()
		if inner.err != nil || k == 0 || k > uint64(n-len(s.revs)) {
			r.fail("a run of revisions")
			return
		}
		rev += d
		for range k {
			s.revs = append(s.revs, rev)
		}
	}
}

func (r *reader) times(s *samples, n int) {
	how, first := r.byte(), r.varint()
	if r.err != nil || int(how>>1) >= len(units) {
		r.fail("times")
		return
	}
	r.c.work[0] = r.ints(r.c.work[0], n-1)
	if r.err != nil {
		return
	}
	u := units[how>>1]
	s.times = grow(s.times, n)
	t, d := first*u, int64(0)
	s.times[0] = t
	for i, v := range r.c.work[0] {
		if how&1 == 1 {
			d += v
		} else {
			d = v
		}
		t += d * u
		s.times[i+1] = t
	}
}

func (r *reader) field(col []float64, n int) []float64 {
	present, mask := n, []int64(nil)
	switch r.byte() {
	case 1:
	case 0:
		r.c.mask = r.ints(r.c.mask, n)
		mask = r.c.mask
		k := r.uvarint()
		if r.err == nil && k > uint64(n) {
			r.fail("%d of %d values", k, n)
		}
		present = int(k)
	default:
		r.fail("a field")
	}
	if r.err != nil {
		return col
	}
	col = grow(col, n)
	dense := col
	if mask != nil {
		r.c.present = grow(r.c.present, present)
		dense = r.c.present
	}
	if present > 0 {
		r.values(dense)
	}
	if mask == nil || r.err != nil {
		return col
	}
	at := 0
	for i := range col {
		switch {
		case mask[i] == 0:
			col[i] = math.NaN()
		case at == present:
			r.fail("more values than said")
			return col
		default:
			col[i] = dense[at]
			at++
		}
	}
	return col
}

// values fills out with the values of a field.
func (r *reader) values(out []float64) {
	n, how := len(out), r.byte()
	work := &r.c.work
	switch how {
	case asDecimal, asDelta:
		scale := r.byte()
		if scale > maxScale {
			r.fail("%d decimals", scale)
			return
		}
		work[0] = r.ints(work[0], n)
		p := math.Pow10(int(scale))
		k := int64(0)
		for i, v := range work[0] {
			if how == asDelta {
				v += k
				k = v
			}
			out[i] = float64(v) / p
		}
	case asFraction:
		order := r.byte()
		for i := range 3 {
			work[i] = r.ints(work[i], n)
		}
		if r.err != nil {
			return
		}
		floor := int64(0)
		for i, v := range work[0] {
			if order == 1 {
				v += floor
				floor = v
			}
			d := work[1][i]
			if d < 1 || d > maxDenom {
				r.fail("a fraction")
				return
			}
			out[i] = float64(v*d+work[2][i]) / float64(d)
		}
	case asBits:
		work[0] = r.ints(work[0], n)
		b := uint64(0)
		for i, v := range work[0] {
			b ^= uint64(v)
			out[i] = math.Float64frombits(b)
		}
	default:
		r.fail("values of kind %d", how)
	}
}
