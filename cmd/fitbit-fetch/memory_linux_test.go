package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

func TestPagesOf(t *testing.T) {
	const maps = `00400000-00d33000 r-xp 00000000 fe:00 1835042 /usr/bin/fitbit-fetch
00d33000-01946000 r--p 00933000 fe:00 1835042 /usr/bin/fitbit-fetch
01946000-019c4000 rw-p 01546000 fe:00 1835042 /usr/bin/fitbit-fetch
019c4000-03a46000 rw-p 00000000 00:00 0
7f1c0000-7f1c8000 r-xp 00000000 fe:00 77 /usr/lib/other.so
7ffd0000-7ffd2000 r-xp 00000000 00:00 0 [vdso]
`
	if got, want := pagesOf(maps, "/usr/bin/fitbit-fetch"), [][2]uintptr{{0x400000, 0xd33000}, {0xd33000, 0x1946000}}; !slices.Equal(got, want) {
		t.Errorf("pagesOf = %x, want %x", got, want)
	}
	for _, odd := range []string{"", "nonsense\n", "zz-yy r-xp 0 0 0 /usr/bin/fitbit-fetch\n", "2000-1000 r-xp 0 0 0 /usr/bin/fitbit-fetch\n"} {
		if got := pagesOf(odd, "/usr/bin/fitbit-fetch"); got != nil {
			t.Errorf("pagesOf(%q) = %x, want none", odd, got)
		}
	}
}

func TestFileReleaser(t *testing.T) {
	before := fileInMemory(t)
	fileReleaser()()
	if after := fileInMemory(t); after > before/2 {
		t.Errorf("%d kB of the file in memory before, %d kB after", before, after)
	}
}

// fileInMemory returns how many kB of the running program's file are in its memory.
func fileInMemory(t *testing.T) (kb int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`r-[x-]p .* `+regexp.QuoteMeta(self)+`\n(?:.*\n)*?Rss: +(\d+) kB`).FindAllSubmatch(maps, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		kb += n
	}
	if kb == 0 {
		t.Fatalf("%s is not in memory", self)
	}
	return kb
}
