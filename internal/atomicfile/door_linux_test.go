package atomicfile_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile/doortest"
)

var content = bytes.Repeat([]byte("0123456789abcdef"), 4096)

func whole(t *testing.T, path string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d of %d bytes (%v)", len(got), len(content), err)
	}
}

func TestDoorWrite(t *testing.T) {
	doortest.Run(t, doortest.Door{
		Write: func(path string) error { return atomicfile.Write(path, content, 0o640) }, Whole: whole, Perm: 0o640,
	})
}

// A stream whose writer does not look at the errors of its writes: Commit knows them.
func TestDoorStream(t *testing.T) {
	doortest.Run(t, doortest.Door{
		Write: func(path string) error {
			f, err := atomicfile.Create(path, 0o600)
			if err != nil {
				return err
			}
			defer f.Abort()
			for r := bytes.NewReader(content); r.Len() > 0; {
				io.CopyN(f, r, 3000)
			}
			return f.Commit()
		}, Whole: whole, Perm: 0o600,
	})
}
