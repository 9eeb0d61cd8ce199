package metric

import "testing"

func TestMask(t *testing.T) {
	for in, want := range map[string]string{"": "unknown", "abcde": "…", "26FWFL": "26…FL", "1234567890123456789": "123…789"} {
		if got := Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}
