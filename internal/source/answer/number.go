package answer

import (
	"math"
	"strconv"
	"unsafe"
)

// Number reads a number as JSON and XML write it. Other writings that Go knows, such as 1_0, 0x1p4 and Inf, are none of a service's.
func Number(b []byte) (float64, bool) {
	for _, c := range b {
		if (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E' {
			return math.NaN(), false
		}
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64) // which keeps nothing of the text
	if err != nil {
		return math.NaN(), false
	}
	return f + 0, true // minus zero is zero
}
