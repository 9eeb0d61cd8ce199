package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// The same files are the same package, and come out as they went in.
func TestPackages(t *testing.T) {
	files := []entry{{"fitbit-fetch", 0o755, bytes.Repeat([]byte("program"), 1000)}, {"LICENSE", 0o644, []byte("text")}}
	for name, pack := range map[string]func(string, []entry, time.Time) ([]byte, error){"tar": tarred, "zip": zipped} {
		one, err := pack("x", files, at)
		if err != nil {
			t.Fatal(err)
		}
		two, err := pack("x", files, at)
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("%s: two packages of the same files differ (%v)", name, err)
		}
	}
	packed, _ := tarred("x", files, at)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for r, i := tar.NewReader(z), 0; ; i++ {
		h, err := r.Next()
		if err == io.EOF && i == len(files) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || h.Name != "x/"+files[i].name || h.Mode != files[i].mode || !h.ModTime.Equal(at) || !bytes.Equal(data, files[i].data) {
			t.Errorf("%s came out otherwise (%v)", h.Name, err)
		}
	}
	packed, _ = zipped("x", files, at)
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil || len(r.File) != len(files) {
		t.Fatalf("the zip cannot be read: %v", err)
	}
	for i, f := range r.File {
		if f.Name != "x/"+files[i].name || int64(f.Mode().Perm()) != files[i].mode || f.UncompressedSize64 != uint64(len(files[i].data)) {
			t.Errorf("%s came out otherwise", f.Name)
		}
	}
}

// What comes along is there.
func TestBeside(t *testing.T) {
	for _, name := range beside {
		if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
			t.Error(err)
		}
	}
}
