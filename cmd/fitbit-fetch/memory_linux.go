package main

import (
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileReleaser returns what takes the pages of the program's own file out of its memory, code and constants: the start and a burst of
// work touch nearly all of them, a quiet minute few. What is needed again comes back from the system's file cache in microseconds.
// Where it can't be done they stay.
func fileReleaser() (letGo func()) {
	self, err := os.Executable()
	if err != nil || !asInFile() {
		return func() {}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return func() {}
	}
	spans := pagesOf(string(maps), self)
	return func() {
		for _, span := range spans {
			unix.Syscall(unix.SYS_MADVISE, span[0], span[1]-span[0], unix.MADV_DONTNEED)
		}
	}
}

// asInFile says whether memory that can't be written to is as it is in the file. A program that may lie at any address has constants
// that were made fit for the address at the start, and would be lost.
func asInFile() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-buildmode", Value: "exe"})
}

// pagesOf returns the spans of addresses, first and end, at which maps, in the form of proc_pid_maps(5), has what can't be written to
// of a file.
func pagesOf(maps, file string) (spans [][2]uintptr) {
	for line := range strings.Lines(maps) {
		f := strings.Fields(line) // addresses, permissions, offset, device, inode, path
		if len(f) < 6 || f[1] != "r-xp" && f[1] != "r--p" || f[5] != file {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		first, err := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err == nil && err2 == nil && first < end {
			spans = append(spans, [2]uintptr{uintptr(first), uintptr(end)})
		}
	}
	return spans
}
