package main

import (
	"errors"
	"io/fs"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
)

// becomeOwner is for containers, where root starts the program.
func becomeOwner(config.Options) error { return nil }

// refused cannot be asked of Windows beforehand: whoever writes tells it.
func refused(string, bool) bool { return false }

func forbidden(err error) bool { return errors.Is(err, fs.ErrPermission) }
