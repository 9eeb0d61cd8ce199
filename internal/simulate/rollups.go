package simulate

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// rollUpRequest is the body of both kinds of roll-up; each uses its own members.
type rollUpRequest struct {
	Range            *rollUpRange `json:"range"`
	WindowSize       string       `json:"windowSize"`
	WindowSizeDays   json.Number  `json:"windowSizeDays"`
	PageSize         json.Number  `json:"pageSize"`
	PageToken        string       `json:"pageToken"`
	DataSourceFamily string       `json:"dataSourceFamily"`
}

type rollUpRange struct {
	StartTime string     `json:"startTime"`
	EndTime   string     `json:"endTime"`
	Start     *civilTime `json:"start"`
	End       *civilTime `json:"end"`
}

type civilTime struct {
	Date struct{ Year, Month, Day int }               `json:"date"`
	Time struct{ Hours, Minutes, Seconds, Nanos int } `json:"time"`
}

func (c *civilTime) instant() (time.Time, bool) {
	t := time.Date(c.Date.Year, time.Month(c.Date.Month), c.Date.Day, c.Time.Hours, c.Time.Minutes, c.Time.Seconds, c.Time.Nanos, time.UTC)
	return t, c.Date.Year > 0 && int(t.Month()) == c.Date.Month && t.Day() == c.Date.Day
}

// windows is a checked roll-up request: count windows of one size from start on, the last cut at end. Civil ones are written as UTC.
type windows struct {
	civil      bool
	start, end time.Time
	size       time.Duration
	count      int
	page       int
	next       int // index, counted from the newest
	sum        uint64
	family     string
}

// rollUp answers rollUp (U) and dailyRollUp (D).
func (g *Google) rollUp(name, op string) handler {
	return func(w http.ResponseWriter, c *call) *apiError {
		t, err := c.dataType(name, op)
		if err != nil {
			return err
		}
		var req rollUpRequest
		if err := readBody(c.r, &req); err != nil {
			return err
		}
		ws, err := c.parseWindows(t, op, req)
		if err != nil {
			return err
		}
		m, err := c.keeps(map[string]string{"U": "rollUp", "D": "dailyRollUp"}[op])
		if err != nil {
			return err
		}
		g.writeJSON(w, c.r, http.StatusOK, c.rollUpPage(t, ws, m))
		return nil
	}
}

func readBody(r *http.Request, req *rollUpRequest) *apiError {
	bad := func(err error) *apiError {
		return &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", message: "Invalid JSON payload received. " + err.Error()}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return bad(err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(req); err != nil {
		return bad(err)
	}
	return nil
}

func (c *call) parseWindows(t *dataType, op string, req rollUpRequest) (windows, *apiError) {
	ws := windows{civil: op == "D", family: req.DataSourceFamily}
	if err := checkFamily(ws.family); err != nil {
		return ws, err
	}
	days := t.days
	if days == 0 {
		days = 90
	}
	normal, most := defaultPage, largestPage
	if ws.civil {
		normal, most = days, days
	}
	var err *apiError
	if ws.page, err = pageSize(req.PageSize.String(), normal, most); err != nil {
		return ws, err
	}
	if err := ws.rangeOf(req); err != nil {
		return ws, err
	}
	if ws.end.Sub(ws.start) > time.Duration(days)*24*time.Hour {
		return ws, invalid("INVALID_TIME_RANGE", "The time range is longer than "+strconv.Itoa(days)+" days.")
	}
	ws.count = int((ws.end.Sub(ws.start) + ws.size - 1) / ws.size)
	ws.sum = checksum(c.p.Account(), t.name, op, ws.start.String(), ws.end.String(), ws.size.String(), ws.family)
	if req.PageToken != "" {
		at, ok := parseCursor(req.PageToken, ws.sum)
		if !ok {
			return ws, invalid("INVALID_PAGE_TOKEN", "The page token is invalid or belongs to another request.")
		}
		ws.next = at.index
	}
	return ws, nil
}

// rangeOf reads range and window size.
func (ws *windows) rangeOf(req rollUpRequest) *apiError {
	wrong := invalid("INVALID_TIME_RANGE", "The time range is missing or malformed.")
	r := req.Range
	if r == nil {
		return wrong
	}
	if ws.civil {
		ws.size = 24 * time.Hour
		if n, err := strconv.Atoi(req.WindowSizeDays.String()); err == nil && n > 0 {
			ws.size *= time.Duration(n)
		} else if req.WindowSizeDays != "" && n != 0 {
			return invalid("INVALID_ROLLUP_WINDOW", "windowSizeDays must be at least 1.")
		}
		if r.Start == nil || r.End == nil || r.StartTime != "" || r.EndTime != "" {
			return wrong
		}
		var ok1, ok2 bool
		ws.start, ok1 = r.Start.instant()
		ws.end, ok2 = r.End.instant()
		if !ok1 || !ok2 || ws.start != ws.start.Truncate(24*time.Hour) || ws.end != ws.end.Truncate(24*time.Hour) {
			return wrong
		}
	} else {
		size, err := time.ParseDuration(req.WindowSize)
		if err != nil || !strings.HasSuffix(req.WindowSize, "s") || strings.ContainsAny(req.WindowSize, "mhµun") || size < time.Second || size%time.Second != 0 {
			return invalid("INVALID_ROLLUP_WINDOW", "windowSize must be at least 1s, in whole seconds.")
		}
		ws.size = size
		var err1, err2 error
		ws.start, err1 = time.Parse(time.RFC3339Nano, r.StartTime)
		ws.end, err2 = time.Parse(time.RFC3339Nano, r.EndTime)
		if err1 != nil || err2 != nil || r.Start != nil || r.End != nil {
			return wrong
		}
	}
	if !ws.start.Before(ws.end) {
		return invalid("INVALID_TIME_RANGE", "The time range is empty or reversed.")
	}
	return nil
}

// rollUpPage writes one page of windows, newest first. Windows that have not begun are left out, those in which the tracker was
// not worn have no value.
func (c *call) rollUpPage(t *dataType, ws windows, m *mask) []byte {
	e := newEnc(c.p, m)
	e.b = append(e.b, '{')
	n, k := 0, ws.next
	if e.array("rollupDataPoints") {
		for ; k < ws.count && n < ws.page; k++ {
			start := ws.start.Add(time.Duration(ws.count-1-k) * ws.size)
			end := start.Add(ws.size)
			if end.After(ws.end) {
				end = ws.end
			}
			if c.writeWindow(e, t, ws, start, end) {
				n++
			}
		}
		e.endArray()
		if e.b[len(e.b)-1] == ']' && e.b[len(e.b)-2] == '[' {
			e.b = e.b[:1]
		}
	}
	if k < ws.count {
		e.str("nextPageToken", cursor{index: k}.token(ws.sum))
	}
	return append(e.b, '}')
}

func (c *call) writeWindow(e *enc, t *dataType, ws windows, start, end time.Time) bool {
	physical := metric.Span{Start: start, End: end}
	if ws.civil {
		physical = metric.Span{Start: c.p.Midnight(metric.DayOf(start)), End: c.p.Midnight(metric.DayOf(end))}
	}
	if !physical.Start.Before(c.now) {
		return false
	}
	e.item()
	if ws.civil {
		for i, name := range [2]string{"civilStartTime", "civilEndTime"} {
			if e.open(name) {
				e.date("date", metric.DayOf([2]time.Time{start, end}[i]))
				e.end()
			}
		}
	} else {
		e.time("startTime", start)
		e.time("endTime", end)
	}
	w := window{p: c.p, span: physical, whole: physical, member: t.rolled}
	if w.member == "" {
		w.member = t.camel()
	}
	if c.horizon.Before(w.span.End) {
		w.span.End = c.horizon.Add(-59 * time.Second) // a minute counts when it is over
		if t.kind == sample {
			w.span.End = c.horizon.Add(1)
		}
	}
	if c.now.Before(w.whole.End) {
		w.whole.End = c.now.Add(1)
	}
	if !w.whole.Empty() && (!w.span.Empty() || t.manual) && ws.family != familySelf && (!t.manual || ws.family != familyWearables) {
		t.roll(e, w)
	}
	e.done()
	return true
}
