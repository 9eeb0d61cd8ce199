package atomicfile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

func TestWriteReplacesContentAndMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a[1]*.json")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Fatalf("content %q, error %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, error %v", info.Mode(), err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Fatalf("left behind: %v", names)
	}
}

func TestAsideNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token.json")
	now := time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC)
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		name, err := Aside(path, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(name); string(got) != content {
			t.Fatalf("%s holds %q, want %q", name, got, content)
		}
	}
	if got, want := fmt.Sprint(list(t, dir)), "[token.json.unreadable-20261123T073000Z token.json.unreadable-20261123T073000Z-2]"; got != want {
		t.Fatalf("names %s, want %s", got, want)
	}
}

// TestKilledWhileWriting kills a process that writes without pause; what stands in the file is whole each time.
func TestKilledWhileWriting(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_TEST_WRITE"); path != "" {
		for i := 0; ; i++ {
			content := bytes.Repeat([]byte{byte('a' + i%26)}, 64<<10)
			if err := Write(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	for round := range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileWriting$")
		cmd.Env = append(os.Environ(), "ATOMICFILE_TEST_WRITE="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForFile(t, path)
		<-time.After(time.Duration(1+round*3) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 64<<10 || strings.Trim(string(got), string(got[:1])) != "" {
			t.Fatalf("round %d: torn content of %d bytes", round, len(got))
		}
		os.Remove(path)
	}
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	proctest.Until(t, "the child to write something", func() bool {
		_, err := os.Stat(path)
		return err == nil
	}, nil)
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
