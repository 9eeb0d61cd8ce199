// Twenty thousand answers, one after the other: without the race detector, which would take ten times as long (make test runs these tests
// beside the others).

//go:build !race

package google

import (
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// Whatever one thing in an answer is changed into, nothing else changes by it, and nothing is invented.
func TestMutations(t *testing.T) {
	golden.Mutate(t, []sourcetest.Exception{
		{Path: `: (dataPoints|rollupDataPoints|pairedDevices)$`, Mutation: "removed", Why: "a page without the list is how the service says that there is nothing"},
		{Path: `: nextPageToken$`, Mutation: "removed", Why: "a page without it is the last"},
		{Path: `: rollupDataPoints\[\d+\]\.\w+$`, Mutation: "removed", Why: "a window of a roll-up that holds only its times had nothing in it"},
		{Path: `: rollupDataPoints\[\d+\]\.\w+\.\w+$`, Mutation: "removed", Why: "a sum of 0 is left out"},
		{Path: `_intraday: dataPoints\[\d+\]\.(steps|distance|floors|altitude)\.\w+$`, Mutation: "removed", Why: "the same, of a minute"},
		{Path: `skin_temperature: .*\.(baseline|nightly)TemperatureCelsius$`, Mutation: "removed|NaN", Why: "there is no baseline in the first weeks"},
		{Case: `mirror|twin|^workouts$`, Path: `(sleep|workouts): dataPoints\[0\]`, Why: "where the one that others repeat cannot be read, or begins another way, one of those takes its place"},
		{Path: `sleep: .*\.sleep\.stages$`, Mutation: "removed", Why: "a sleep need not have stages"},
		{Path: `sleep: .*\.sleep\.summary$`, Mutation: "removed", Why: "without a summary the minutes are counted from the stages"},
		{Path: `sleep: .*\.stages\[\d+\]\.type$`, Mutation: "removed", Why: "an unspecified stage is left out: the level is unknown"},
	})
}
