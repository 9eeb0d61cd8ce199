package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
)

// becomeOwner gives root's rights up where the folder of the token file belongs to somebody else, as ./tokens belongs to user 1000 in
// the Python project's compose file: that project, and the user, can go on with all that is written. Home Assistant's app stays root.
func becomeOwner(o config.Options) error {
	if os.Geteuid() != 0 || o.InApp || len(o.Persons) == 0 {
		return nil
	}
	folder := filepath.Dir(o.Persons[0].TokenFile)
	info, err := os.Stat(folder)
	if err != nil {
		return nil // it will be made, or told
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	gid, uid := int(owner.Gid), int(owner.Uid)
	for _, give := range []func() error{
		func() error { return syscall.Setgroups([]int{gid}) }, func() error { return syscall.Setgid(gid) }, func() error { return syscall.Setuid(uid) },
	} {
		if err := give(); err != nil {
			return fmt.Errorf("becoming user %d, whose folder %s is: %w; start it as that user (docker: user: \"%d:%d\")", uid, folder, err, uid, gid)
		}
	}
	return nil
}

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
		if refused(dir, readable|writes|searched) {
			return &archive.Error{Err: fmt.Errorf("the folder %s cannot be written by user %d", dir, os.Geteuid()), Hint: ownCure(dir)}
		}
	}
	files := []string{o.Archive, o.Archive + "-wal", o.Archive + ".lock"}
	for _, p := range o.Persons {
		files = append(files, p.TokenFile)
	}
	for _, path := range files {
		if refused(path, readable|writes) {
			return &archive.Error{Err: fmt.Errorf("the file %s cannot be read and written by user %d", path, os.Geteuid()), Hint: ownCure(filepath.Dir(path))}
		}
	}
	return nil
}

// What may be done with a file, as access(2) has it.
const (
	searched = 1
	writes   = 2
	readable = 4
)

// refused reports whether the rights of a file, or its disk, stand in the way. Anything else is told by whoever writes.
func refused(path string, mode uint32) bool {
	return forbidden(syscall.Access(path, mode))
}

func forbidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// ownCure is how a folder becomes this process's.
func ownCure(dir string) string {
	return fmt.Sprintf("Give it to that user: sudo chown -R %d %s; in a container, the folder of the machine that is mounted there, such as: sudo chown -R %[1]d ./%[3]s",
		os.Geteuid(), dir, filepath.Base(dir))
}
