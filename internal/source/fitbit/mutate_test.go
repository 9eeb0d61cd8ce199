// Thousands of answers, one after the other: without the race detector, which would take ten times as long (make test runs these tests
// beside the others).

//go:build !race

package fitbit

import (
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// Whatever one thing in an answer is changed into, nothing else changes by it, and nothing is invented.
func TestMutations(t *testing.T) {
	golden.Mutate(t, []sourcetest.Exception{
		{Path: `: br$`, Mutation: "removed", Why: "an empty object is how the service says that there is nothing"},
		{Path: `heart_days: .*\.value(\.restingHeartRate|\.heartRateZones(\[\d+\]\.\w+)?)?$`, Mutation: "removed", Why: "a day need not have a resting rate, or zones"},
		{Path: `sleep: .*\.levels\.summary$`, Mutation: "removed", Why: "without sums the minutes are counted from the stages"},
		{Path: `sleep: .*\.levels\.data$|heart_rate: .*\.dataset(\[\d+\])?$`, Mutation: "reversed|doubled", Why: "in the hour that the clocks show twice, the order tells which it is"},
		{Case: `clocks-back`, Path: `sleep: .*\.levels\.data\[\d+\]`, Why: "there it is the one before that tells"},
		{Path: `workouts: pagination\.next$`, Mutation: "removed", Why: "a page without it is the last"},
		{Path: `workouts: .*\.heartRateLink$`, Why: "by the link a start is known to be local"},
		{Case: `duration-object`, Path: `workouts: .*\.duration$`, Mutation: "type", Why: "what is put in its place can be read"},
		{Path: `activity: summary\.`, Mutation: "removed", Why: "a tracker need not count everything"},
		{Path: `active_zone_minutes: .*\.(fatBurn|cardio|peak)ActiveZoneMinutes$`, Mutation: "removed", Why: "a zone without minutes is left out"},
		{Path: `sleep: .*\.levels(\.data)?$`, Mutation: "removed", Why: "a sleep need not have stages"},
		{Path: `sleep: .*\.levels\.shortData$`, Mutation: "removed", Why: "a sleep need not have short wakes"},
		{Path: `body_fat: .*\.time$`, Mutation: "removed|null", Why: "without a time it is of the end of its day"},
		{Path: `weight: .*\.time$`, Mutation: "removed|null", Why: "without a time a weighing is of the end of its day"},
		{Path: `core_temperature: `, Mutation: "reversed", Why: "of several of the same second the last one counts"},
		{Path: `(describe|devices): \[\d+\]\.id$`, Mutation: "NaN", Why: "an id may be any word"},
		{Path: `track: Trackpoint\[\d+\]\.DistanceMeters$`, Mutation: "removed", Why: "a trackpoint need hold nothing but its time"},
		{Path: `describe: user\.encodedId$`, Mutation: "NaN", Why: "an id may be any word"},
		{Path: `describe: user\.timezone$`, Why: "of a zone that is not known, or not there, the offset is taken"},
		{Case: `workouts-pages`, Path: `workouts: activities\[0\]`, Why: "where a session stands twice, one of both is read"},
		{Case: `zones-torn`, Path: `heart_days: .*Zones\[[14]\]`, Why: "without the one of two that differ, the other one is known"},
		{Mutation: "moved", Why: "this service's lists had no other ones beside them, and it is no more"},
		{Path: `track: Trackpoint\[\d+\]\.(Latitude|Longitude|Altitude)\w+$`, Mutation: "minus", Why: "there are such places"},
		{Path: `elevation`, Mutation: "minus", Why: "what is gained in elevation may be less than nothing"},
		{Path: `\[\d+\]\.id$`, Mutation: "minus", Why: "an id may be any number"},
		{Path: `nightlyRelative$`, Mutation: "minus", Why: "a night may be cooler than others"},
	})
}
