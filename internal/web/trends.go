package web

import (
	"context"
	"encoding/json"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// ranges are what one can choose to look at, in days; 0 for all there is.
var ranges = []struct {
	Name string // key of its text is range_NAME
	Days metric.Day
}{{"quarter", 91}, {"year", 365}, {"all", 0}}

const (
	defaultRange = "year"
	meanOver     = 30 // days of the line of means
	meanNeeds    = 3  // values among them
	sparkPoints  = 48
	tableMonths  = 24 // more are shown as years
)

// trends is how the values of days went.
type trends struct {
	Range       string
	First, Last metric.Day
	Groups      []trendGroup
}

// trendGroup is charts that belong together, and a table that says the same.
type trendGroup struct {
	Name    string // key of its title is group_NAME
	Charts  []trend
	More    []trend // of less interest
	Columns []string
	Table   []trendRow
}

// trendRow is the means of a month or a year.
type trendRow struct {
	Name  string
	Cells []string
}

// trend is one field over the days from First to Last. A day without a value is NaN.
type trend struct {
	Sensor        string
	First, Last   metric.Day
	Bars          bool // it is counted up through the day; others are dots
	Average, Unit string
	Low, High     string
	LowBare       string // without its unit where High has the same
	Newest        string
	NewestOn      metric.Day
	Spark         template.HTMLAttr
	Wide          int // of it

	field           metric.Field
	values, means   []float64
	lowest, highest float64
}

// sparse reports whether a series has about one value a day: those are what History shows, and what a past day has as tiles. The
// dense ones are named here, so that a new series is shown without another list.
func sparse(row metric.Series) bool {
	switch {
	case row.ID == metric.HeartRate || row.ID == metric.SleepLevels || row.ID == metric.Battery:
		return false
	}
	return slices.ContainsFunc(row.Fields, func(f metric.Field) bool { return f.Sensor != "" })
}

// rangeOf returns the range of that name, or the usual one.
func rangeOf(name string) (string, metric.Day) {
	for _, r := range ranges {
		if r.Name == name {
			return r.Name, r.Days
		}
	}
	return rangeOf(defaultRange)
}

// trendsNow returns the trends of a range.
func (s *Server) trendsNow(ctx context.Context, p Person, name string) (*trends, error) {
	name, days := rangeOf(name)
	now := s.cfg.Clock.Now()
	return s.trends.slot(p.ID+" "+name).get(now, s.told(trendsFresh), func() (*trends, error) {
		today := calendar(p).Day(now)
		first := firstDay
		if days > 0 {
			first = today - days + 1
		}
		g := gatherer{ask: s.cfg.Program, person: p.ID, cal: calendar(p), first: max(firstDay, first-meanOver+1), today: today}
		found, err := g.all(ctx)
		if err != nil {
			return nil, err
		}
		if days == 0 {
			first = earliest(found, g.first, today)
		}
		return s.arrange(found, g.first, trends{Range: name, First: first, Last: today}), nil
	})
}

// gatherer reads the values of days.
type gatherer struct {
	ask          Program
	person       string
	cal          metric.Calendar
	first, today metric.Day
}

// all returns the values of each sensor, one for each day from first to today.
func (g gatherer) all(ctx context.Context) (map[string][]float64, error) {
	out := map[string][]float64{}
	for _, row := range metric.Default() {
		if !sparse(row) {
			continue
		}
		first := g.first
		if row.Sampling == metric.Sessions {
			first-- // a night stands at its start
		}
		blocks, err := g.ask.Samples(ctx, g.person, row.ID, first, g.today)
		if err != nil {
			return nil, err
		}
		for i, f := range row.Fields {
			if f.Sensor == "" {
				continue
			}
			if v := g.field(blocks, row, i); v != nil {
				out[f.Sensor] = v
			}
		}
	}
	return out, nil
}

// field returns a field's values, of several on a day the last; nil where there are none. What is still being counted today is left
// out.
func (g gatherer) field(blocks []metric.Block, row metric.Series, field int) []float64 {
	counter := latest.Counter(row, row.Fields[field])
	var out []float64
	var when []int64
	for _, b := range blocks {
		if row.ID == metric.SleepSummary && len(b.Tags) > 0 && b.Tags[0] != "True" { // a nap
			continue
		}
		for i, t := range b.Times {
			day, v := g.dayOf(row, b, i), b.Values[field][i]
			if day < g.first || day > g.today || counter && day == g.today || !metric.Present(v) {
				continue
			}
			if out == nil {
				out, when = make([]float64, g.today-g.first+1), make([]int64, g.today-g.first+1)
				for k := range out {
					out[k] = metric.Absent()
				}
			}
			if k := day - g.first; !metric.Present(out[k]) || t >= when[k] {
				out[k], when[k] = v, t
			}
		}
	}
	return out
}

// dayOf returns the day of a sample; that of a night is the day of waking.
func (g gatherer) dayOf(row metric.Series, b metric.Block, i int) metric.Day {
	at := time.Unix(0, b.Times[i])
	if row.ID == metric.SleepSummary {
		if bed := b.Values[row.Field("minutesInBed")][i]; metric.Present(bed) {
			at = at.Add(time.Duration(bed) * time.Minute)
		}
	}
	return g.cal.Day(at)
}

// earliest returns the first day that has any value.
func earliest(found map[string][]float64, first, today metric.Day) metric.Day {
	best := today
	for _, values := range found {
		if i := slices.IndexFunc(values, metric.Present); i >= 0 {
			best = min(best, first+metric.Day(i))
		}
	}
	return best
}

// rolling returns the means of the last n values at each place.
func rolling(values []float64, n int) []float64 {
	out := make([]float64, len(values))
	sum, have := 0.0, 0
	for i, v := range values {
		if metric.Present(v) {
			sum, have = sum+v, have+1
		}
		if i >= n && metric.Present(values[i-n]) {
			sum, have = sum-values[i-n], have-1
		}
		out[i] = metric.Absent()
		if have >= meanNeeds {
			out[i] = sum / float64(have)
		}
	}
	return out
}

// arrange makes the charts of what was found from day from on, in the order of the groups.
func (s *Server) arrange(found map[string][]float64, from metric.Day, t trends) *trends {
	byField := map[string]metric.Field{}
	bars := map[string]bool{}
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			byField[f.Sensor], bars[f.Sensor] = f, latest.Counter(row, f)
		}
	}
	skip := int(t.First - from)
	for _, g := range groups {
		group := trendGroup{Name: g.name}
		list := &group.Charts
		for _, sensor := range strings.Fields(g.sensors) {
			if sensor == "|" {
				list = &group.More
				continue
			}
			values := found[sensor]
			if values == nil || !slices.ContainsFunc(values[skip:], metric.Present) {
				continue
			}
			c := trend{Sensor: sensor, First: t.First, Last: t.Last, field: byField[sensor], Bars: bars[sensor], values: values[skip:], means: rolling(values, meanOver)[skip:]}
			s.sumUp(&c)
			*list = append(*list, c)
		}
		if len(group.Charts)+len(group.More) > 0 {
			s.table(&group, t)
			t.Groups = append(t.Groups, group)
		}
	}
	return &t
}

// sumUp says in words and in a small drawing what the chart shows.
func (s *Server) sumUp(c *trend) {
	c.lowest, c.highest = math.Inf(1), math.Inf(-1)
	sum, n := 0.0, 0
	for i, v := range c.values {
		if metric.Present(v) {
			sum, n = sum+v, n+1
			c.lowest, c.highest = math.Min(c.lowest, v), math.Max(c.highest, v)
			c.Newest, c.NewestOn = s.amount(v, c.field), c.First+metric.Day(i)
		}
	}
	c.Average, c.Unit = s.quantity(s.rounded(sum/float64(n), c.field), c.field)
	c.Low, c.High = s.amount(c.lowest, c.field), s.amount(c.highest, c.field)
	low, unit := s.quantity(s.rounded(c.lowest, c.field), c.field)
	if c.LowBare = c.Low; unit != "" && strings.HasSuffix(c.High, unit) { // said once
		c.LowBare = low
	}
	c.spark()
}

// rounded is a mean as its field is written: whole where the field is.
func (s *Server) rounded(v float64, f metric.Field) float64 {
	if f.Kind == metric.Int {
		return math.Round(v)
	}
	return v
}

// amount is a value with its unit.
func (s *Server) amount(v float64, f metric.Field) string {
	value, unit := s.quantity(s.rounded(v, f), f)
	if unit == "" {
		return value
	}
	return value + "\u00a0" + unit
}

// spark draws the line of means, some points of it and 100 high: what one sees before the script has drawn the chart, or without it.
func (c *trend) spark() {
	n := min(sparkPoints, len(c.means))
	c.Wide = max(1, n-1)
	low := c.lowest
	if c.Bars {
		low = 0
	}
	room := math.Max(c.highest-low, 1e-9)
	var path strings.Builder
	pen := "M"
	for i := range n {
		v := c.means[len(c.means)-1-(n-1-i)*len(c.means)/n] // the newest is among them
		if !metric.Present(v) {
			pen = "M"
			continue
		}
		path.WriteString(pen + strconv.Itoa(i) + " " + strconv.Itoa(whole(96-92*(v-low)/room)))
		pen = " "
	}
	c.Spark = template.HTMLAttr(`d="` + path.String() + `"`)
}

// periodLayout is how the months of a table are named, or its years where there are too many months.
func periodLayout(first, last metric.Day) string {
	if (last-first)/30 > tableMonths {
		return "2006"
	}
	return "2006-01"
}

// table makes rows of months, or of years where there are too many.
func (s *Server) table(g *trendGroup, t trends) {
	charts := slices.Concat(g.Charts, g.More)
	for _, c := range charts {
		g.Columns = append(g.Columns, c.Sensor)
	}
	layout := periodLayout(t.First, t.Last)
	for end := t.Last; end >= t.First; {
		name := end.Civil().Format(layout)
		begin := end
		for begin > t.First && (begin-1).Civil().Format(layout) == name {
			begin--
		}
		row, any := trendRow{Name: name}, false
		for _, c := range charts {
			sum, n := 0.0, 0
			for _, v := range c.values[begin-t.First : end-t.First+1] {
				if metric.Present(v) {
					sum, n = sum+v, n+1
				}
			}
			cell := ""
			if n > 0 {
				cell, any = s.amount(sum/float64(n), c.field), true
			}
			row.Cells = append(row.Cells, cell)
		}
		if any {
			g.Table = append(g.Table, row)
		}
		end = begin - 1
	}
}

// numbers are written with as many digits as their field is shown with; NaN is null.
type numbers struct {
	values []float64
	digits int
}

func (n numbers) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, v := range n.values {
		if i > 0 {
			out = append(out, ',')
		}
		if !metric.Present(v) {
			out = append(out, "null"...)
			continue
		}
		shift := math.Pow(10, float64(n.digits))
		out = strconv.AppendFloat(out, math.Round(v*shift)/shift, 'f', -1, 64)
	}
	return append(out, ']'), nil
}

// digitsOf is how many digits a field is shown with, as quantity has it.
func digitsOf(f metric.Field) int {
	switch {
	case f.Kind == metric.Int, f.Unit == metric.Count, f.Unit == metric.Kilocalorie:
		return 0
	case f.Unit == metric.Kilometre:
		return 2
	}
	return 1
}

// seriesShown is a field as the script draws it.
type seriesShown struct {
	Unit    string  `json:"unit"`
	Digits  int     `json:"digits"`
	Minutes bool    `json:"minutes"`
	Signed  bool    `json:"signed"`
	Bars    bool    `json:"bars"`
	Values  numbers `json:"values"`
	Means   numbers `json:"means"`
}

// series answers the script with the values of a group.
func (s *Server) series(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	_, p, err := s.person(r.Context(), q.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	t, err := s.trendsNow(r.Context(), p, q.Get("range"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	i := slices.IndexFunc(t.Groups, func(g trendGroup) bool { return g.Name == q.Get("group") })
	if i < 0 {
		s.refuse(w, http.StatusNotFound, "refused_path")
		return
	}
	out := struct {
		First  string                 `json:"first"`
		Series map[string]seriesShown `json:"series"`
	}{t.First.String(), map[string]seriesShown{}}
	for _, c := range slices.Concat(t.Groups[i].Charts, t.Groups[i].More) {
		_, unit := s.quantity(0, c.field)
		out.Series[c.Sensor] = seriesShown{
			Unit: unit, Digits: digitsOf(c.field), Minutes: c.field.Unit == metric.Minute, Signed: c.field.Sensor == "skin_temperature", Bars: c.Bars,
			Values: numbers{c.values, digitsOf(c.field)}, Means: numbers{c.means, digitsOf(c.field) + 1},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(out)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Write(data)
}
