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
		{Path: `workouts: dataPoints\[0\]\.exercise\.metricsSummary$`, Mutation: "removed", Why: "without its values it is a mirror of the other, which takes its place"},
		{Path: `describe: healthUserId$`, Mutation: "NaN|minus", Why: "an id may be any word"},
		{Path: `(start|end|describe: )[uU]tcOffset$`, Mutation: "minus", Why: "there are places on both sides of Greenwich"},
		{Path: `\.altitude\.\w+$`, Mutation: "minus", Why: "what is gained in elevation may be less than nothing"},
		{Case: `roll-(half-past|two-days)`, Path: `: rollupDataPoints\[0\]\.civil(Start|End)Time`, Why: "a window that does not tell where it is not the day's is taken for the day's"},
		{Case: `zones-torn`, Path: `heart_zones: .*Zones\[\d+\]`, Why: "without the one of two that differ, the other one is known"},
		{Case: `sleep-rows-torn`, Path: `stagesSummary\[[04]\]`, Why: "the same, of the rows of a sleep"},
		{Case: `sleep-stages-at-once`, Path: `stages\[[24]\]`, Why: "the same, of two stages at once"},
		{Path: `describe: timeZone$`, Why: "of a zone that is not known, or not there, the offset is taken"},
		{Path: `describe: utcOffset$`, Mutation: "removed", Why: "a name that is known needs no offset, and without both the option is asked for"},
		{Path: `activity_minutes: dataPoints\[\d+\](\.activityLevel(\.interval.*)?)?$`, Why: "where a segment's times cannot be read, it may be missing in the sums of any day"},
		{Case: `segments-overlap`, Path: `activity_minutes: .*\.activityLevelType$`, Why: "on a day with a segment of an unknown level, no level is known to be 0"},
		{Case: `same-name`, Path: `workouts: dataPoints\[1\]`, Why: "where a session stands twice, one of both is read"},
		{Path: `track: Trackpoint\[\d+\]\.(HeartRateBpm|Value)$`, Mutation: "removed", Why: "a trackpoint need hold nothing but its time"},
		{Path: `track: Trackpoint\[\d+\]\.(Latitude|Longitude|Altitude)\w+$`, Mutation: "minus", Why: "there are such places"},
		{Path: `sleep: .*\.sleep\.stages$`, Mutation: "removed", Why: "a sleep need not have stages"},
		{Case: `^sleep-stages$`, Path: `sleep: .*\.sleep\.stages(\[\d+\](\.\w+)?)?$`, Why: "the stages are the judge of the sums only where all of them can be read"},
		{Path: `sleep: .*\.sleep\.summary$`, Mutation: "removed", Why: "without a summary the minutes are counted from the stages"},
		{Path: `sleep: .*\.stages\[\d+\]\.type$`, Mutation: "removed", Why: "an unspecified stage is left out: the level is unknown"},
	})
}
