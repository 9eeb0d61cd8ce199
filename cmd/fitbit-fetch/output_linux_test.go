package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile/doortest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// callOver is a call of a command over an archive that holds a day of steps.
func callOver(t *testing.T) (c *call, stdout *bytes.Buffer) {
	t.Helper()
	a := pageOver(t).app
	a.catalogue = metric.Default()
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	b := metric.Block{Series: metric.Steps, Device: "Charge 6"}
	for m := range 24 * 60 {
		b.Append(start.Add(time.Duration(m)*time.Minute).UnixNano(), float64(m*m%97))
	}
	span := metric.Span{Start: start, End: start.AddDate(0, 0, 1)}
	_, err := a.archive.Put(t.Context(), metric.Batch{Person: "me", Source: "google", Feed: "steps_intraday", Span: span, Asked: span.End, Final: span.End,
		Series: []metric.ID{metric.Steps}, Blocks: []metric.Block{b}})
	if err != nil {
		t.Fatal(err)
	}
	stdout = &bytes.Buffer{}
	return &call{app: a, dir: t.TempDir(), stdout: stdout, stderr: io.Discard}, stdout
}

func TestDoorExport(t *testing.T) {
	c, stdout := callOver(t)
	doortest.Run(t, doortest.Door{
		Write: func(path string) error {
			stdout.Reset()
			err := c.export(t.Context(), &exportFlags{format: "line", out: path})
			if (err == nil) != strings.Contains(stdout.String(), "1440 samples written to") {
				t.Errorf("error %v, and it said: %s", err, stdout)
			}
			if err != nil && exitCode(err) != exitFailed {
				t.Errorf("exit code %d", exitCode(err))
			}
			return err
		},
		Whole: func(t *testing.T, path string) {
			if data, err := os.ReadFile(path); err != nil || bytes.Count(data, []byte("\n")) != 1440 {
				t.Errorf("%d lines (%v)", bytes.Count(data, []byte("\n")), err)
			}
		},
		Hint: hint, Perm: 0o600,
	})
}

// The report of an empty program is small; the suite wants something that does not fit, so there are options that zip cannot make small.
func TestDoorDiagnose(t *testing.T) {
	c, stdout := callOver(t)
	c.app.people = nil
	r := rand.New(rand.NewPCG(1, 1))
	for range 4000 {
		c.app.opts.Persons = append(c.app.opts.Persons, config.Person{ID: fmt.Sprintf("%016x", r.Uint64())})
	}
	doortest.Run(t, doortest.Door{
		Write: func(path string) error {
			stdout.Reset()
			err := c.diagnose(t.Context(), &diagnoseFlags{out: path})
			if (err == nil) != strings.Contains(stdout.String(), "report written to") {
				t.Errorf("error %v, and it said: %s", err, stdout)
			}
			return err
		},
		Whole: func(t *testing.T, path string) {
			z, err := zip.OpenReader(path)
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			if _, err := z.Open("status.json"); err != nil {
				t.Error(err)
			}
		},
		Hint: hint, Perm: 0o600,
	})
}

// A command that is interrupted leaves the old file, however far it was.
func TestInterruptedOutput(t *testing.T) {
	c, stdout := callOver(t)
	path := filepath.Join(c.dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range []bool{true, false} { // the end comes in the middle, or when all is written
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.write(ctx, "file", func(w io.Writer) (err error) {
			io.WriteString(w, "new")
			cancel()
			for err == nil {
				_, err = io.WriteString(w, "more")
			}
			if more {
				return err
			}
			return nil
		})
		if exitCode(err) != exitStopped || stdout.Len() > 0 {
			t.Errorf("error %v, and it said: %s", err, stdout)
		}
	}
	entries, _ := os.ReadDir(c.dir)
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" || len(entries) != 1 {
		t.Errorf("it holds %q, in a folder with %v (%v)", got, entries, err)
	}
}

// A report of the owner's process is not written into the owner's own files.
func TestOutputOfAnotherProcess(t *testing.T) {
	c, _ := callOver(t)
	for _, name := range []string{"/dev/fd/3", "/proc/self/fd/3", "/proc/1/fd/1", "/dev/stderr", "/dev/../dev/fd/3"} {
		err := c.export(t.Context(), &exportFlags{format: "line", out: name})
		if e, ok := errors.AsType[*atomicfile.Error](err); !ok || e.Path != name || !strings.Contains(e.Hint, "standard output") || exitCode(err) != exitFailed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.export(t.Context(), &exportFlags{format: "line", out: "/dev/full"}); !errors.Is(err, syscall.ENOSPC) || hint(err) == "" {
		t.Errorf("/dev/full: %v", err)
	}
}

// The program's own files are not what a command's output is for.
func TestOutputOverOurOwnFiles(t *testing.T) {
	c, _ := callOver(t)
	c.app.opts.Archive = filepath.Join(c.dir, "archive.db")
	c.app.opts.Persons = []config.Person{{ID: "me", TokenFile: filepath.Join(c.dir, "token.json")}}
	for _, name := range []string{"archive.db", "archive.db-wal", "archive.db-shm", "archive.db.lock", "archive.db.snapshot", "token.json"} {
		path := filepath.Join(c.dir, name)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(c.dir, "link")
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{name, "link"} {
			err := c.export(t.Context(), &exportFlags{format: "line", out: out})
			if e, ok := errors.AsType[*atomicfile.Error](err); !ok || e.Hint == "" || exitCode(err) != exitFailed {
				t.Errorf("%s by %s: %v", name, out, err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
			t.Errorf("%s holds %d bytes now (%v)", name, len(got), err)
		}
		os.Remove(link)
	}
}
