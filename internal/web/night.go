package web

import (
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// night is the main sleep of a day and its naps, ready to be drawn: a lane for each stage, as wide as the night has minutes.
type night struct {
	Empty    bool // there is no main sleep
	From, To string
	Asleep   string
	Wide     string // of the drawing
	High     int
	Lanes    []lane
	Links    template.HTMLAttr // from one stage to the next
	Hours    []mark
	Naps     []nap
}

// lane is a stage: all its pieces, and how long they are together.
type lane struct {
	Stage   string // deep, light, rem, awake: its colour
	Name    string
	Time    string
	Percent int
	Path    template.HTMLAttr
}

type nap struct{ From, To, Asleep string }

const laneHeight = 34

// stageLanes are the lanes from above, by the level that the catalogue tells. A tracker without stages tells asleep, restless and awake.
var stageLanes = []struct {
	level            float64
	stage            string
	name, nameSimple string
}{
	{3, "awake", "stage_awake", "stage_awake"},
	{2, "rem", "stage_rem", "stage_restless"},
	{1, "light", "stage_light", "stage_asleep"},
	{0, "deep", "stage_deep", ""},
}

// nightOf draws the main sleep of the day; of several, the longest.
func (s *Server) nightOf(sessions []metric.Session, day metric.Day, loc *time.Location) night {
	n := night{Empty: true}
	var main *metric.Session
	for i := range sessions {
		if x := &sessions[i]; x.Day == day && x.Main && (main == nil || x.End.Sub(x.Start) > main.End.Sub(main.Start)) {
			main = x
		}
	}
	for i := range sessions {
		if x := &sessions[i]; x.Day == day && x != main {
			n.Naps = append(n.Naps, nap{x.Start.In(loc).Format("15:04"), x.End.In(loc).Format("15:04"), s.asleep(*x)})
		}
	}
	if main == nil {
		return n
	}
	n.Empty, n.From, n.To, n.Asleep = false, main.Start.In(loc).Format("15:04"), main.End.In(loc).Format("15:04"), s.asleep(*main)
	n.Wide, n.Hours = number(main.End.Sub(main.Start).Minutes()), nightMarks(main.Start, main.End, loc)
	s.lanes(&n, *main)
	return n
}

// asleep is how long a sleep was, as its summary tells, or else without the time awake.
func (s *Server) asleep(x metric.Session) string {
	row := metric.Default().Must(metric.SleepSummary)
	i := row.Field("minutesAsleep")
	for _, b := range x.Blocks {
		if b.Series == row.ID && b.Len() > 0 && metric.Present(b.Values[i][0]) {
			return s.minutes(b.Values[i][0])
		}
	}
	awake := 0.0
	for _, p := range pieces(x) {
		if p.level == stageLanes[0].level {
			awake += p.to - p.from
		}
	}
	return s.minutes(x.End.Sub(x.Start).Minutes() - awake)
}

func (s *Server) minutes(v float64) string {
	value, unit := s.quantity(v, metric.Field{Unit: metric.Minute, Kind: metric.Int})
	return strings.TrimSpace(value + " " + unit)
}

// piece is a stretch of one stage, in minutes since the night's start.
type piece struct{ level, from, to float64 }

func pieces(x metric.Session) []piece {
	row := metric.Default().Must(metric.SleepLevels)
	level, duration := row.Field("level"), row.Field("duration_seconds")
	all := x.End.Sub(x.Start).Minutes()
	var out []piece
	for _, b := range x.Blocks {
		if b.Series != row.ID {
			continue
		}
		for i, t := range b.Times {
			v := b.Row(i)
			if !metric.Present(v[level]) || !metric.Present(v[duration]) { // the closing one has no duration
				continue
			}
			from := time.Unix(0, t).Sub(x.Start).Minutes()
			p := piece{v[level], math.Max(0, from), math.Min(all, from+v[duration]/60)}
			if p.to > p.from {
				out = append(out, p)
			}
		}
	}
	return out
}

func (s *Server) lanes(n *night, x metric.Session) {
	all := pieces(x)
	if len(all) == 0 {
		return
	}
	simple := strings.EqualFold(x.Title, "classic")
	row := map[float64]int{}
	for _, l := range stageLanes {
		name := l.name
		if simple {
			name = l.nameSimple
		}
		if name == "" {
			continue
		}
		row[l.level] = len(n.Lanes)
		n.Lanes = append(n.Lanes, lane{Stage: l.stage, Name: s.word(name)})
	}
	n.High = laneHeight * len(n.Lanes)
	paths := make([]strings.Builder, len(n.Lanes))
	minutes := make([]float64, len(n.Lanes))
	var links strings.Builder
	total, before := 0.0, -1
	for _, p := range all {
		r, ok := row[p.level]
		if !ok {
			before = -1
			continue
		}
		minutes[r] += p.to - p.from
		total += p.to - p.from
		paths[r].WriteString("M" + number(p.from) + " " + number(float64(r*laneHeight+7)) + "H" + number(p.to) + "v20H" + number(p.from) + "z")
		if before >= 0 && before != r {
			links.WriteString("M" + number(p.from) + " " + number(float64(before*laneHeight+laneHeight/2)) + "V" + number(float64(r*laneHeight+laneHeight/2)))
		}
		before = r
	}
	for i := range n.Lanes {
		n.Lanes[i].Time = s.minutes(math.Round(minutes[i]))
		n.Lanes[i].Path = template.HTMLAttr(`d="` + paths[i].String() + `"`)
		if total > 0 {
			n.Lanes[i].Percent = whole(100 * minutes[i] / total)
		}
	}
	n.Links = template.HTMLAttr(`d="` + links.String() + `"`)
}

// nightMarks are the hours of the clock during a night.
func nightMarks(begin, end time.Time, loc *time.Location) []mark {
	every := 1
	if end.Sub(begin) > 6*time.Hour {
		every = 2
	}
	var out []mark
	for t := begin.Truncate(15 * time.Minute); t.Before(end); t = t.Add(15 * time.Minute) {
		c := t.In(loc)
		at := t.Sub(begin).Minutes() / end.Sub(begin).Minutes()
		if c.Minute() == 0 && c.Hour()%every == 0 && at > .03 && at < .97 {
			out = append(out, mark{At: percentOf(at, 1), Text: c.Format("15"), Side: "middle"})
		}
	}
	return out
}
