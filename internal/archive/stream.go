package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/zstd"
)

// How the bytes of a stream are stored. Readings are noise of few levels: a plain entropy coder packs them closer than one that
// looks for repetitions, which wins where there are some. The smallest is taken.
const (
	storedPlain byte = iota
	storedConst      // one byte, repeated
	storedFSE
	storedZstd
)

// maxStream bounds the length of one stream, in bytes: garbage cannot make us allocate more.
const maxStream = 10*maxSamples + 1024

var errGarbage = errors.New("unreadable chunk")

// codec holds the buffers of one encoding or decoding.
type codec struct {
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	fse   fse.Scratch
	plane []byte
	pack  []byte

	work    [3][]int64
	delta   []int64
	mask    []int64
	present []float64
}

// codecs lends out codecs: their tables are worth keeping.
type codecs struct{ pool sync.Pool }

func (c *codecs) get() *codec {
	if x, ok := c.pool.Get().(*codec); ok {
		return x
	}
	return &codec{}
}

func (c *codecs) put(x *codec) { c.pool.Put(x) }

func (c *codec) zstdEncoder() *zstd.Encoder {
	if c.enc == nil {
		c.enc, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), // options are constant: no error
			zstd.WithWindowSize(1<<16), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	}
	return c.enc
}

func (c *codec) zstdDecoder() *zstd.Decoder {
	if c.dec == nil {
		c.dec, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), // options are constant: no error
			zstd.WithDecoderMaxMemory(maxStream), zstd.WithDecoderMaxWindow(1<<20))
	}
	return c.dec
}

// putBytes appends a stream: how it is stored, its length, the length it takes, the bytes.
func (c *codec) putBytes(out, raw []byte) []byte {
	how, packed := storedPlain, raw
	if len(raw) > 8 {
		switch p, err := fse.Compress(raw, &c.fse); {
		case errors.Is(err, fse.ErrUseRLE):
			how, packed = storedConst, raw[:1]
		case err == nil && len(p) < len(packed):
			how, packed = storedFSE, p
		}
	}
	if how != storedConst && len(raw) > 32 {
		c.pack = c.zstdEncoder().EncodeAll(raw, c.pack[:0])
		if len(c.pack) < len(packed) {
			how, packed = storedZstd, c.pack
		}
	}
	out = append(out, how)
	out = binary.AppendUvarint(out, uint64(len(raw)))
	out = binary.AppendUvarint(out, uint64(len(packed)))
	return append(out, packed...)
}

// bytes reads a stream. What it returns is valid until the next call.
func (r *reader) bytes() []byte {
	how, n, m := r.byte(), r.uvarint(), r.uvarint()
	if r.err != nil || n > maxStream || m > uint64(len(r.data)) || how > storedZstd || n == 0 && m > 0 {
		return r.fail("a stream of %d bytes", n)
	}
	packed := r.data[:m]
	r.data = r.data[m:]
	switch how {
	case storedPlain:
		if m != n {
			return r.fail("a plain stream")
		}
		return packed
	case storedConst:
		if m != 1 {
			return r.fail("a constant stream")
		}
		r.c.plane = grow(r.c.plane, int(n))
		for i := range r.c.plane {
			r.c.plane[i] = packed[0]
		}
		return r.c.plane
	case storedFSE:
		if n == 0 { // fse takes a limit of 0 for none
			return r.fail("an empty stream")
		}
		r.c.fse.DecompressLimit = int(n)
		p, err := fse.Decompress(packed, &r.c.fse)
		if err != nil || uint64(len(p)) != n {
			return r.fail("an entropy-coded stream: %v", err)
		}
		return p
	default:
		p, err := r.c.zstdDecoder().DecodeAll(packed, r.c.pack[:0])
		if err != nil || uint64(len(p)) != n {
			return r.fail("a zstd stream: %v", err)
		}
		r.c.pack = p
		return p
	}
}

// putInts appends a column of integers: the lowest, and what is above it in planes of one byte each, lowest byte first.
func (c *codec) putInts(out []byte, vals []int64) []byte {
	low, width := frame(vals)
	out = binary.AppendVarint(out, low)
	out = append(out, byte(width))
	for p := range width {
		c.plane = grow(c.plane, len(vals))
		for i, v := range vals {
			c.plane[i] = byte(uint64(v-low) >> (8 * p))
		}
		out = c.putBytes(out, c.plane)
	}
	return out
}

// ints reads a column of n integers into out.
func (r *reader) ints(out []int64, n int) []int64 {
	out = grow(out, n)
	low, width := r.varint(), r.byte()
	if r.err != nil || width > 8 {
		r.fail("a column of width %d", width)
		return nil
	}
	for i := range out {
		out[i] = low
	}
	for p := range width {
		plane := r.bytes()
		if len(plane) != n {
			r.fail("a plane of %d bytes for %d samples", len(plane), n)
			return nil
		}
		for i, b := range plane {
			out[i] += int64(uint64(b) << (8 * p))
		}
	}
	return out
}

// frame returns the lowest value and how many bytes hold what the others are above it.
func frame(vals []int64) (low int64, width int) {
	if len(vals) == 0 {
		return 0, 0
	}
	low, high := vals[0], vals[0]
	for _, v := range vals {
		low, high = min(low, v), max(high, v)
	}
	return low, (bits.Len64(uint64(high-low)) + 7) / 8
}

// price estimates the bytes that vals will take: the entropy of their planes.
func price(vals []int64) float64 {
	low, width := frame(vals)
	total := 0.0
	for p := range width {
		var seen [256]int
		for _, v := range vals {
			seen[byte(uint64(v-low)>>(8*p))]++
		}
		for _, k := range seen {
			if k > 0 {
				total -= float64(k) * math.Log2(float64(k)/float64(len(vals)))
			}
		}
	}
	return total/8 + float64(8*width)
}

// reader takes an encoded chunk apart. The first failure stays.
type reader struct {
	data []byte
	c    *codec
	err  error
}

func (r *reader) fail(format string, args ...any) []byte {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{errGarbage}, args...)...)
	}
	r.data = nil
	return nil
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.fail("cut short")
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail("a number")
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.fail("a number")
		return 0
	}
	r.data = r.data[n:]
	return v
}

// grow returns a slice of length n, of s's memory where that suffices. Its contents are not defined.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
