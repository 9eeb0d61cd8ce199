// Package python fills databases for tests as the Python project (fitbit-grafana) does: it asks a Fitbit Web API for the
// same things and writes of the answers the same measurements, tags, field names, field types and instants.
//
// It reads the answers by itself, so that what our program makes of the same service can be held against it.
package python

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Writer fills databases with one person's data.
type Writer struct {
	HTTP     *http.Client // carries the person's access token
	Base     string       // of the service
	Language string       // of Accept-Language, which decides the units; empty for its own: en_US
	Device   string       // DEVICENAME

	// Literal takes a number for an integer where the service writes it without a point, as Python does. Otherwise the fields have
	// the types of the project's own list of them: those of a service that always writes the point.
	Literal bool
	// SleepAtNoon puts `Sleep Summary` to 12:00 UTC of the day of going to bed, as the project's one-off script has left it.
	SleepAtNoon bool

	zone  *time.Location
	lines *strings.Builder
}

// Fill asks for the days from first to last and hands on their lines, one call for each answer or group of answers that the
// project writes at once.
func (w *Writer) Fill(first, last time.Time, write func(lines string) error) error {
	var profile struct{ User struct{ Timezone string } }
	if err := w.ask("/1/user/-/profile.json", &profile); err != nil {
		return err
	}
	var err error
	if w.zone, err = time.LoadLocation(profile.User.Timezone); err != nil {
		return err
	}
	flush := func(err error) error {
		text := w.lines.String()
		w.lines = &strings.Builder{}
		if err != nil || text == "" {
			return err
		}
		return write(text)
	}
	w.lines = &strings.Builder{}
	if err := flush(w.exercises(last)); err != nil {
		return err
	}
	if err := flush(w.battery()); err != nil {
		return err
	}
	for _, t := range tables {
		days := t.days
		if days == 0 {
			days = 100_000
		}
		for from := first; !from.After(last); from = from.AddDate(0, 0, days) {
			to := from.AddDate(0, 0, days-1)
			if to.After(last) {
				to = last
			}
			path := strings.NewReplacer("FROM", from.Format(time.DateOnly), "TO", to.Format(time.DateOnly)).Replace(t.path)
			var answer any
			err := w.ask(path, &answer)
			if err == nil {
				err = w.write(t, from, answer)
			}
			if err := flush(err); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return nil
}

// ask reads a JSON answer.
func (w *Writer) ask(path string, into any) error {
	body, err := w.get(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	return dec.Decode(into)
}

func (w *Writer) get(path string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, w.Base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Language", "en_US")
	if w.Language != "" {
		req.Header.Set("Accept-Language", w.Language)
	}
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return body, err
}

// A table is a series of requests and what is written of each entry of their answers.
type table struct {
	path  string // with FROM and TO
	days  int    // of one request; 0 for any number
	list  string // path to the entries, with dots; empty where the answer is the list
	inner string // list within each entry; empty for none
	at    string // name of the time of an entry; date+time for two that belong together; hour for a time of the day FROM
	into  string // measurement
	// fields are "name of ours=path in the entry:type"; of the types, i and f are conversions, I and F what the service says.
	fields []string
	sleep  bool // of its own kind
}

// tables are all that has a range of days.
var tables = func() []table {
	out := []table{
		{path: "/1/user/-/spo2/date/FROM/TO.json", at: "dateTime", into: "SPO2", fields: []string{"avg=value.avg:F", "max=value.max:F", "min=value.min:F"}},
		{path: "/1/user/-/activities/heart/date/FROM/TO.json", days: 360, list: "activities-heart", at: "dateTime", into: "HR zones",
			fields: []string{"Normal=value.heartRateZones.0.minutes:Z", "Fat Burn=value.heartRateZones.1.minutes:Z", "Cardio=value.heartRateZones.2.minutes:Z", "Peak=value.heartRateZones.3.minutes:Z"}},
		{path: "/1/user/-/activities/heart/date/FROM/TO.json", days: 360, list: "activities-heart", at: "dateTime", into: "RestingHR", fields: []string{"value=value.restingHeartRate:I"}},
		{path: "/1/user/-/activities/active-zone-minutes/date/FROM/TO.json", days: 360, list: "activities-active-zone-minutes", at: "dateTime", into: "HR zones",
			fields: []string{"activeZoneMinutes=value.activeZoneMinutes:I", "fatBurnActiveZoneMinutes=value.fatBurnActiveZoneMinutes:I", "cardioActiveZoneMinutes=value.cardioActiveZoneMinutes:I", "peakActiveZoneMinutes=value.peakActiveZoneMinutes:I"}},
		{path: "/1.2/user/-/sleep/date/FROM/TO.json", days: 98, list: "sleep", sleep: true},
		{path: "/1/user/-/hrv/date/FROM/TO.json", days: 28, list: "hrv", at: "dateTime", into: "HRV", fields: []string{"dailyRmssd=value.dailyRmssd:F", "deepRmssd=value.deepRmssd:F"}},
		{path: "/1/user/-/br/date/FROM/TO.json", days: 28, list: "br", at: "dateTime", into: "BreathingRate", fields: []string{"value=value.breathingRate:F"}},
		{path: "/1/user/-/temp/skin/date/FROM/TO.json", days: 28, list: "tempSkin", at: "dateTime", into: "Skin Temperature Variation", fields: []string{"RelativeValue=value.nightlyRelative:F"}},
		{path: "/1/user/-/spo2/date/FROM/TO/all.json", days: 28, inner: "minutes", at: "minute", into: "SPO2_Intraday", fields: []string{"value=value:f"}},
		{path: "/1/user/-/body/log/weight/date/FROM/TO.json", days: 28, list: "weight", at: "date+time", into: "weight", fields: []string{"value=weight:f"}},
		{path: "/1/user/-/body/log/weight/date/FROM/TO.json", days: 28, list: "weight", at: "date+time", into: "bmi", fields: []string{"value=bmi:f"}},
		{path: "/1/user/-/activities/heart/date/FROM/1d/1sec.json", days: 1, list: "activities-heart-intraday.dataset", at: "hour", into: "HeartRate_Intraday", fields: []string{"value=value:i"}},
		{path: "/1/user/-/activities/steps/date/FROM/1d/1min.json", days: 1, list: "activities-steps-intraday.dataset", at: "hour", into: "Steps_Intraday", fields: []string{"value=value:i"}},
	}
	tracker := func(what, into, field string) {
		out = append(out, table{path: "/1/user/-/activities/tracker/" + what + "/date/FROM/TO.json", days: 360, list: "activities-tracker-" + what, at: "dateTime", into: into, fields: []string{field}})
	}
	for _, level := range []string{"minutesSedentary", "minutesLightlyActive", "minutesFairlyActive", "minutesVeryActive"} {
		tracker(level, "Activity Minutes", level+"=value:i")
	}
	tracker("distance", "distance", "value=value:f")
	tracker("calories", "calories", "value=value:f")
	tracker("steps", "Total Steps", "value=value:f")
	return out
}()

// write makes the lines of an answer.
func (w *Writer) write(t table, day time.Time, answer any) error {
	for _, entry := range entries(answer, t.list) {
		if t.sleep {
			if err := w.sleep(entry); err != nil {
				return err
			}
			continue
		}
		rows := []any{entry}
		if t.inner != "" {
			rows = entries(entry, t.inner)
		}
		for _, row := range rows {
			at, err := w.instant(t.at, day, row)
			if err != nil {
				return err
			}
			var fields []string
			for _, f := range t.fields {
				name, rest, _ := strings.Cut(f, "=")
				path, kind, _ := strings.Cut(rest, ":")
				fields = append(fields, w.field(name, dig(row, path), kind))
			}
			w.line(t.into, []string{"Device", w.Device}, fields, at)
		}
	}
	return nil
}

// instant reads the time of an entry.
func (w *Writer) instant(how string, day time.Time, entry any) (time.Time, error) {
	var text string
	switch how {
	case "hour":
		text = day.Format(time.DateOnly) + "T" + word(dig(entry, "time"))
	case "date+time":
		text = word(dig(entry, "date")) + "T" + word(dig(entry, "time"))
	default:
		text = word(dig(entry, how))
	}
	return w.local(text)
}

// local reads a time of the person's clock. Where the clock shows it twice it is taken for the second time, and where it is
// skipped it is read as if the clock had not been put forward.
func (w *Writer) local(text string) (time.Time, error) {
	layout := "2006-01-02T15:04:05"
	if !strings.Contains(text, "T") {
		layout = time.DateOnly
	}
	wall, err := time.Parse(layout, text) // a fraction is read, too
	if err != nil {
		return time.Time{}, err
	}
	offset := func(t time.Time) time.Duration {
		_, s := t.In(w.zone).Zone()
		return time.Duration(s) * time.Second
	}
	before, after := offset(wall.Add(-26*time.Hour)), offset(wall.Add(26*time.Hour))
	for _, o := range []time.Duration{min(before, after), max(before, after)} { // standard time is the smaller one
		if at := wall.Add(-o); offset(at) == o {
			return at, nil
		}
	}
	return wall.Add(-before), nil
}

// field writes one field; empty for a value that is not there.
func (w *Writer) field(name string, v any, kind string) string {
	text := word(v)
	if text == "" && kind == "Z" { // missing minutes of a zone are zero
		text = "0"
	}
	if text == "" || name == "dailyRmssd" && number(text) == 0 || name == "deepRmssd" && number(text) == 0 {
		return ""
	}
	whole := kind == "i" || kind == "I" || kind == "Z"
	if w.Literal && strings.ContainsAny(kind, "FIZ") {
		whole = !strings.ContainsAny(text, ".eE")
	}
	if whole {
		return escape(name) + "=" + strconv.FormatInt(int64(number(text)), 10) + "i"
	}
	return escape(name) + "=" + strconv.FormatFloat(number(text), 'f', -1, 64)
}

// line writes one line; what has no field makes none.
func (w *Writer) line(measurement string, tags, fields []string, at time.Time) {
	var there []string
	for _, f := range fields {
		if f != "" {
			there = append(there, f)
		}
	}
	if len(there) == 0 {
		return
	}
	w.lines.WriteString(escape(measurement))
	for i := 0; i < len(tags); i += 2 {
		w.lines.WriteString("," + tags[i] + "=" + escape(tags[i+1]))
	}
	w.lines.WriteString(" " + strings.Join(there, ",") + " " + strconv.FormatInt(at.UnixNano(), 10) + "\n")
}

// levels are the numbers of the stages of sleep.
var levels = map[string]int{"wake": 3, "rem": 2, "light": 1, "deep": 0, "asleep": 1, "restless": 2, "awake": 3, "unknown": 4}

// sleep writes one sleep: its summary, its stages, and that the person was awake at the end.
func (w *Writer) sleep(log any) error {
	main := "False"
	if dig(log, "isMainSleep") == true {
		main = "True"
	}
	tags := []string{"Device", w.Device, "isMainSleep", main}
	start, err := w.local(word(dig(log, "startTime")))
	if err != nil {
		return err
	}
	end, err := w.local(word(dig(log, "endTime")))
	if err != nil {
		return err
	}
	minutes := [3]any{dig(log, "levels.summary.light.minutes"), dig(log, "levels.summary.rem.minutes"), dig(log, "levels.summary.deep.minutes")}
	if minutes[0] == nil || minutes[1] == nil || minutes[2] == nil {
		minutes = [3]any{dig(log, "levels.summary.asleep.minutes"), dig(log, "levels.summary.restless.minutes"), json.Number("0")}
	}
	fields := []string{w.field("minutesLight", minutes[0], "I"), w.field("minutesREM", minutes[1], "I"), w.field("minutesDeep", minutes[2], "I"), w.field("minutesInBed", dig(log, "timeInBed"), "I")}
	for _, name := range []string{"efficiency", "minutesAfterWakeup", "minutesAsleep", "minutesToFallAsleep", "minutesAwake"} {
		fields = append(fields, w.field(name, dig(log, name), "I"))
	}
	at := start
	if w.SleepAtNoon {
		y, m, d := start.In(w.zone).Date()
		at = time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	}
	w.line("Sleep Summary", tags, fields, at)
	for _, s := range entries(log, "levels.data") {
		at, err := w.local(word(dig(s, "dateTime")))
		if err != nil {
			return err
		}
		level := json.Number(strconv.Itoa(levels[word(dig(s, "level"))]))
		w.line("Sleep Levels", tags, []string{w.field("level", level, "I"), w.field("duration_seconds", dig(s, "seconds"), "I")}, at)
	}
	w.line("Sleep Levels", tags, []string{"level=3i"}, end)
	return nil
}

// battery writes the level of the first device that is listed, whichever it is.
func (w *Writer) battery() error {
	var devices []any
	if err := w.ask("/1/user/-/devices.json", &devices); err != nil || len(devices) == 0 {
		return err
	}
	at, err := w.local(word(dig(devices[0], "lastSyncTime")))
	if err != nil {
		return err
	}
	w.line("DeviceBatteryLevel", nil, []string{w.field("value", dig(devices[0], "batteryLevel"), "f")}, at)
	return nil
}

// exercises writes the newest fifty workouts, and the tracks of the newest eleven that have one.
func (w *Writer) exercises(last time.Time) error {
	var answer any
	if err := w.ask("/1/user/-/activities/list.json?sort=desc&limit=50&offset=0&beforeDate="+last.AddDate(0, 0, 1).Format(time.DateOnly), &answer); err != nil {
		return err
	}
	tracks := 0
	for _, a := range entries(answer, "activities") {
		start, err := time.Parse(time.RFC3339, word(dig(a, "startTime")))
		if err != nil {
			return err
		}
		name := word(dig(a, "activityName"))
		if name == "" {
			name = "Unknown-Activity"
		}
		var fields []string
		for _, f := range [][2]string{{"ActiveDuration", "activeDuration"}, {"AverageHeartRate", "averageHeartRate"}, {"calories", "calories"}, {"duration", "duration"}, {"steps", "steps"}} {
			fields = append(fields, w.field(f[0], dig(a, f[1]), "i"))
		}
		w.line("Activity Records", []string{"ActivityName", name}, append(fields, w.field("distance", dig(a, "distance"), "f")), start)
		link := word(dig(a, "tcxLink"))
		if dig(a, "hasGps") != true || link == "" || tracks > 10 {
			continue
		}
		tracks++
		if _, rest, ok := strings.Cut(link, "/1/user/"); ok {
			link = "/1/user/" + rest
		}
		if err := w.track(link, start.UTC().Format("2006-01-02T15:04:05-07:00")+"-"+name); err != nil {
			return fmt.Errorf("%s: %w", link, err)
		}
	}
	return nil
}

// track writes the points of a track that have a place.
func (w *Writer) track(link, id string) error {
	body, err := w.get(link + "?includePartialTCX=false")
	if err != nil {
		return err
	}
	var tcx struct {
		Points []struct {
			Time     string `xml:"Time"`
			Lat      string `xml:"Position>LatitudeDegrees"`
			Lon      string `xml:"Position>LongitudeDegrees"`
			Altitude string `xml:"AltitudeMeters"`
			Distance string `xml:"DistanceMeters"`
			Heart    string `xml:"HeartRateBpm>Value"`
		} `xml:"Activities>Activity>Lap>Track>Trackpoint"`
	}
	if err := xml.Unmarshal(body, &tcx); err != nil {
		return err
	}
	var was time.Time
	wasDistance := ""
	for _, p := range tcx.Points {
		if p.Lat == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, p.Time)
		if err != nil {
			return err
		}
		num := func(name, s string) string { return w.field(name, json.Number(s), "f") }
		fields := []string{num("lat", p.Lat), num("lon", p.Lon), num("altitude", p.Altitude), num("distance", p.Distance), w.field("heart_rate", json.Number(p.Heart), "i")}
		if seconds := at.Sub(was).Seconds(); !was.IsZero() && wasDistance != "" && p.Distance != "" && seconds > 0 {
			fields = append(fields, num("speed_kph", strconv.FormatFloat((number(p.Distance)-number(wasDistance))/seconds*3.6, 'g', -1, 64)))
		}
		was, wasDistance = at, p.Distance
		w.line("GPS", []string{"ActivityID", id}, fields, at)
	}
	return nil
}

// entries returns the list at a path; nil where there is none.
func entries(v any, path string) []any {
	list, _ := dig(v, path).([]any)
	return list
}

// dig returns what stands at a path of names and places; nil where there is nothing.
func dig(v any, path string) any {
	if path == "" {
		return v
	}
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// word is a number or text as it was written; empty for anything else.
func word(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}

// number reads what the service wrote as a number.
func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // the simulated service writes numbers
	return f
}

var special = strings.NewReplacer(",", `\,`, " ", `\ `, "=", `\=`)

func escape(s string) string { return special.Replace(s) }
