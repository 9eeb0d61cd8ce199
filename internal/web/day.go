package web

import (
	"context"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// dayFacts is what the archive holds of one day, and of what reaches into it.
type dayFacts struct {
	beats    []metric.Block
	steps    []metric.Block
	sleeps   []metric.Session // that ended on this day or the next
	workouts []metric.Session // that began on this day or the one before
	values   []latest.Value   // of a past day: its own
}

// facts reads a day; of a past one its values too, which for today come as the newest.
func (s *Server) facts(ctx context.Context, p Person, day metric.Day, past bool) (dayFacts, error) {
	return s.days.slot(p.ID+" "+day.String()).get(s.cfg.Clock.Now(), s.told(dayFresh), func() (f dayFacts, err error) {
		ask := s.cfg.Program
		if f.beats, err = ask.Samples(ctx, p.ID, metric.HeartRateMinute, day, day); err != nil {
			return f, err
		}
		if f.steps, err = ask.Samples(ctx, p.ID, metric.Steps, day, day); err != nil {
			return f, err
		}
		if f.sleeps, err = ask.Sessions(ctx, p.ID, metric.Sleep, day, day+1); err != nil {
			return f, err
		}
		if f.workouts, err = ask.Sessions(ctx, p.ID, metric.Workout, day-1, day); err != nil || !past {
			return f, err
		}
		for _, row := range metric.Default() {
			if !sparse(row) || row.Sampling == metric.Sessions {
				continue
			}
			blocks, err := ask.Samples(ctx, p.ID, row.ID, day, day)
			if err != nil {
				return f, err
			}
			f.values = append(f.values, newestOf(blocks, row)...)
		}
		return f, nil
	})
}

// newestOf returns the fields of the newest sample.
func newestOf(blocks []metric.Block, row metric.Series) []latest.Value {
	var best *metric.Block
	for i := range blocks {
		if n := blocks[i].Len(); n > 0 && (best == nil || blocks[i].Times[n-1] > best.Times[best.Len()-1]) {
			best = &blocks[i]
		}
	}
	if best == nil {
		return nil
	}
	var out []latest.Value
	last := best.Len() - 1
	for i, f := range row.Fields {
		out = append(out, latest.Value{Series: row.ID, Field: f, Tags: best.Tags, Device: best.Device, Value: best.Values[i][last], At: time.Unix(0, best.Times[last])})
	}
	return out
}

// period is a sleep or a workout as a band on the curve.
type period struct {
	Kind     string // sleep, nap, workout: its colour
	Name     string
	From, To string // on the clock, whole, though the band ends with the day
	X, W     string // shares of the day
}

// periods are the bands of a day, in order of their start.
func (s *Server) periods(f dayFacts, day metric.Day, loc *time.Location) []period {
	begin, end := day.In(loc), (day + 1).In(loc)
	var out []period
	add := func(kind, name string, x metric.Session) {
		at := metric.Span{Start: x.Start, End: x.End}.Overlap(metric.Span{Start: begin, End: end})
		if at.Empty() {
			return
		}
		all := end.Sub(begin).Minutes()
		out = append(out, period{Kind: kind, Name: name, From: x.Start.In(loc).Format("15:04"), To: x.End.In(loc).Format("15:04"),
			X: percentOf(at.Start.Sub(begin).Minutes(), all), W: percentOf(at.Len().Minutes(), all)})
	}
	for _, x := range f.sleeps {
		if x.Main {
			add("sleep", s.word("mark_sleep"), x)
		} else {
			add("nap", s.word("mark_nap"), x)
		}
	}
	for _, x := range f.workouts {
		add("workout", x.Title, x)
	}
	return out
}

const stepsHeight = 120.0

// stepDay is the steps of a day, hour by hour, ready to be drawn.
type stepDay struct {
	Empty bool
	Total int
	Best  stepHour
	Bars  []bar
	Lines []mark
	Hours []mark
	Table []stepHour
}

// stepHour is a row of the table that says the same as the bars.
type stepHour struct {
	Clock string
	Steps int
}

// bar is one hour.
type bar struct {
	X, W, Y, H string
	Clock      string
	Steps      int
}

// stepBars sums up the minutes of each hour. A day on which the clocks change has an hour more or less.
func stepBars(blocks []metric.Block, day metric.Day, loc *time.Location) stepDay {
	begin, end := day.In(loc), (day + 1).In(loc)
	all := end.Sub(begin)
	sums := make([]float64, int(math.Ceil(all.Hours())))
	d := stepDay{Empty: true, Hours: hourMarks(begin, end, loc)}
	for _, b := range blocks {
		for i, t := range b.Times {
			at := time.Unix(0, t)
			if v := b.Values[0][i]; metric.Present(v) && !at.Before(begin) && at.Before(end) {
				sums[int(at.Sub(begin)/time.Hour)] += v
				d.Empty = false
			}
		}
	}
	if d.Empty {
		return d
	}
	most := 0.0
	for i, v := range sums {
		h := stepHour{begin.Add(time.Duration(i) * time.Hour).In(loc).Format("15:04"), whole(v)}
		if d.Total += h.Steps; v > most {
			most, d.Best = v, h
		}
		if h.Steps > 0 {
			d.Table = append(d.Table, h)
		}
	}
	step := niceStep(most)
	top := math.Max(step, most*1.08)
	for v := step; v < top; v += step {
		d.Lines = append(d.Lines, mark{At: number(stepsHeight * (1 - v/top)), Text: count(v)})
	}
	for i, v := range sums {
		if v <= 0 {
			continue
		}
		high := math.Max(2, stepsHeight*v/top)
		d.Bars = append(d.Bars, bar{X: percentOf(float64(i)+.14, all.Hours()), W: percentOf(.72, all.Hours()), Y: number(stepsHeight - high), H: number(high),
			Clock: begin.Add(time.Duration(i) * time.Hour).In(loc).Format("15:04"), Steps: whole(v)})
	}
	return d
}

// niceStep is the distance of two to four round lines up to most.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, m := range []float64{.25, .5, 1, 2.5} {
		if most/(m*unit) < 4.5 {
			return m * unit
		}
	}
	return 5 * unit
}

// workout is one of the day's.
type workout struct {
	Name, At string
	Facts    []string
}

// workoutsOf lists those that began on the day.
func (s *Server) workoutsOf(sessions []metric.Session, day metric.Day, loc *time.Location) []workout {
	row := metric.Default().Must(metric.Workouts)
	var out []workout
	for _, x := range sessions {
		if x.Day != day {
			continue
		}
		w := workout{Name: x.Title, At: x.Start.In(loc).Format("15:04"), Facts: []string{s.lasting(x.End.Sub(x.Start))}}
		for _, b := range x.Blocks {
			if b.Series != row.ID || b.Len() == 0 {
				continue
			}
			for _, key := range []string{"distance", "AverageHeartRate", "calories", "steps"} {
				i := row.Field(key)
				if v := b.Values[i][0]; metric.Present(v) && v > 0 {
					value, unit := s.quantity(v, row.Fields[i])
					if key == "steps" {
						unit = s.word("steps_unit")
					}
					w.Facts = append(w.Facts, value+"\u00a0"+unit)
				}
			}
		}
		out = append(out, w)
	}
	return out
}
