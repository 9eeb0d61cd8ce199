// Package artwork draws the app's icon and logo: a house with a pulse in it, and the name beside it. All is strokes of round ends,
// drawn by their distance, so that it is sharp in every size and needs no font.
package artwork

import (
	"image"
	"image/color"
	"math"
)

var (
	ground = color.NRGBA{0x0b, 0x7a, 0x75, 0xff} // teal
	deep   = color.NRGBA{0x05, 0x4a, 0x56, 0xff}
	light  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	pulse  = color.NRGBA{0xff, 0xb4, 0x54, 0xff}
)

// Sizes in pixels, as Home Assistant's store shows them.
const (
	iconSide   = 256
	logoWidth  = 500
	logoHeight = 200
)

// point lies in the unit square of a drawing, y downwards.
type point struct{ x, y float64 }

// stroke is a line through points.
type stroke []point

var (
	house = stroke{{0.17, 0.50}, {0.50, 0.20}, {0.83, 0.50}}
	walls = stroke{{0.26, 0.45}, {0.26, 0.81}, {0.74, 0.81}, {0.74, 0.45}}
	beat  = stroke{{0.34, 0.63}, {0.42, 0.63}, {0.465, 0.53}, {0.525, 0.73}, {0.575, 0.59}, {0.60, 0.63}, {0.66, 0.63}}
)

// Icon returns the square icon.
func Icon() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, iconSide, iconSide))
	mark(img, point{0, 0}, iconSide)
	return img
}

// Logo returns the icon's drawing with the name beside it.
func Logo() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, logoWidth, logoHeight))
	side := 150.0
	mark(img, point{10, (logoHeight - side) / 2}, side)
	write(img, "Fitbit", point{195, 20}, 72, ground)
	write(img, "Fetch", point{195, 110}, 72, ground)
	return img
}

// mark draws the rounded square with the house and the pulse.
func mark(img *image.NRGBA, at point, side float64) {
	corner := 0.22 * side
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			p := point{float64(x) + 0.5 - at.x, float64(y) + 0.5 - at.y}
			// Distance to a rounded square: negative inside.
			dx, dy := math.Abs(p.x-side/2)-side/2+corner, math.Abs(p.y-side/2)-side/2+corner
			d := math.Hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - corner
			if c := cover(d); c > 0 {
				paint(img, x, y, mix(ground, deep, min(max(p.y/side, 0), 1)), c)
			}
		}
	}
	draw(img, []stroke{house, walls}, at, side, 0.075*side, light)
	draw(img, []stroke{beat}, at, side, 0.055*side, pulse)
}

// draw lays strokes of a width over the picture; scale is the side of their unit square.
func draw(img *image.NRGBA, strokes []stroke, at point, scale, width float64, c color.NRGBA) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			p := point{(float64(x) + 0.5 - at.x) / scale, (float64(y) + 0.5 - at.y) / scale}
			nearest := math.Inf(1)
			for _, s := range strokes {
				for i := 1; i < len(s); i++ {
					nearest = min(nearest, distance(p, s[i-1], s[i]))
				}
			}
			if a := cover(nearest*scale - width/2); a > 0 {
				paint(img, x, y, c, a)
			}
		}
	}
}

// distance is that of p to the line from a to b.
func distance(p, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	t := min(max(((p.x-a.x)*dx+(p.y-a.y)*dy)/(dx*dx+dy*dy), 0), 1)
	return math.Hypot(p.x-a.x-t*dx, p.y-a.y-t*dy)
}

// cover is how much of a pixel lies inside, given its distance to the edge.
func cover(d float64) float64 { return min(max(0.5-d, 0), 1) }

func mix(a, b color.NRGBA, t float64) color.NRGBA {
	f := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*t)) }
	return color.NRGBA{f(a.R, b.R), f(a.G, b.G), f(a.B, b.B), 0xff}
}

// paint lays a colour over a pixel.
func paint(img *image.NRGBA, x, y int, c color.NRGBA, a float64) {
	old := img.NRGBAAt(x, y)
	under := float64(old.A) / 255 * (1 - a)
	total := a + under
	f := func(n, o uint8) uint8 { return uint8(math.Round((float64(n)*a + float64(o)*under) / total)) }
	img.SetNRGBA(x, y, color.NRGBA{f(c.R, old.R), f(c.G, old.G), f(c.B, old.B), uint8(math.Round(total * 255))})
}
