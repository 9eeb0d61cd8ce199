package simulate

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// asked is what the end of a path says: days, and for minutes the grid and the part of the day.
type asked struct {
	route       *fitbitRoute
	first, last metric.Day
	single      bool   // one date, not a range
	all         bool   // the values of each night
	detail      string // 1sec, 1min, 5min or 15min; empty for daily values
	windowed    bool
	from, to    int64 // seconds after midnight: of the first day, and of the last; to is past the end
}

// The forms of a path behind "date": {date}, {date}/{date}, {date}/{period}, the first two with /all, and with a grid of minutes.
const (
	formDate     = "d"
	formRange    = "r"
	formPeriod   = "p"
	formAll      = "a"
	formIntraday = "i"
)

// parseDates reads what stands behind "date".
func (c *fitbitCall) parseDates(t *fitbitRoute, part []string) (asked, *fitbitError) {
	q := asked{route: t, to: 86400}
	if n := len(part); n > 1 && part[n-1] == "all" && strings.Contains(t.forms, formAll) {
		q.all, part = true, part[:n-1]
	}
	if n := len(part); n >= 3 && part[n-3] == "time" {
		q.windowed = true
		var ok1, ok2 bool
		if q.from, _, ok1 = clockTime(part[n-2]); !ok1 {
			return q, fitbitInvalid("startTime", "Invalid time: "+part[n-2])
		}
		if _, q.to, ok2 = clockTime(part[n-1]); !ok2 {
			return q, fitbitInvalid("endTime", "Invalid time: "+part[n-1])
		}
		part = part[:n-3]
	}
	if len(part) == 3 && !q.all && strings.Contains(t.forms, formIntraday) {
		q.detail, part = part[2], part[:2]
		if !slices.Contains(t.details(), q.detail) {
			return q, fitbitInvalid("detailLevel", "Invalid detail level: "+q.detail)
		}
	}
	if q.windowed && q.detail == "" || len(part) == 0 || len(part) > 2 {
		return q, noSuchEndpoint()
	}
	var ok bool
	if q.first, ok = c.date(part[0]); !ok {
		return q, fitbitInvalid("date", "Invalid date: "+part[0])
	}
	q.last = q.first
	if len(part) == 1 {
		if q.single = true; !strings.Contains(t.forms, formDate) {
			return q, noSuchEndpoint()
		}
		return q, nil
	}
	return c.parseEnd(q, part[1])
}

// parseEnd reads the second part: the end of a range, or a period that ends with the date.
func (c *fitbitCall) parseEnd(q asked, s string) (asked, *fitbitError) {
	t := q.route
	switch last, isDate := c.date(s); {
	case q.detail != "" && s == "1d":
		q.single = true
	case q.detail != "" && isDate:
		q.last = last
	case q.detail == "" && isDate && strings.Contains(t.forms, formRange):
		q.last = last
	case q.detail == "" && !q.all && strings.Contains(t.forms, formPeriod):
		if s == "max" && slices.Contains(t.periods, s) {
			q.first = min(q.last, c.p.Start)
			return q, nil
		}
		if !slices.Contains(t.periods, s) {
			return q, fitbitInvalid("period", "Invalid period: "+s)
		}
		q.first = periodStart(q.last, s)
		return q, nil
	default:
		return q, fitbitInvalid("endDate", "Invalid date: "+s)
	}
	if q.last < q.first {
		return q, fitbitInvalid("endDate", "The end date must not be before the start date: "+s)
	}
	if q.detail != "" {
		if time.Duration(int64(q.last-q.first)*86400+q.to-q.from)*time.Second > 24*time.Hour {
			return q, fitbitErr(http.StatusBadRequest, "request", "n/a", "Time range should not be bigger than 24 hours.")
		}
		if q.first == q.last && q.to <= q.from {
			return q, fitbitInvalid("endTime", "The end time must not be before the start time.")
		}
		return q, nil
	}
	return q, t.tooLong(q)
}

// tooLong checks the length of a range. The service's own examples have end - start = 30 where they say 30 days, so that much is good.
func (t *fitbitRoute) tooLong(q asked) *fitbitError {
	limit := t.days
	if q.all && t.allDays > 0 {
		limit = t.allDays
	}
	switch {
	case limit == 0 || int(q.last-q.first) <= limit:
		return nil
	case limit == longSeries:
		e := fitbitErr(http.StatusUnprocessableEntity, "validation", "Request", "The number of data points queried exceeds limit.")
		e.bare = true
		return e
	}
	return fitbitInvalid("endDate", "The range of dates is longer than allowed.")
}

// date reads a day, or today.
func (c *fitbitCall) date(s string) (metric.Day, bool) {
	if s == "today" {
		return c.today(), true
	}
	d, err := metric.ParseDay(s)
	return d, err == nil
}

// clockTime reads HH:mm or HH:mm:ss, and returns where that minute or second begins and ends.
func clockTime(s string) (begin, end int64, ok bool) {
	if t, err := time.Parse("15:04:05", s); err == nil {
		begin = int64(t.Hour()*3600 + t.Minute()*60 + t.Second())
		return begin, begin + 1, true
	}
	t, err := time.Parse("15:04", s)
	begin = int64(t.Hour()*3600 + t.Minute()*60)
	return begin, begin + 60, err == nil
}

// periodStart returns the first day of a period that ends with last.
func periodStart(last metric.Day, period string) metric.Day {
	end := last.Civil()
	switch period {
	case "1d":
		return last
	case "7d", "1w":
		return last - 6
	case "30d":
		return last - 29
	case "1m":
		return metric.DayOf(end.AddDate(0, -1, 1))
	case "3m":
		return metric.DayOf(end.AddDate(0, -3, 1))
	case "6m":
		return metric.DayOf(end.AddDate(0, -6, 1))
	}
	return metric.DayOf(end.AddDate(-1, 0, 1))
}

// on cuts a request to one of its days.
func (q asked) on(d metric.Day) asked {
	if d != q.first {
		q.first, q.from = d, 0
	}
	if d != q.last {
		q.last, q.to = d, 86400
	}
	return q
}

// within reports whether a time of the clock on day d belongs to the part of the day that was asked for.
func (q asked) within(d metric.Day, local int64) bool {
	s := local % 86400
	return (d != q.first || s >= q.from) && (d != q.last || s < q.to)
}
