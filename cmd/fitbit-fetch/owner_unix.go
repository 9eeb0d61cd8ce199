//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

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

// refused reports whether the rights of a file or folder, or its disk, stand in the way of reading and writing. Anything else is told by
// whoever writes.
func refused(path string, folder bool) bool {
	mode := uint32(unix.R_OK | unix.W_OK)
	if folder {
		mode |= unix.X_OK
	}
	return forbidden(unix.Access(path, mode))
}

func forbidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
