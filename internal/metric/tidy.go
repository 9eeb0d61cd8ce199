package metric

import (
	"cmp"
	"slices"
)

// Tidied brings blocks into the order of time, one sample per instant, and drops the empty ones.
func Tidied(blocks []Block) []Block {
	var out []Block
	for _, b := range blocks {
		if b.Len() > 0 {
			b.Tidy()
			out = append(out, b)
		}
	}
	return out
}

// Tidy sorts a block; of several samples at one instant the one that came last stays.
func (b *Block) Tidy() {
	ascending, descending := true, true
	for i := 1; i < len(b.Times); i++ {
		ascending = ascending && b.Times[i-1] < b.Times[i]
		descending = descending && b.Times[i-1] > b.Times[i]
	}
	switch {
	case ascending:
		return
	case descending:
		slices.Reverse(b.Times)
		for _, v := range b.Values {
			slices.Reverse(v)
		}
		return
	}
	order := make([]int, len(b.Times))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(b.Times[i], b.Times[j]), cmp.Compare(i, j)) })
	kept := order[:0]
	for k, i := range order {
		if k+1 < len(order) && b.Times[order[k+1]] == b.Times[i] {
			continue
		}
		kept = append(kept, i)
	}
	b.Times = picked(b.Times, kept)
	for j := range b.Values {
		b.Values[j] = picked(b.Values[j], kept)
	}
}

func picked[T any](from []T, order []int) []T {
	out := make([]T, len(order))
	for i, at := range order {
		out[i] = from[at]
	}
	return out
}
