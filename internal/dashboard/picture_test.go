//go:build !race

package dashboard

import (
	"encoding/xml"
	"flag"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// There is no Grafana here to take a picture of. So the panels are drawn from the same description and from what their own queries
// answer: plainer than Grafana's, and with no more in them than is in the data.

var update = flag.Bool("update", false, "draw the pictures of the documentation again")

// The picture's measures, in pixels.
const (
	cellW, cellH = 66.0, 36.0 // of Grafana's grid
	gap          = 8.0
	wide         = 24*cellW + gap
)

const (
	page  = "#0f1218"
	card  = "#181c24"
	ink   = "#e6e9ef"
	dim   = "#8f98a8"
	lined = "#2a303c"
)

// A canvas collects SVG.
type canvas struct{ strings.Builder }

func (c *canvas) f(format string, args ...any) { fmt.Fprintf(&c.Builder, format+"\n", args...) }

func (c *canvas) text(x, y, size float64, color, anchor, s string) {
	c.f(`<text x="%.1f" y="%.1f" font-size="%g" fill="%s" text-anchor="%s">%s</text>`, x, y, size, color, anchor, html.EscapeString(s))
}

func (c *canvas) rect(x, y, w, h, r float64, color string) {
	c.f(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%g" fill="%s"/>`, x, y, max(w, 0.5), max(h, 0.5), r, color)
}

// A drawn series: what a panel shows under one name.
type drawn struct {
	look series
	unit string
	t    []float64 // seconds
	v    []float64
}

// An artist draws the panels of one viewer.
type artist struct {
	*canvas
	v   *viewer
	loc *time.Location
}

func (a *artist) board(b board, x file, rows []string, caption string) {
	y, y0 := gap+34, 0.0
	n := 0
	var body canvas
	whole := a.canvas
	a.canvas = &body
	for _, r := range b.rows {
		if !slices.ContainsFunc(rows, func(s string) bool { return strings.HasPrefix(r.title, s) }) {
			for range r.panels {
				n++
			}
			n++
			continue
		}
		a.text(gap+4, y+20, 16, ink, "start", r.title)
		y += 32
		y0 = y
		top := x.Panels[n+1].GridPos.Y
		n++
		low := 0
		for _, p := range r.panels {
			j := x.Panels[n]
			n++
			g := j.GridPos
			a.panel(p, j, gap+float64(g.X)*cellW, y0+float64(g.Y-top)*cellH, float64(g.W)*cellW-gap, float64(g.H)*cellH-gap)
			low = max(low, g.Y-top+g.H)
		}
		y = y0 + float64(low)*cellH + 8
	}
	a.canvas = whole
	a.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif">`, wide, y+24)
	a.rect(0, 0, wide, y+24, 0, page)
	a.text(gap+4, 27, 20, ink, "start", b.title)
	a.text(wide-gap-4, 27, 13, dim, "end", "a simulated person")
	a.WriteString(body.String())
	a.text(wide/2, y+12, 12, dim, "middle", caption)
	a.f("</svg>")
}

func (a *artist) panel(p panel, j panelJSON, x, y, w, h float64) {
	a.rect(x, y, w, h, 6, card)
	a.text(x+12, y+21, 13, dim, "start", p.title)
	x, y, w, h = x+12, y+30, w-24, h-40
	switch p.viz {
	case lines:
		a.chart(p, j, a.series(p, j), x, y, w, h, false)
	case trend:
		a.chart(p, j, a.along(p, j), x, y, w, h, true)
	case stat:
		a.stat(p, a.series(p, j), x, y, w, h)
	case pie:
		a.pie(p, a.series(p, j), x, y, w, h)
	case timeline:
		a.timeline(p, j, a.series(p, j), x, y, w, h)
	case heat:
		a.heat(p, j, a.series(p, j), x, y, w, h)
	case histogram:
		a.histogram(a.series(p, j), x, y, w, h)
	case table:
		a.table(p, j, x, y, w, h)
	case geomap:
		a.track(p, j, x, y, w, h)
	default:
		a.v.t.Fatalf("no way to draw %s", p.viz)
	}
}

// plainName is a column's name without what tells its unit.
func plainName(s string) string {
	if i := strings.Index(s, " ["); i > 0 {
		return s[:i]
	}
	return s
}

// series runs the panel's queries.
func (a *artist) series(p panel, j panelJSON) []drawn {
	var out []drawn
	from, to := a.v.span(j)
	for i, q := range j.Targets {
		for _, f := range a.v.run(j, q) {
			for c := 1; c < len(f.names); c++ {
				d := drawn{look: series{name: plainName(f.names[c])}, unit: p.unit}
				for _, s := range p.series {
					if s.name == d.look.name || s.name == "" && i == 0 {
						d.look = s
						d.look.name = plainName(f.names[c])
						d.unit = orElse(s.unit, p.unit)
					}
				}
				for _, r := range f.rows {
					at := r[0].(time.Time)
					if p.viz != heat {
						at = at.Add(j.later(q))
					}
					if n, ok := r[c].(float64); ok && (p.viz != lines || !at.Before(from.Add(-24*time.Hour)) && !at.After(to)) {
						d.t, d.v = append(d.t, float64(at.UnixMilli())/1000), append(d.v, n)
					}
				}
				if len(d.v) > 0 {
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// along is a table with the first column of numbers as its axis.
func (a *artist) along(p panel, j panelJSON) []drawn {
	var out []drawn
	for _, f := range a.v.run(j, j.Targets[0]) {
		for c := 2; c < len(f.names); c++ {
			d := drawn{look: series{name: plainName(f.names[c])}, unit: p.unit}
			for _, s := range p.series {
				if s.name == d.look.name {
					d.look, d.unit = s, orElse(s.unit, p.unit)
				}
			}
			for _, r := range f.rows {
				along, ok1 := r[1].(float64)
				n, ok2 := r[c].(float64)
				if ok1 && ok2 {
					d.t, d.v = append(d.t, along), append(d.v, n)
				}
			}
			out = append(out, d)
		}
	}
	return out
}

// palette colours what has no colour of its own.
var palette = []string{green, amber, sky, orange, violet, red, teal, lilac}

func (d drawn) color(i int) string { return orElse(d.look.color, palette[i%len(palette)]) }

// say writes a value in its unit, as Grafana does.
func say(unit string, digits int, v float64) string {
	n := func(v float64) string {
		if digits < 0 {
			return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	if s, ok := strings.CutPrefix(unit, "suffix:"); ok {
		return n(v) + " " + s
	}
	if unit == "locale" {
		return thousands(n(v))
	}
	if s, ok := map[string]string{"percent": " %"}[unit]; ok {
		return n(v) + s
	}
	return n(v)
}

// thousands separates them.
func thousands(s string) string {
	whole, _, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	for i := len(s) - len(strings.TrimPrefix(s, "-")) + len(whole) - 3; i > strings.Count(s, "-"); i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ticks are some round numbers between two.
func ticks(low, high float64, most int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(most))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*m) <= float64(most) {
			step *= m
			break
		}
	}
	var out []float64
	for v := math.Ceil(low/step) * step; v <= high+step/1e6; v += step {
		out = append(out, v)
	}
	return out
}

// A scale leads from values to pixels.
type scale struct{ from, to, at, size float64 }

func (s scale) of(v float64) float64 { return s.at + (v-s.from)/(s.to-s.from)*s.size }

func (a *artist) chart(p panel, j panelJSON, all []drawn, x, y, w, h float64, along bool) {
	h -= 22 // axis and legend
	if len(all) > 1 {
		h -= 18
	}
	left := 46.0
	from, to := a.v.span(j)
	t := scale{float64(from.Unix()), float64(to.Unix()), x + left, w - left}
	if along {
		t.from, t.to = 0, slices.Max(all[0].t)
	}
	right := slices.ContainsFunc(all, func(d drawn) bool { return d.look.axis == "right" })
	if right {
		t.size -= 44
	}
	for _, side := range []string{"", "right"} {
		var on []drawn
		for _, d := range all {
			if d.look.axis == side {
				on = append(on, d)
			}
		}
		if len(on) == 0 {
			continue
		}
		low, high := a.extent(p, on)
		v := scale{low, high, y + h, -h}
		for _, n := range ticks(low, high, max(2, int(h/42))) {
			if side == "" {
				a.f(`<path d="M%.1f %.1fH%.1f" stroke="%s" stroke-width="1"/>`, t.at, v.of(n), t.at+t.size, lined)
				a.text(t.at-6, v.of(n)+4, 10.5, dim, "end", say(strings.TrimSpace(short(on[0].unit)), auto, n))
			} else {
				a.text(t.at+t.size+6, v.of(n)+4, 10.5, dim, "start", say(short(on[0].unit), auto, n))
			}
		}
		a.plot(p, j, on, t, v)
		if p.goal != nil && side == "" {
			a.f(`<path d="M%.1f %.1fH%.1f" stroke="%s" stroke-dasharray="8 6"/>`, t.at, v.of(*p.goal), t.at+t.size, dim)
		}
	}
	if along {
		for _, n := range ticks(t.from, t.to, 8) {
			a.text(t.of(n), y+h+15, 10.5, dim, "middle", say("suffix:km", auto, n))
		}
	} else {
		a.times(t, y+h+15)
	}
	a.legend(all, x+left, y+h+34)
}

// short is a unit for an axis.
func short(unit string) string {
	if strings.HasPrefix(unit, "suffix:") && unit != "suffix:h" && unit != "suffix:km" && unit != "suffix:kg" && unit != "suffix:m" {
		return "none"
	}
	return unit
}

// extent is the range of values that a chart needs.
func (a *artist) extent(p panel, all []drawn) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	sums := map[float64]float64{}
	for _, d := range all {
		for i, n := range d.v {
			if p.stack && !d.look.line {
				sums[d.t[i]] += n
				n = sums[d.t[i]]
			}
			low, high = min(low, n), max(high, n)
		}
	}
	if p.goal != nil {
		high = max(high, *p.goal)
	}
	if p.bars {
		low = min(low, 0)
	}
	if pad := (high - low) * 0.06; !p.bars {
		low -= pad
	}
	high += (high - low) * 0.06
	if p.min != nil {
		low = *p.min
	}
	if p.max != nil {
		high = *p.max
	}
	if low == high {
		low, high = low-1, high+1
	}
	return low, high
}

func (a *artist) plot(p panel, j panelJSON, all []drawn, t, v scale) {
	base := map[float64]float64{}
	width := math.Inf(1)
	for _, d := range all {
		for i := 1; i < len(d.t); i++ {
			if gap := d.t[i] - d.t[i-1]; gap > 0 {
				width = min(width, gap)
			}
		}
	}
	if p.every != "" { // no bar is narrower than the window
		width = max(width, duration(a.v.t, p.every).Seconds())
	}
	nth := 0
	for i, d := range all {
		switch {
		case p.bars && !d.look.line:
			for k, n := range d.v {
				from := 0.0
				if p.stack {
					from = base[d.t[k]]
					base[d.t[k]] += n
				}
				left, right := t.of(d.t[k]), t.of(d.t[k]+width*0.82)
				if hours := j.later(j.Targets[0]).Hours(); hours > 0 && hours < 24 { // around noon
					left, right = t.of(d.t[k]-width*0.41), t.of(d.t[k]+width*0.41)
				}
				if !p.stack && len(all) > 1 && nth > 0 { // behind one another
					left, right = left+(right-left)*0.2, right-(right-left)*0.2
				}
				top, bottom := v.of(max(from, from+n)), v.of(min(from, from+n))
				left, right = max(left, t.at), min(right, t.at+t.size)
				if right > left {
					a.rect(left, top, right-left, bottom-top, 1, d.color(i))
				}
			}
			nth++
		case p.points:
			for k := range d.v {
				if d.t[k] >= t.from {
					a.f(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, t.of(d.t[k]), v.of(d.v[k]), d.color(i))
				}
			}
		default:
			apart := p.apart() / 1000
			if apart == 0 {
				apart = 1.5 * a.v.interval(j).Seconds()
			}
			if p.viz == trend {
				apart = math.Inf(1)
			}
			cut := make([][]drawn, len(all))
			for k := range all {
				cut[k] = pieces(all[k], apart)
			}
			for _, piece := range cut[i] {
				now := slices.Clone(all)
				now[i] = piece
				for k := range all {
					for _, other := range cut[k] {
						if k != i && other.t[0] == piece.t[0] {
							now[k] = other
						}
					}
				}
				a.line(p, now, i, t, v)
				if len(piece.t) == 1 || d.look.points {
					for k := range piece.t {
						if piece.t[k] >= t.from {
							a.f(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, t.of(piece.t[k]), v.of(piece.v[k]), d.color(i))
						}
					}
				}
			}
		}
	}
}

// pieces are the parts of a series between which nothing was measured.
func pieces(d drawn, apart float64) []drawn {
	var out []drawn
	for i := range d.t {
		if i == 0 || d.t[i]-d.t[i-1] > apart {
			out = append(out, drawn{look: d.look, unit: d.unit})
		}
		p := &out[len(out)-1]
		p.t, p.v = append(p.t, d.t[i]), append(p.v, d.v[i])
	}
	return out
}

// line draws a line, and the band below it.
func (a *artist) line(p panel, all []drawn, i int, t, v scale) {
	d := all[i]
	path := func(d drawn, back bool) string {
		var b strings.Builder
		last := 0.0
		for k := range d.t {
			if back {
				k = len(d.t) - 1 - k
			}
			if d.t[k] < t.from {
				continue
			}
			if p.step && b.Len() > 0 {
				fmt.Fprintf(&b, " %.1f %.1f", t.of(d.t[k]), last)
			}
			last = v.of(d.v[k])
			fmt.Fprintf(&b, " %.1f %.1f", t.of(d.t[k]), v.of(d.v[k]))
		}
		return b.String()
	}
	if d.look.below != "" {
		for _, other := range all {
			if other.look.name == d.look.below {
				a.f(`<path d="M%sL%sZ" fill="%s" opacity="0.18"/>`, path(d, false), path(other, true), d.color(i))
			}
		}
	}
	width := d.look.width
	if width == 0 {
		width = 2
	}
	dash := ""
	if d.look.dashed {
		dash = ` stroke-dasharray="8 6"`
	}
	s := path(d, false)
	if s == "" {
		return
	}
	if d.look.fill > 0 && d.look.below == "" {
		a.f(`<path d="M%sV%.1fH%.1fZ" fill="%s" opacity="0.25"/>`, s, v.at, t.of(max(d.t[0], t.from)), d.color(i))
	}
	a.f(`<path d="M%s" fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round"%s/>`, s, d.color(i), width, dash)
}

func (a *artist) times(t scale, y float64) {
	span := t.to - t.from
	step, format := 24*time.Hour, "02 Jan"
	switch {
	case span < 36*3600:
		step, format = 3*time.Hour, "15:04"
	case span > 200*86400:
		step, format = 30*24*time.Hour, "Jan 2006"
	case span > 60*86400:
		step = 14 * 24 * time.Hour
	case span > 20*86400:
		step = 4 * 24 * time.Hour
	}
	if t.size < 620 {
		step *= 2
	}
	if t.size < 620 && span > 200*86400 {
		step *= 2
	}
	begin := time.Unix(int64(t.from), 0).In(a.loc)
	at := time.Date(begin.Year(), begin.Month(), begin.Day(), 0, 0, 0, 0, a.loc)
	for ; float64(at.Unix()) < t.to; at = at.Add(step) {
		if x := t.of(float64(at.Unix())); x >= t.at+10 && x < t.at+t.size-10 {
			a.text(x, y, 10.5, dim, "middle", at.In(a.loc).Format(format))
		}
	}
}

func (a *artist) legend(all []drawn, x, y float64) {
	if len(all) < 2 {
		return
	}
	for i, d := range all {
		if strings.HasPrefix(d.color(i), "rgba") && d.look.below == "" {
			continue
		}
		color := d.color(i)
		a.rect(x, y-4, 14, 4, 2, color)
		a.text(x+19, y+1, 11, dim, "start", d.look.name)
		x += 34 + 6.2*float64(len(d.look.name))
	}
}

func (a *artist) stat(p panel, all []drawn, x, y, w, h float64) {
	if len(all) == 0 {
		a.text(x+w/2, y+h/2+10, 26, dim, "middle", "–")
		return
	}
	d := all[0]
	color := d.color(0)
	last := d.v[len(d.v)-1]
	for _, s := range p.steps {
		if last >= s.from {
			color = s.color
		}
	}
	text := say(d.unit, p.decimals, last)
	if p.unit == "dateTimeFromNow" {
		text = ago(now.Sub(time.Unix(int64(d.t[len(d.t)-1]), 0)))
	}
	if len(p.names()) > 1 && len(all) == 1 {
		text += " " + d.look.name
	}
	size := min(34, w/(0.56*float64(len([]rune(text)))))
	middle := y + h/2 + size/3
	if len(all) > 1 {
		middle = y + h*0.36
	}
	a.text(x+w/2, middle, size, color, "middle", text)
	if len(all) > 1 {
		a.text(x+w/2, middle+24, 13, dim, "middle", say(all[1].unit, p.decimals, all[1].v[0])+" "+all[1].look.name)
	}
}

func ago(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 36*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func (a *artist) pie(p panel, all []drawn, x, y, w, h float64) {
	sum := 0.0
	for _, d := range all {
		sum += d.v[len(d.v)-1]
	}
	r := min(h/2, w/4) - 4
	cx, cy, angle := x+r+10, y+h/2, -math.Pi/2
	for i, d := range all {
		n := d.v[len(d.v)-1]
		next := angle + 2*math.Pi*n/sum
		large := 0
		if next-angle > math.Pi {
			large = 1
		}
		at := func(a, r float64) string { return fmt.Sprintf("%.1f %.1f", cx+r*math.Cos(a), cy+r*math.Sin(a)) }
		a.f(`<path d="M%sA%.1f %.1f 0 %d 1 %sL%sA%.1f %.1f 0 %d 0 %sZ" fill="%s" stroke="%s" stroke-width="2"/>`, at(angle, r), r, r, large, at(next, r), at(next, r*0.6), r*0.6, r*0.6, large, at(angle, r*0.6), d.color(i), card)
		line := y + h/2 + (float64(i)-float64(len(all))/2+0.5)*30
		a.rect(cx+r+24, line-9, 11, 11, 3, d.color(i))
		a.text(cx+r+42, line+1, 13, ink, "start", d.look.name)
		a.text(x+w, line+1, 13, ink, "end", fmt.Sprintf("%s · %.0f %%", say(p.unit, p.decimals, n), 100*n/sum))
		angle = next
	}
}

func (a *artist) timeline(p panel, j panelJSON, all []drawn, x, y, w, h float64) {
	from, to := a.v.span(j)
	t := scale{float64(from.Unix()), float64(to.Unix()), x, w}
	h -= 40
	for _, d := range all {
		for i := range d.t {
			end := min(d.t[i]+60, t.to)
			if i+1 < len(d.t) {
				end = d.t[i+1]
			}
			for _, v := range p.values {
				if v.is == strconv.Itoa(int(d.v[i])) && !(v.is == "3" && end-d.t[i] > 3*3600) {
					a.rect(t.of(d.t[i]), y, t.of(end)-t.of(d.t[i]), h, 0, v.color)
				}
			}
		}
	}
	a.times(t, y+h+15)
	for i, v := range p.values[:4] {
		a.rect(x+float64(i)*84, y+h+24, 11, 11, 3, v.color)
		a.text(x+float64(i)*84+16, y+h+33, 11, dim, "start", v.text)
	}
}

// schemes are the ends of the colour scales.
var schemes = map[string][3]int{"Greens": {60, 190, 120}, "Blues": {90, 140, 245}, "Reds": {235, 85, 90}, "Oranges": {245, 140, 60}}

func (a *artist) shade(scheme string, share float64) string {
	c := schemes[scheme]
	mix := func(i, dark int) int { return dark + int(math.Pow(min(max(share, 0), 1), 0.7)*float64(c[i]-dark)) }
	return fmt.Sprintf("#%02x%02x%02x", mix(0, 28), mix(1, 34), mix(2, 44))
}

// heat does what Grafana's transformations do: it folds a series into rows and columns.
func (a *artist) heat(p panel, j panelJSON, all []drawn, x, y, w, h float64) {
	h -= 20
	goFormat := strings.NewReplacer("[01]", "", "[12]", "", "YYYY", "2006", "MM", "01", "DD", "02", "HH", "15", "mm", "04")
	cells := map[[2]string]float64{}
	var columns, rows []string
	from, _ := a.v.span(j)
	for _, d := range all {
		for i := range d.t {
			at := time.Unix(int64(d.t[i]), 0).In(a.loc)
			key := [2]string{at.Format("2006-01-02"), strconv.Itoa(int(d.v[i]) / 5 * 5)}
			n := 1.0
			if p.days.row != "" {
				at = at.Add(time.Duration(p.days.later) * time.Hour)
				key = [2]string{at.Format(goFormat.Replace(p.days.row)), at.Format(strings.Replace(p.days.column, "HH.mm", "15:04", 1))}
				if p.days.column != "HH.mm" {
					key[1] = at.Format(goFormat.Replace(p.days.column))
				}
				n = d.v[i]
			}
			if at.Before(from) {
				continue
			}
			cells[key] += n
			columns, rows = append(columns, key[0]), append(rows, key[1])
		}
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	slices.SortFunc(rows, func(a, b string) int {
		if p.days.row == "" {
			n, _ := strconv.Atoi(a)
			m, _ := strconv.Atoi(b)
			return m - n
		}
		return strings.Compare(a, b)
	})
	rows = slices.Compact(rows)
	high := 0.0
	var sorted []float64
	for _, n := range cells {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	high = sorted[len(sorted)*98/100]
	if p.highest != nil {
		high = *p.highest
	}
	left := 40.0
	cw, ch := (w-left)/float64(len(columns)), h/float64(len(rows))
	for i, c := range columns {
		for k, r := range rows {
			n, ok := cells[[2]string{c, r}]
			color := "#1d222c"
			if ok && n > 0 {
				color = a.shade(p.scheme, n/high)
			}
			a.rect(x+left+float64(i)*cw, y+float64(k)*ch, cw-1, ch-1, 1, color)
		}
		if every := max(1, int(70/cw)); i%every == 0 {
			a.text(x+left+(float64(i)+0.5)*cw, y+h+14, 10.5, dim, "middle", c[2:])
		}
	}
	for k, r := range rows {
		if every := max(1, int(math.Ceil(16/ch))); k%every == 0 {
			a.text(x+left-6, y+float64(k)*ch+ch/2+4, 10.5, dim, "end", r)
		}
	}
}

func (a *artist) histogram(all []drawn, x, y, w, h float64) {
	h -= 20
	bins := map[int]int{}
	for _, n := range all[0].v {
		bins[int(n)/2*2]++
	}
	low, high, most := math.MaxInt, 0, 0
	for b, n := range bins {
		low, high, most = min(low, b), max(high, b), max(most, n)
	}
	t := scale{float64(low), float64(high + 2), x, w}
	for b, n := range bins {
		left := t.of(float64(b))
		a.rect(left, y+h-h*float64(n)/float64(most), t.of(float64(b+2))-left-1, h*float64(n)/float64(most), 1, all[0].color(0))
	}
	for _, n := range ticks(t.from, t.to, 6) {
		a.text(t.of(n), y+h+15, 10.5, dim, "middle", say("none", 0, n))
	}
}

func (a *artist) table(p panel, j panelJSON, x, y, w, h float64) {
	f := a.v.run(j, j.Targets[0])[0]
	columns := len(f.names)
	cw := w / float64(columns)
	for c, name := range f.names {
		a.text(x+float64(c)*cw, y+14, 12, dim, "start", strings.Replace(plainName(name), "time", "Time", 1))
	}
	for i := range min(len(f.rows), int((h-24)/26)) {
		r := f.rows[len(f.rows)-1-i]
		ly := y + 40 + float64(i)*26
		a.f(`<path d="M%.1f %.1fH%.1f" stroke="%s"/>`, x, ly-18, x+w, lined)
		for c, v := range r {
			s := "–"
			unit, digits := "none", 0
			for _, l := range p.series {
				if l.name == plainName(f.names[c]) {
					unit, digits = orElse(l.unit, unit), l.digits
				}
			}
			switch v := v.(type) {
			case time.Time:
				s = v.In(a.loc).Format("2006-01-02 15:04")
			case float64:
				if plainName(f.names[c]) == "Distance" {
					unit, digits = "suffix:km", 2
				}
				s = say(unit, digits, v)
			case string:
				s = v
			}
			a.text(x+float64(c)*cw, ly, 12.5, ink, "start", s)
		}
	}
}

func (a *artist) track(p panel, j panelJSON, x, y, w, h float64) {
	f := a.v.run(j, j.Targets[0])[0]
	var la, lo, hr []float64
	for _, r := range f.rows {
		n, ok := r[3].(float64)
		if !ok {
			n = 0
		}
		la, lo, hr = append(la, r[1].(float64)), append(lo, r[2].(float64)), append(hr, n)
	}
	a.rect(x, y, w, h, 4, "#202631")
	squeeze := math.Cos(la[0] * math.Pi / 180)
	mla, mlo := (slices.Min(la)+slices.Max(la))/2, (slices.Min(lo)+slices.Max(lo))/2
	zoom := min((w-40)/((slices.Max(lo)-slices.Min(lo))*squeeze), (h-40)/(slices.Max(la)-slices.Min(la)))
	for i := range la {
		color := grey
		for _, s := range p.steps {
			if hr[i] >= s.from {
				color = s.color
			}
		}
		a.f(`<circle cx="%.1f" cy="%.1f" r="3.2" fill="%s"/>`, x+w/2+(lo[i]-mlo)*squeeze*zoom, y+h/2-(la[i]-mla)*zoom, color)
	}
	a.text(x+w-8, y+h-8, 10.5, dim, "end", "Grafana shows a map below it")
}

// The pictures of the documentation can be drawn; with -update they are.
func TestPictures(t *testing.T) {
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	fill(t, s.URL, "fitbit", "metric")
	for _, c := range []struct {
		name string
		b    board
		rows []string
	}{
		{"today", overview(), []string{"Morning report", "Today"}},
		{"overview", overview(), []string{"Morning report", "Today", "Sleep", "Heart"}},
		{"overview-2", overview(), []string{"Activity", "Body", "Workouts", "Device"}},
		{"year", year(), []string{""}},
		{"data", quality(), []string{""}},
	} {
		v, x := opened(t, InfluxQL, influxQL{url: s.URL, database: "fitbit"}, theDashboard(t, InfluxQL, c.b.uid), nil)
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		a := &artist{canvas: &canvas{}, v: v, loc: loc}
		a.board(c.b, x, c.rows, "Drawn from the dashboard's own queries, not a screenshot of Grafana")
		if strings.Contains(a.String(), "NaN") || strings.Contains(a.String(), "Inf") {
			t.Errorf("%s: something could not be placed", c.name)
		}
		for d := xml.NewDecoder(strings.NewReader(a.String())); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		path := filepath.Join("..", "..", "Grafana_Dashboard", "pictures", c.name+".svg")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(a.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%v: draw it with go test -run TestPictures ./internal/dashboard -update", err)
		}
	}
}
