package web

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// dayState is what is known of a day. The order is what wins where feeds are shown together: what is still to come before what is here.
type dayState uint8

const (
	unwanted dayState = iota // before history begins, or not over the horizon yet
	none                     // asked, final, and nothing is there
	have
	early   // asked before it was over or the device had synced: will be asked again
	missing // not asked yet
	flying  // being asked
)

// stateNames are their names: keys of their texts are cover_NAME.
var stateNames = [...]string{"unwanted", "none", "have", "early", "missing", "flying"}

func (d dayState) String() string { return stateNames[d] }

// states tells what is known of each day from first to last of one feed; asking is what is in flight.
func (f FeedCoverage) states(cal metric.Calendar, start, first, last metric.Day, asking []metric.Span) []dayState {
	out := make([]dayState, 0, last-first+1)
	if f.Feed.Depth > 0 {
		start = max(start, last-metric.Day(f.Feed.Depth/(24*time.Hour)))
	}
	asked, days := f.Asked, f.Days
	for d := first; d <= last; d++ {
		span := metric.DaySpan(d, d)
		if f.Feed.Axis == metric.Instants {
			span = metric.Span{Start: cal.Midnight(d), End: cal.Midnight(d + 1)}
		}
		for len(asked) > 0 && !asked[0].Span.End.After(span.Start) {
			asked = asked[1:]
		}
		for len(days) > 0 && days[0] < d {
			days = days[1:]
		}
		state := answered(asked, span)
		switch {
		case slices.ContainsFunc(asking, func(a metric.Span) bool { return !a.Overlap(span).Empty() }):
			state = flying
		case state == missing && d < start:
			state = unwanted
		case state == have && (len(days) == 0 || days[0] != d):
			state = none
		}
		out = append(out, state)
	}
	return out
}

// answered tells whether a day has been asked for; asked begins with what may overlap it. A day that has been answered up to some
// instant, behind which nothing has been asked at all, is the newest: it was asked too early.
func answered(asked []metric.Covered, day metric.Span) dayState {
	at, final := day.Start, true
	for i, c := range asked {
		if !c.Span.Start.Before(day.End) || c.Span.Start.After(at) {
			return missing
		}
		at, final = c.Span.End, final && c.Final
		switch {
		case !at.Before(day.End) && final:
			return have
		case !at.Before(day.End):
			return early
		case i == len(asked)-1:
			return early
		}
	}
	return missing
}

// coverGroup returns the group of a feed, by the first of its series.
func coverGroup(f metric.Feed) string {
	row := metric.Default().Must(f.Series[0])
	for _, g := range groups {
		if slices.Contains(strings.Fields(g.others), string(row.ID)) {
			return g.name
		}
		for _, field := range row.Fields {
			if field.Sensor != "" && slices.Contains(strings.Fields(g.sensors), field.Sensor) {
				return g.name
			}
		}
	}
	return ""
}

// cover is the calendar of what has been fetched.
type cover struct {
	Group  string // empty for all
	Groups []string
	Denied []string // feeds that the service refuses
	Years  []coverYear
	Before int // all days of before this year have been asked for, and there is nothing; 0 for none
	States []stateCount
	Gaps   []gap // the newest
	More   int   // further gaps
	Table  []coverPeriod
}

// DeniedNames are the feeds that the service refuses, as people read them.
func (c cover) DeniedNames() string {
	return strings.ReplaceAll(strings.Join(c.Denied, ", "), "_", " ")
}

// coverYear is one grid: a column for each week, Monday above.
type coverYear struct {
	Year   int
	First  metric.Day
	Offset int // of the first day in its week
	Runs   string
	Counts []stateCount
	Paths  []statePath
}

type statePath struct {
	State string
	Path  template.HTMLAttr
}

type stateCount struct {
	State string
	Days  int
}

// gap is days in a row that have not been asked for.
type gap struct {
	First, Last metric.Day
	Days        int
}

// coverPeriod is a row of the table.
type coverPeriod struct {
	Name   string
	First  metric.Day
	Counts []int // in the order of shownStates
}

// shownStates are the states that have a colour, in the order of the legend.
var shownStates = []dayState{have, none, missing, flying, early}

const (
	maxGaps = 6
	cell    = 10 // the side of a day in the drawing
)

// coverOf draws the calendar of a group, or of all. A feed whose place another one takes, or that is asked only for sessions, is no
// matter of days.
func coverOf(c Coverage, cal metric.Calendar, today metric.Day, group string, asking map[string][]metric.Span) cover {
	first := c.Start
	for _, f := range c.Feeds {
		if len(f.Asked) > 0 {
			first = min(first, cal.Day(f.Asked[0].Span.Start))
		}
	}
	first = min(max(first, firstDay), today)
	out := cover{Group: group}
	all := make([]dayState, today-first+1)
	for _, f := range c.Feeds {
		behind := slices.ContainsFunc(c.Feeds, func(o FeedCoverage) bool { return o.Feed.ID == f.Feed.Behind })
		if f.Feed.Trigger == metric.OnWish || behind {
			continue
		}
		name := coverGroup(f.Feed)
		if !slices.Contains(out.Groups, name) {
			out.Groups = append(out.Groups, name)
		}
		if group != "" && name != group {
			continue
		}
		if f.Denied {
			out.Denied = append(out.Denied, f.Feed.ID)
			continue
		}
		for i, s := range f.states(cal, c.Start, first, today, asking[f.Feed.ID]) {
			all[i] = max(all[i], s)
		}
	}
	out.draw(all, first)
	return out
}

func (c *cover) draw(all []dayState, first metric.Day) {
	from := slices.IndexFunc(all, func(s dayState) bool { return s > none })
	if from < 0 {
		if from = slices.Index(all, none); from < 0 {
			from = len(all)
		}
	}
	last := first + metric.Day(len(all)) - 1
	if from < len(all) {
		year := (first + metric.Day(from)).Civil().Year()
		begin := max(first, dayOfYear(year))
		if slices.Contains(all[:begin-first], none) {
			c.Before = year
		}
		for y := last.Civil().Year(); y >= year; y-- {
			lo, hi := max(first, dayOfYear(y)), min(last, dayOfYear(y+1)-1)
			c.Years = append(c.Years, yearOf(y, lo, all[lo-first:hi-first+1]))
		}
		c.periods(all[begin-first:], begin)
	}
	c.States = counts(all)
	c.gaps(all, first)
}

func dayOfYear(y int) metric.Day { return metric.DayOf(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)) }

// counts tells how many days are in each state, those that there are.
func counts(all []dayState) []stateCount {
	var out []stateCount
	for _, s := range shownStates {
		n := 0
		for _, d := range all {
			if d == s {
				n++
			}
		}
		if n > 0 {
			out = append(out, stateCount{s.String(), n})
		}
	}
	return out
}

// yearOf draws a year, of which the days from first on are told.
func yearOf(year int, first metric.Day, days []dayState) coverYear {
	begin := dayOfYear(year)
	monday := (int(begin.Civil().Weekday()) + 6) % 7
	y := coverYear{Year: year, First: first, Offset: monday + int(first-begin), Counts: counts(days)}
	paths := map[dayState]*strings.Builder{}
	var runs strings.Builder
	for i := 0; i < len(days); {
		end := i
		for end < len(days) && days[end] == days[i] {
			end++
		}
		runs.WriteString(stateNames[days[i]][:1] + strconv.Itoa(end-i))
		if days[i] != unwanted {
			if paths[days[i]] == nil {
				paths[days[i]] = &strings.Builder{}
			}
			cells(paths[days[i]], y.Offset+i, y.Offset+end)
		}
		i = end
	}
	y.Runs = runs.String()
	for _, s := range shownStates {
		if p := paths[s]; p != nil {
			y.Paths = append(y.Paths, statePath{s.String(), template.HTMLAttr(`d="` + p.String() + `"`)})
		}
	}
	return y
}

// cells writes the cells from a up to b, counted down the weeks: the rest of a column, whole columns, the begin of one. The lines
// between the days are laid over them.
func cells(out *strings.Builder, a, b int) {
	box := func(column, row, wide, high int) {
		out.WriteString("M" + strconv.Itoa(column*cell) + " " + strconv.Itoa(row*cell) + "h" + strconv.Itoa(wide*cell) + "v" + strconv.Itoa(high*cell) + "h-" + strconv.Itoa(wide*cell) + "z")
	}
	if a%7 != 0 {
		end := min(b, a-a%7+7)
		box(a/7, a%7, 1, end-a)
		a = end
	}
	if whole := (b - a) / 7; whole > 0 {
		box(a/7, 0, whole, 7)
		a += whole * 7
	}
	if a < b {
		box(a/7, 0, 1, b-a)
	}
}

// gaps lists what is missing, newest first.
func (c *cover) gaps(all []dayState, first metric.Day) {
	for end := len(all); end > 0; {
		if all[end-1] != missing {
			end--
			continue
		}
		begin := end
		for begin > 0 && all[begin-1] == missing {
			begin--
		}
		if len(c.Gaps) < maxGaps {
			c.Gaps = append(c.Gaps, gap{first + metric.Day(begin), first + metric.Day(end) - 1, end - begin})
		} else {
			c.More++
		}
		end = begin
	}
}

// periods makes the table of months or years, newest first.
func (c *cover) periods(all []dayState, first metric.Day) {
	layout := periodLayout(first, first+metric.Day(len(all)))
	for i := 0; i < len(all); {
		day := first + metric.Day(i)
		m := coverPeriod{Name: day.Civil().Format(layout), First: day, Counts: make([]int, len(shownStates))}
		any := false
		for ; i < len(all) && (first+metric.Day(i)).Civil().Format(layout) == m.Name; i++ {
			if k := slices.Index(shownStates, all[i]); k >= 0 {
				m.Counts[k]++
				any = true
			}
		}
		if any {
			c.Table = append(c.Table, m)
		}
	}
	slices.Reverse(c.Table)
}
