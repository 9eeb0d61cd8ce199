package artwork

import (
	"image"
	"image/color"
	"math"
)

// A letter's strokes lie in a box one high, from the top of capitals to the base line; wide is how far the next letter is.
type letter struct {
	wide    float64
	strokes []stroke
}

// arc is a part of a circle, from one angle to another in degrees, clockwise from the right.
func arc(centre point, radius, from, to float64) stroke {
	const steps = 24
	var out stroke
	for i := range steps + 1 {
		a := (from + (to-from)*float64(i)/steps) * math.Pi / 180
		out = append(out, point{centre.x + radius*math.Cos(a), centre.y + radius*math.Sin(a)})
	}
	return out
}

// letters are those of the name.
var letters = map[rune]letter{
	'F': {0.66, []stroke{{{0.08, 1}, {0.08, 0}, {0.52, 0}}, {{0.08, 0.48}, {0.46, 0.48}}}},
	'i': {0.32, []stroke{{{0.12, 0.36}, {0.12, 1}}, {{0.12, 0.08}, {0.12, 0.081}}}},
	't': {0.50, []stroke{{{0.20, 0.12}, {0.20, 0.84}}, arc(point{0.36, 0.84}, 0.16, 180, 80), {{0.04, 0.36}, {0.38, 0.36}}}},
	'b': {0.78, []stroke{{{0.08, 0}, {0.08, 1}}, arc(point{0.38, 0.68}, 0.30, 0, 360)}},
	'e': {0.76, []stroke{{{0.08, 0.68}, {0.66, 0.68}}, arc(point{0.37, 0.68}, 0.30, 0, -300)}},
	'c': {0.70, []stroke{arc(point{0.37, 0.68}, 0.30, -50, -310)}},
	'h': {0.74, []stroke{{{0.08, 0}, {0.08, 1}}, arc(point{0.33, 0.62}, 0.25, 180, 360), {{0.58, 0.62}, {0.58, 1}}}},
}

// write draws a word of the letters above; high is the height of a capital in pixels.
func write(img *image.NRGBA, word string, at point, high float64, c color.NRGBA) {
	for _, r := range word {
		l := letters[r]
		draw(img, l.strokes, at, high, 0.15*high, c)
		at.x += l.wide * high
	}
}
