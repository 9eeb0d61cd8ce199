package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	curveHeight = 200.0
	curveStep   = 5  // minutes that make one point
	curveGap    = 15 // minutes without a reading that break the line
)

// bucket sums up the minutes of one point.
type bucket struct {
	low, high, sum float64
	n              int
}

func (b *bucket) add(low, mean, high float64) {
	if b.n == 0 || low < b.low {
		b.low = low
	}
	if b.n == 0 || high > b.high {
		b.high = high
	}
	b.sum += mean
	b.n++
}

func (b *bucket) mean() float64 { return b.sum / float64(b.n) }

// curve makes the drawing of a day out of its minutes: a band from the lowest to the highest, and a line of means. A day on which
// the clocks change is as wide as it is long.
func curve(blocks []metric.Block, day metric.Day, loc *time.Location) heart {
	begin, end := day.In(loc), (day + 1).In(loc)
	h := heart{Empty: true, Minutes: int(end.Sub(begin).Minutes())}
	points := make([]bucket, (h.Minutes+curveStep-1)/curveStep)
	hours := make([]bucket, (h.Minutes+59)/60)
	var all bucket
	var newest float64
	for _, block := range blocks {
		for i, t := range block.Times {
			at := time.Unix(0, t)
			v := block.Row(i)
			if at.Before(begin) || !at.Before(end) || len(v) < 3 || !metric.Present(v[0]) || !metric.Present(v[1]) || !metric.Present(v[2]) {
				continue
			}
			minute := int(at.Sub(begin).Minutes())
			for _, b := range []*bucket{&points[minute/curveStep], &hours[minute/60], &all} {
				b.add(v[1], v[0], v[2])
			}
			h.Empty = false
			if at.After(h.LastAt) { // the minutes of another device may come behind
				h.LastAt, newest = at, v[0]
			}
		}
	}
	h.Hours = hourMarks(begin, end, loc)
	for i := range hours {
		h.Clocks = append(h.Clocks, begin.Add(time.Duration(i)*time.Hour).In(loc).Format("15"))
	}
	if h.Empty {
		return h
	}
	h.Low, h.High, h.Mean, h.Last = whole(all.low), whole(all.high), whole(all.mean()), whole(newest)
	scale := newScale(all.low, all.high)
	h.Lines = scale.marks()
	h.draw(points, scale)
	h.Points = pointList(points)
	for i, b := range hours {
		if b.n > 0 {
			h.Table = append(h.Table, hour{begin.Add(time.Duration(i) * time.Hour).In(loc).Format("15:04"), whole(b.low), whole(b.mean()), whole(b.high)})
		}
	}
	return h
}

// pointList writes the means of the points.
func pointList(points []bucket) string {
	out := make([]string, len(points))
	for i, b := range points {
		if b.n > 0 {
			out[i] = strconv.Itoa(whole(b.mean()))
		}
	}
	return strings.Join(out, ",")
}

func whole(v float64) int { return int(math.Round(v)) }

// draw makes the paths. They are numbers alone, so they may stand in an attribute as they are.
func (h *heart) draw(points []bucket, s scale) {
	var line, band strings.Builder
	var back []string // the lower edge of a piece of the band, to be walked back
	last := -1
	closeBand := func() {
		for i := len(back) - 1; i >= 0; i-- {
			band.WriteString("L" + back[i])
		}
		if len(back) > 0 {
			band.WriteString("Z")
		}
		back = back[:0]
	}
	for i, b := range points {
		if b.n == 0 {
			continue
		}
		x := number(float64(i*curveStep) + curveStep/2.0)
		pen := "L"
		if last < 0 || (i-last)*curveStep > curveGap {
			closeBand()
			pen = "M"
		}
		line.WriteString(pen + x + " " + s.y(b.mean()))
		band.WriteString(pen + x + " " + s.y(b.high))
		back = append(back, x+" "+s.y(b.low))
		h.LastX, h.LastY = percentOf(float64(i*curveStep)+curveStep/2.0, float64(h.Minutes)), s.y(b.mean())
		last = i
	}
	closeBand()
	h.Line = template.HTMLAttr(`d="` + line.String() + `"`)
	h.Band = template.HTMLAttr(`d="` + band.String() + `"`)
}

// scale is the heights of rates.
type scale struct{ low, high, step float64 }

// newScale leaves some room around.
func newScale(low, high float64) scale {
	s := scale{low: math.Floor((low-4)/10) * 10, high: math.Ceil((high+4)/10) * 10, step: 20}
	if s.high-s.low > 100 {
		s.step = 40
	}
	return s
}

func (s scale) y(v float64) string {
	return number(curveHeight * (s.high - v) / (s.high - s.low))
}

func (s scale) marks() []mark {
	var out []mark
	for v := math.Ceil(s.low/s.step) * s.step; v < s.high-4; v += s.step {
		if v == s.low { // the base line is there
			continue
		}
		out = append(out, mark{At: s.y(v), Text: strconv.Itoa(int(v))})
	}
	return out
}

// hourMarks are the hours of the clock, every three, wherever the clock has them.
func hourMarks(begin, end time.Time, loc *time.Location) []mark {
	var out []mark
	for t := begin; t.Before(end); t = t.Add(15 * time.Minute) {
		if c := t.In(loc); c.Minute() == 0 && c.Hour()%3 == 0 {
			side := "middle"
			if t.Equal(begin) {
				side = "start"
			}
			out = append(out, mark{At: percentOf(t.Sub(begin).Minutes(), end.Sub(begin).Minutes()), Text: fmt.Sprintf("%02d", c.Hour()), Side: side})
		}
	}
	return out
}

func percentOf(part, all float64) string { return number(100*part/all) + "%" }

// number writes a coordinate without needless digits.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// decimal writes a value with so many digits at most, and a true minus.
func decimal(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		text = "0"
	}
	return strings.Replace(text, "-", "−", 1)
}
