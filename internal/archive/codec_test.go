package archive

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func (s *samples) equal(o *samples) bool {
	if !slices.Equal(s.times, o.times) || !slices.Equal(s.revs, o.revs) || len(s.cols) != len(o.cols) || len(s.dev) != len(o.dev) {
		return false
	}
	for i := range s.dev {
		if s.devices[s.dev[i]] != o.devices[o.dev[i]] {
			return false
		}
	}
	for f := range s.cols {
		for i, v := range s.cols[f] {
			w := o.cols[f][i]
			if math.Float64bits(v) != math.Float64bits(w) && (v == v || w == w) {
				return false
			}
		}
	}
	return true
}

// randomSamples makes samples of every shape the encoder knows.
func randomSamples(r *rand.Rand) *samples {
	n, fields := 1+r.IntN(300), r.IntN(6)
	s := newSamples(fields, n)
	s.devices = []string{"Charge 5", "", "Watch\x00é"}[:1+r.IntN(3)]
	unit := []int64{1e9, 60e9, 1e6, 1e3, 1}[r.IntN(5)]
	t := (r.Int64N(4e9) - 2e9) * 1e9 / unit * unit
	rev, dev := int64(r.IntN(5)), uint16(0)
	kinds := make([]int, fields)
	for f := range kinds {
		kinds[f] = r.IntN(8)
	}
	for range n {
		t += unit * (1 + r.Int64N(1+r.Int64N(5000)))
		if r.IntN(20) == 0 {
			rev, dev = r.Int64N(1000), uint16(r.IntN(len(s.devices)))
		}
		s.times, s.revs, s.dev = append(s.times, t), append(s.revs, rev), append(s.dev, dev)
		for f := range s.cols {
			s.cols[f] = append(s.cols[f], randomValue(r, kinds[f]))
		}
	}
	return s
}

func randomValue(r *rand.Rand, kind int) float64 {
	switch {
	case kind >= 4 && r.IntN(3) == 0:
		return math.NaN()
	case r.IntN(200) == 0:
		return []float64{math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat64, 5e-324, 1 << 53, -1 << 60}[r.IntN(7)]
	}
	switch kind % 4 {
	case 0:
		return float64(r.IntN(200) - 20)
	case 1:
		return float64(r.IntN(1e6)) / math.Pow10(r.IntN(9))
	case 2:
		return float64(r.IntN(9000)) / float64(1+r.IntN(90))
	default:
		return r.NormFloat64() * math.Pow10(r.IntN(40)-20)
	}
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c, got := &codec{}, &samples{}
	for i := range 1000 {
		s := randomSamples(r)
		data := c.encode(s)
		if err := c.decode(got, data); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		if !s.equal(got) {
			t.Fatalf("case %d: %d samples of %d fields came back different", i, s.len(), len(s.cols))
		}
	}
}

// Every kind of storage must be met by the round trip, or it proves little.
func TestRoundTripMeetsEveryKind(t *testing.T) {
	c, r := &codec{}, rand.New(rand.NewPCG(9, 9))
	ramp := func(n int, v func(i int) float64) []byte {
		s := newSamples(1, n)
		s.devices = []string{"x"}
		for i := range n {
			s.times, s.revs, s.dev = append(s.times, int64(i)*60e9), append(s.revs, 1), append(s.dev, 0)
			s.cols[0] = append(s.cols[0], v(i))
		}
		return c.putField(nil, s.cols[0])
	}
	for _, tc := range []struct {
		name string
		how  byte
		size int
		v    func(i int) float64
	}{
		{"decimal", asDecimal, 1000, func(int) float64 { return float64(r.IntN(97)) / 10 }},
		{"delta", asDelta, 300, func(i int) float64 { return float64(1000 + i*3 + i%2) }},
		{"fraction", asFraction, 3000, func(i int) float64 { return float64(4000+i*13%600) / float64(50+i%10) }},
		{"bits", asBits, 8100, func(i int) float64 { return math.Sqrt(float64(i)) }},
	} {
		got := ramp(1000, tc.v)
		if got[1] != tc.how || len(got) > tc.size {
			t.Errorf("%s: kind %d in %d bytes; want kind %d in at most %d", tc.name, got[1], len(got), tc.how, tc.size)
		}
	}
}

// The format of chunks on people's disks: what has been written must stay readable.
func TestGoldenChunks(t *testing.T) {
	names, err := filepath.Glob("testdata/chunks/*.hex")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 && !*update {
		t.Fatal("no golden chunks")
	}
	for i, name := range []string{"tiny", "devices", "mixed", "long"} {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		s := randomSamples(r)
		for name == "long" && s.len() < 200 || name == "devices" && len(s.devices) < 2 || name == "mixed" && len(s.cols) < 4 {
			s = randomSamples(r)
		}
		file := filepath.Join("testdata", "chunks", name+".hex")
		c := &codec{}
		if *update {
			os.MkdirAll(filepath.Dir(file), 0o755)
			text := hex.EncodeToString(c.encode(s))
			if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		got := &samples{}
		if err := c.decode(got, data); err != nil || !got.equal(s) {
			t.Errorf("%s: reads as something else (%v)", file, err)
		}
	}
}

func TestDecodeNoticesEveryFlippedByte(t *testing.T) {
	c := &codec{}
	data := c.encode(randomSamples(rand.New(rand.NewPCG(3, 3))))
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x40
		if err := c.decode(&samples{}, bad); err == nil {
			t.Fatalf("byte %d flipped, and nobody noticed", i)
		}
	}
	for i := range data {
		if err := c.decode(&samples{}, data[:i]); err == nil {
			t.Fatalf("cut at %d, and nobody noticed", i)
		}
	}
}

// Behind the checksum: whatever is there, unpack must not panic, and what it accepts must survive a round trip.
func FuzzUnpack(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	c := &codec{}
	for range 20 {
		data := c.encode(randomSamples(r))
		f.Add(data[:len(data)-4])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, s := &codec{}, &samples{}
		if c.unpack(s, data) != nil {
			return
		}
		for i, rev := range s.revs {
			if i > 0 && s.times[i] <= s.times[i-1] || rev < 0 {
				return // never encoded
			}
		}
		again := &samples{}
		if err := c.decode(again, c.encode(s)); err != nil || !s.equal(again) {
			t.Fatalf("accepted, but does not survive a round trip (%v)", err)
		}
	})
}
