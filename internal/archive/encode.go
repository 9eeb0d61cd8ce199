package archive

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// The format of a chunk. Its first byte is the version; the last four are a checksum of all before.
//
//	count, fields; devices and revisions as run lengths (a stream)
//	times: unit, first, and the deltas or their deltas (a column)
//	per field: which samples have it (a column, left out where all do), and its values as numberKind says
//
// A column is a frame of reference and planes of bytes, each plane a stream compressed for itself.
const format = 1

// How the values of a field are stored.
const (
	asDecimal  byte = iota // v = k / 10^scale: k as a column
	asDelta                // likewise, each k less the one before
	asFraction             // v = k / n with small n, such as the mean of a minute: n, floor(v) and what is left, as columns
	asBits                 // the bits of v, each exclusive-or'ed with the one before
)

const (
	maxScale = 8
	maxDenom = 255
	maxExact = 1 << 53 // integers up to here are exact in a float64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// units of time, coarsest first, in nanoseconds.
var units = [...]int64{1e9, 1e6, 1e3, 1}

// encode packs s, which has at least one sample.
func (c *codec) encode(s *samples) []byte {
	out := make([]byte, 0, 256+s.len())
	out = append(out, format)
	out = binary.AppendUvarint(out, uint64(s.len()))
	out = binary.AppendUvarint(out, uint64(len(s.cols)))
	out = c.putBytes(out, runs(s))
	out = c.putTimes(out, s.times)
	for _, col := range s.cols {
		out = c.putField(out, col)
	}
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// runs packs devices and revisions as run lengths.
func runs(s *samples) []byte {
	out := binary.AppendUvarint(nil, uint64(len(s.devices)))
	for _, d := range s.devices {
		out = binary.AppendUvarint(out, uint64(len(d)))
		out = append(out, d...)
	}
	if len(s.devices) > 1 {
		for i := 0; i < len(s.dev); {
			j := run(s.dev, i)
			out = binary.AppendUvarint(out, uint64(s.dev[i]))
			out = binary.AppendUvarint(out, uint64(j-i))
			i = j
		}
	}
	before := int64(0)
	for i := 0; i < len(s.revs); {
		j := run(s.revs, i)
		out = binary.AppendVarint(out, s.revs[i]-before)
		out = binary.AppendUvarint(out, uint64(j-i))
		before = s.revs[i]
		i = j
	}
	return out
}

// run returns the end of the run of equal values that begins at i.
func run[T comparable](vals []T, i int) int {
	j := i + 1
	for j < len(vals) && vals[j] == vals[i] {
		j++
	}
	return j
}

func (c *codec) putTimes(out []byte, times []int64) []byte {
	unit := 0
	for i := 0; i < len(times) && unit < len(units)-1; {
		if times[i]%units[unit] != 0 {
			unit++
		} else {
			i++
		}
	}
	u := units[unit]
	c.work[0] = grow(c.work[0], len(times)-1)
	for i := range c.work[0] {
		c.work[0][i] = (times[i+1] - times[i]) / u
	}
	order, vals := c.smaller(c.work[0])
	out = append(out, byte(unit)<<1|order)
	out = binary.AppendVarint(out, times[0]/u)
	return c.putInts(out, vals)
}

// smaller returns vals, or with order 1 their deltas (the first against 0), whichever will be smaller.
func (c *codec) smaller(vals []int64) (order byte, out []int64) {
	c.delta = grow(c.delta, len(vals))
	before := int64(0)
	for i, v := range vals {
		c.delta[i] = v - before
		before = v
	}
	if len(vals) > 1 && price(c.delta[1:]) < price(vals) {
		return 1, c.delta
	}
	return 0, vals
}

func (c *codec) putField(out []byte, col []float64) []byte {
	c.mask = grow(c.mask, len(col))
	c.present = c.present[:0]
	for i, v := range col {
		c.mask[i] = 0
		if !math.IsNaN(v) {
			c.mask[i] = 1
			c.present = append(c.present, v)
		}
	}
	if len(c.present) == len(col) {
		out = append(out, 1)
	} else {
		out = append(out, 0)
		out = c.putInts(out, c.mask)
		out = binary.AppendUvarint(out, uint64(len(c.present)))
	}
	if len(c.present) == 0 {
		return out
	}
	if scale, ok := c.decimals(c.present); ok {
		order, vals := c.smaller(c.work[0])
		out = append(out, [...]byte{asDecimal, asDelta}[order], byte(scale))
		return c.putInts(out, vals)
	}
	if c.fractions(c.present) {
		order, vals := c.smaller(c.work[0])
		out = append(out, asFraction, order)
		out = c.putInts(out, vals)
		out = c.putInts(out, c.work[1])
		return c.putInts(out, c.work[2])
	}
	c.work[0] = grow(c.work[0], len(c.present))
	before := uint64(0)
	for i, v := range c.present {
		b := math.Float64bits(v)
		c.work[0][i] = int64(b ^ before)
		before = b
	}
	out = append(out, asBits)
	return c.putInts(out, c.work[0])
}

// decimals finds the fewest decimals that hold all of vals exactly, and leaves the scaled integers in work[0].
func (c *codec) decimals(vals []float64) (scale int, ok bool) {
	c.work[0] = grow(c.work[0], len(vals))
	for i, p := 0, 1.0; i < len(vals); {
		k, exact := decimal(vals[i], p)
		if exact {
			c.work[0][i] = k
			i++
			continue
		}
		scale++
		if scale > maxScale {
			return 0, false
		}
		i, p = 0, p*10
	}
	return scale, true
}

func decimal(v, p float64) (int64, bool) {
	x := math.RoundToEven(v * p)
	if !(math.Abs(x) < maxExact) {
		return 0, false
	}
	return int64(x), math.Float64bits(float64(int64(x))/p) == math.Float64bits(v)
}

// fractions finds for each of vals the smallest n ≤ maxDenom of which it is an exact k/n; it leaves floor(v), n and the rest of
// k in work[0], [1] and [2]. Means over a minute are such fractions, and their floats would be noise.
func (c *codec) fractions(vals []float64) bool {
	for i := range 3 {
		c.work[i] = grow(c.work[i], len(vals))
	}
	for i, v := range vals {
		if !(math.Abs(v) < 1<<40) {
			return false
		}
		n, k := 0, int64(0)
		for d := 1; d <= maxDenom; d++ {
			if x, ok := decimal(v, float64(d)); ok {
				n, k = d, x
				break
			}
		}
		if n == 0 {
			return false
		}
		floor := int64(math.Floor(v))
		c.work[0][i], c.work[1][i], c.work[2][i] = floor, int64(n), k-floor*int64(n)
	}
	return true
}
