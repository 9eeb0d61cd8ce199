package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
)

// checkFolders finds out what cannot be written before anything depends on it: a refresh token that works once, most of all.
func checkFolders(o config.Options) error {
	folders := []string{filepath.Dir(o.Archive), o.DataDir}
	for _, p := range o.Persons {
		folders = append(folders, filepath.Dir(p.TokenFile))
	}
	seen := map[string]bool{}
	for _, dir := range folders {
		if seen[dir] {
			continue
		}
		seen[dir] = true
		if err := os.MkdirAll(dir, 0o700); err != nil {
			hint := ""
			if forbidden(err) {
				hint = fmt.Sprintf("Make it for that user: sudo install -d -o %d %s", os.Geteuid(), dir)
			}
			return &archive.Error{Err: fmt.Errorf("creating the data folder: %w", err), Hint: hint}
		}
		if refused(dir, true) {
			return &archive.Error{Err: fmt.Errorf("the folder %s cannot be written by user %d", dir, os.Geteuid()), Hint: ownCure(dir)}
		}
	}
	files := []string{o.Archive, o.Archive + "-wal", o.Archive + ".lock"}
	for _, p := range o.Persons {
		files = append(files, p.TokenFile)
	}
	for _, path := range files {
		if refused(path, false) {
			return &archive.Error{Err: fmt.Errorf("the file %s cannot be read and written by user %d", path, os.Geteuid()), Hint: ownCure(filepath.Dir(path))}
		}
	}
	return nil
}

// ownCure is how a folder becomes this process's.
func ownCure(dir string) string {
	return fmt.Sprintf("Give it to that user: sudo chown -R %d %s; in a container, the folder of the machine that is mounted there, such as: sudo chown -R %[1]d ./%[3]s",
		os.Geteuid(), dir, filepath.Base(dir))
}
