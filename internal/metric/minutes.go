package metric

import (
	"math"
	"slices"
)

const minute = int64(60e9)

// MinutesOf makes the samples of HeartRateMinute out of a block of HeartRate: mean, lowest and highest of each minute, at the
// minute's beginning. Means have two decimals. A minute without a sample has none.
func MinutesOf(raw Block) Block {
	out := Block{Series: HeartRateMinute, Device: raw.Device, Values: make([][]float64, 3)}
	if raw.Len() == 0 {
		return out
	}
	bpm := raw.Values[0]
	for i := 0; i < len(raw.Times); {
		start := raw.Times[i] - mod(raw.Times[i], minute)
		sum, low, high, n := 0.0, math.Inf(1), math.Inf(-1), 0
		for ; i < len(raw.Times) && raw.Times[i] < start+minute; i++ {
			if v := bpm[i]; Present(v) {
				sum, low, high, n = sum+v, min(low, v), max(high, v), n+1
			}
		}
		if n > 0 {
			out.Append(start, math.Round(sum/float64(n)*100)/100, low, high)
		}
	}
	return out
}

// mod is the remainder that is never negative.
func mod(a, b int64) int64 { return (a%b + b) % b }

// Crop drops the samples outside s.
func (b *Block) Crop(s Span) {
	from, _ := slices.BinarySearch(b.Times, s.Start.UnixNano())
	upto, _ := slices.BinarySearch(b.Times, s.End.UnixNano())
	upto = max(from, upto)
	b.Times = b.Times[from:upto]
	for i := range b.Values {
		b.Values[i] = b.Values[i][from:upto]
	}
}
