//go:build unix

package archive

import (
	"errors"
	"os"
	"syscall"
)

// hold takes the lock of an open file without waiting; false if another process has it. The system lets go of it with the process.
func hold(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
