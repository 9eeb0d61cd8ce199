// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package plan

import (
	"os"
	"path/filepath"
	"testing"
)

// TestScenarios lives through weeks of a person's life and compares what the plan did with testdata/*/want.txt.
func TestScenarios(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/scenario.json")
	if err != nil || len(dirs) < 11 {
		t.Fatalf("%d scenarios found, %v", len(dirs), err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, readScenario(t, path))
			got := w.run()
			w.judge()
			golden := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the decisions have changed; see the difference with -update and git diff\n%s", firstDifference(got, string(want)))
			}
		})
	}
}
