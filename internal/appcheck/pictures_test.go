package appcheck

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/artwork"
)

//go:generate go test -run TestPictures -update .

// TestPictures keeps icon.png and logo.png what is drawn, in the shapes that the store shows.
func TestPictures(t *testing.T) {
	for name, want := range map[string]image.Image{"icon.png": artwork.Icon(), "logo.png": artwork.Logo()} {
		path := filepath.Join(appDir, name)
		if *update {
			var b bytes.Buffer
			if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, want); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if !alike(got, want) {
			t.Errorf("%s is not what is drawn; run make generate", name)
		}
		w, h := got.Bounds().Dx(), got.Bounds().Dy()
		if name == "icon.png" && (w != h || w < 128) || name == "logo.png" && (2*w != 5*h || w < 250) {
			t.Errorf("%s is %d × %d", name, w, h)
		}
		if info, err := f.Stat(); err != nil || info.Size() > 50_000 {
			t.Errorf("%s: %v, %v", name, info.Size(), err)
		}
	}
}

// alike compares pixels: two machines may round the last bit of a colour differently.
func alike(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r1, g1, b1, a1 := a.At(x, y).RGBA()
			r2, g2, b2, a2 := b.At(x, y).RGBA()
			for _, d := range [][2]uint32{{r1, r2}, {g1, g2}, {b1, b2}, {a1, a2}} {
				if max(d[0], d[1])-min(d[0], d[1]) > 3<<8 {
					return false
				}
			}
		}
	}
	return true
}
