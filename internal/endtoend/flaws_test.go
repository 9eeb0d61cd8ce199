package endtoend

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flaws are those of the original project's client that have been found, by their numbers in our list of them, each with what proves
// that ours is free of it: tests as folder:Test, golden cases as folder:case, scripts as folder:name.txtar.
var flaws = []struct {
	flaw  string
	proof string
	ours  string // where nothing is to be proved: why
}{
	// Tokens and logging
	{flaw: "a refresh each hour whose token is dropped", proof: "internal/auth:TestRenewalAheadOfTheEnd internal/auth:TestManyAskOneRefreshes"},
	{flaw: "a token file that is truncated, then written", proof: "internal/atomicfile:TestKilledWhileWriting internal/auth:TestTornFile internal/auth:TestDiskFull internal/endtoend:TestFitbitKilledAtRefresh"},
	{flaw: "tokens in the log, and refusals that repeat them", proof: "internal/auth:TestNothingPrintsSecrets internal/endtoend:TestSecretsStayInside internal/source/fitbit:error-expired cmd/fitbit-fetch:TestNoSecretLeaves"},
	{flaw: "a refused client that asks for tokens without end", proof: "internal/auth:TestRejectedUntilReauthorized internal/auth:TestAnswersOfTheTokenService internal/auth:TestNoBearerForOthers"},
	{flaw: "no way to authorize, a secret that must be, no end of a token known", proof: "internal/auth:TestConsentAddress internal/auth:TestFitbitApplicationTypes internal/auth:TestTokenFileRoundTrip cmd/fitbit-fetch:run-unauthorized.txtar"},
	{flaw: "a log file that is truncated by each start", proof: "internal/endtoend:TestLogOutlivesAStart cmd/fitbit-fetch:log.txtar"},
	// HTTP and retry
	{flaw: "no time limit; cut answers and broken JSON end the program", proof: "internal/source/fitbit:TestContract internal/source/fitbit:TestCutAnywhere internal/source/fitbit:TestUnsent internal/endtoend:TestBadAnswers"},
	{flaw: "one counter of tries for everything; the fifth failure ends the program", proof: "internal/source/fitbit:TestQuickRepetition internal/collect:TestFailures"},
	{flaw: "a limit without its header ends the program; waiting holds up all", proof: "internal/source/fitbit:TestWhenAgain internal/source/fitbit:TestBudgetRefused internal/source/fitbit:error-too-many internal/endtoend:TestFitbitBeside"},
	{flaw: "one refusal ends the program, and nothing is ever written", proof: "internal/source/fitbit:error-scope internal/source/fitbit:error-google-forbids internal/source/fitbit:breathing-stages-refused internal/collect:TestDeniedIsRemembered"},
	{flaw: "one failing job ends all", proof: "internal/collect:TestFailures internal/collect:TestBadSpan internal/collect:TestPutFails"},
	{flaw: "what the service says is left is not read: every window ends in a refusal", proof: "internal/source/fitbit:TestBudget internal/source/fitbit:TestBudgetCountsAttempts internal/endtoend:TestFitbitBulk"},
	// Data loss
	{flaw: "a database that is away ends the program", proof: "internal/endtoend:TestDatabaseAway internal/deliver:TestOutage internal/deliver:TestRealOutage"},
	{flaw: "a refused batch is thrown away", proof: "internal/deliver:TestRejected internal/sink/influx:TestDivides internal/sink/influx:TestConflictCure"},
	{flaw: "looking back two days: later syncs and edits are never seen", proof: "internal/endtoend:TestLateWeek internal/collect:TestSync internal/plan:TestScenarios internal/endtoend:TestNightComputedAgain"},
	{flaw: "fifty workouts and eleven tracks, the same ones again each hour", proof: "internal/source/fitbit:workouts-pages internal/endtoend:TestKilledBackfill internal/archive:TestTracks"},
	{flaw: "a backfill that begins anew after any fault, with no live data beside it", proof: "internal/endtoend:TestKilledBackfill internal/endtoend:TestFitbitBeside"},
	{flaw: "what was collected is lost when the program is stopped", proof: "internal/endtoend:TestStop internal/endtoend:TestStopInUse"},
	// Parsing crashes
	{flaw: "no devices, or one without a level of its battery", proof: "internal/source/fitbit:devices-none internal/source/fitbit:devices"},
	{flaw: "an application that gets no minutes", proof: "internal/source/fitbit:heart-not-personal"},
	{flaw: "no heart zones, or some in another order, or without minutes", proof: "internal/source/fitbit:heart-zones-none internal/source/fitbit:heart-days-other-order internal/source/fitbit:heart-days internal/source/fitbit:heart-not-worn"},
	{flaw: "a weight without body mass index, a breathing rate without value, a workout without start", proof: "internal/source/fitbit:weight internal/source/fitbit:breathing-no-value internal/source/fitbit:workout-no-start internal/source/fitbit:lie-workouts-no-start"},
	{flaw: "blood oxygen of a range as a single object", proof: "internal/source/fitbit:spo2-single internal/source/fitbit:spo2-minutes-single internal/source/fitbit:spo2-empty-object"},
	{flaw: "an answer without its list", proof: "internal/source/fitbit:lie-other-key internal/source/fitbit:FuzzFetch"},
	{flaw: "a point without any value", proof: "internal/source/fitbit:hrv internal/source/fitbit:TestContract"},
	// Semantics
	{flaw: "the hour that the clocks show twice is one", proof: "internal/source/fitbit:heart-clocks-back internal/source/fitbit:sleep-clocks-back internal/source/fitbit:steps-clocks-forward internal/endtoend:TestOneTruth"},
	{flaw: "one time zone for all of history", proof: "internal/collect:TestTravel internal/source/fitbit:devices-profile-refused"},
	{flaw: "pounds, miles and Fahrenheit without a word of it", proof: "internal/endtoend:TestOneTruth internal/sink/influx:TestUnits internal/deliver:TestUnitsRemembered"},
	{flaw: "short wakings left out, computed nights left lying, pending nights forgotten", proof: "internal/source/fitbit:sleep-stages internal/source/fitbit:sleep-pending internal/source/fitbit:sleep-nap internal/deliver:TestNightAgain",
		ours: "restless minutes of a classic log count as REM as they do there, for databases and dashboards that have it so"},
	{flaw: "heart zones and active zone minutes in one measurement", ours: "kept as it is, for databases and dashboards that have it; two series of the catalogue write it"},
	{flaw: "the first device's battery only, without a tag", proof: "internal/collect:TestBattery"},
	{flaw: "times of workouts and tracks in the zone of the container", proof: "internal/source/fitbit:workout internal/source/fitbit:workout-local-z internal/source/fitbit:track"},
	{flaw: "much that the service has is not asked for", proof: "internal/source/fitbit:TestContract internal/source/fitbit:core-temperature internal/source/fitbit:calories-intraday",
		ours: "ECG, water, food and goals are of no series of ours"},
	{flaw: "no MQTT, no health check, one person", proof: "internal/homeassistant:TestPublishes cmd/fitbit-fetch:homeassistant.txtar internal/simulate:TestFitbitTwoPersons internal/endtoend:TestTruth"},
}

// TestFlaws keeps the list honest: what it names exists. Whether that passes is shown where it stands.
func TestFlaws(t *testing.T) {
	if len(flaws) != 34 {
		t.Errorf("%d flaws, want 34", len(flaws))
	}
	tests := map[string]map[string]bool{}
	for i, f := range flaws {
		t.Run(fmt.Sprintf("%d %s", i+1, f.flaw), func(t *testing.T) {
			if f.proof == "" && f.ours == "" {
				t.Error("neither proof nor reason")
			}
			for proof := range strings.FieldsSeq(f.proof) {
				folder, name, _ := strings.Cut(proof, ":")
				if tests[folder] == nil {
					tests[folder] = testsOf(t, folder)
				}
				if !tests[folder][name] {
					t.Errorf("there is no %s in %s", name, folder)
				}
			}
		})
	}
}

// testsOf returns the names of a folder's tests, golden cases and scripts.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	root := filepath.Join("..", "..", filepath.FromSlash(folder))
	out := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s (%v)", folder, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				out[f.Name.Name] = true
			}
		}
	}
	for _, pattern := range []string{"testdata/cases/*/want.txt", "testdata/script/*.txtar"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if filepath.Base(name) == "want.txt" {
				name = filepath.Dir(name)
			}
			out[filepath.Base(name)] = true
		}
	}
	return out
}

// A log file goes on where it ended, however the program did.
func TestLogOutlivesAStart(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(371, "Europe/Berlin", "", today)
	w := newWorld(t, calm(today, 12, p), 1, p)
	h := newHome(t, w, today, "")
	log := filepath.Join(h.dir, "fetch.log")
	h.more = fmt.Sprintf("leave_out: [heart_rate, heart_rate_minute]\nlog_file: %s\n", log)
	const before = "what stood there before\n"
	if err := os.WriteFile(log, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	size := len(before)
	for range 3 {
		run := h.run()
		h.await(run, "an answer", func(status) bool { return true })
		run.Kill()
		text, err := os.ReadFile(log)
		if err != nil || !strings.HasPrefix(string(text), before) || len(text) <= size {
			t.Fatalf("%d bytes, %d before (%v)", len(text), size, err)
		}
		size = len(text)
	}
}
