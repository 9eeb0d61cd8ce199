// Command release builds the program for every system it is offered for, and packs each build with what its user needs, so that the
// same sources give the same bytes, whoever builds them, wherever and when.
//
//	release VERSION UNIX-TIME FOLDER
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// targets are the systems, as the compiler calls them.
var targets = []struct{ os, arch string }{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

// beside is what comes along, as it lies in the repository.
var beside = []string{"LICENSE", "README.md", "CHANGELOG.md", "compose.yml", ".env.example", "packaging/fitbit-fetch.service"}

// An entry is one file of a package.
type entry struct {
	name string
	mode int64
	data []byte
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: release VERSION UNIX-TIME FOLDER")
		os.Exit(2)
	}
	if err := release(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func release(version, unix, dir string) error {
	seconds, err := strconv.ParseInt(unix, 10, 64)
	if err != nil {
		return fmt.Errorf("the time of the release: %w", err)
	}
	at := time.Unix(seconds, 0).UTC()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var more []entry
	for _, name := range beside {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		more = append(more, entry{path.Base(name), 0o644, data})
	}
	var sums bytes.Buffer
	for _, t := range targets {
		program, err := build(version, t.os, t.arch)
		if err != nil {
			return fmt.Errorf("building for %s/%s: %w", t.os, t.arch, err)
		}
		name := fmt.Sprintf("fitbit-fetch_%s_%s_%s", version, t.os, t.arch)
		pack, ending, binary := tarred, ".tar.gz", "fitbit-fetch"
		if t.os == "windows" {
			pack, ending, binary = zipped, ".zip", "fitbit-fetch.exe"
		}
		data, err := pack(name, append([]entry{{binary, 0o755, program}}, more...), at)
		if err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+ending), data, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name+ending)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums.Bytes(), 0o644)
}

// build compiles the program. Neither the path of the sources nor the state of their repository is in it.
func build(version, system, arch string) ([]byte, error) {
	temp, err := os.MkdirTemp("", "fitbit-fetch-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	out := filepath.Join(temp, "program")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+version, "-o", out, "./cmd/fitbit-fetch")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// tarred packs files below a folder of that name, all of one time and nobody's.
func tarred(folder string, files []entry, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: folder + "/" + f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// zipped does the same as a zip, for Windows.
func zipped(folder string, files []entry, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: folder + "/" + f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		part, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
