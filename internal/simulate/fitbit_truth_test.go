// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package simulate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// daySeries is a daily series under any key.
type daySeries map[string][]struct {
	DateTime string
	Value    string
}

func (s daySeries) values() map[string]string {
	out := map[string]string{}
	for _, all := range s {
		for _, x := range all {
			out[x.DateTime] = x.Value
		}
	}
	return out
}

// minutesOf is the minutes of an activity.
type minutesOf map[string]json.RawMessage

type minuteEntry struct {
	Time  string
	Value float64
}

func (m minutesOf) dataset(t testing.TB) []minuteEntry {
	t.Helper()
	for key, raw := range m {
		if strings.HasSuffix(key, "-intraday") {
			var d struct{ Dataset []minuteEntry }
			must(t, json.Unmarshal(raw, &d))
			return d.Dataset
		}
	}
	t.Fatal("no minutes")
	return nil
}

// faces are the two servers of one person.
type faces struct {
	*testing.T
	p      *simulate.Person
	google *simulate.Google
	fitbit *simulate.Fitbit
	g, f   string
}

func bothFaces(t *testing.T, p *simulate.Person, now time.Time) *faces {
	x := &faces{T: t, p: p, google: server(p, now), fitbit: fitbit(p, now)}
	x.g, x.f = x.google.AccessToken(p), x.fitbit.AccessToken(p)
	return x
}

// rolled asks Google for the total of each day, in its own whole numbers.
func (x *faces) rolled(name, member, sum string, first, last metric.Day) map[string]float64 {
	x.Helper()
	out := map[string]float64{}
	for d := first; d <= last; d++ {
		date := func(d metric.Day) string {
			c := d.Civil()
			return fmt.Sprintf(`{"date":{"year":%d,"month":%d,"day":%d}}`, c.Year(), int(c.Month()), c.Day())
		}
		_, body := do(x, x.google, x.g, http.MethodPost, fmt.Sprintf(points, name)+":dailyRollUp", `{"range":{"start":`+date(d)+`,"end":`+date(d+1)+`}}`)
		var n float64
		if _, err := fmt.Sscan(strings.Trim(at(x, body, "rollupDataPoints 0 "+member+" "+sum), `"`), &n); err == nil {
			out[d.String()] = n
		}
	}
	return out
}

// TestFacesAgreeOnDays wants the same totals of a person at both services.
func TestFacesAgreeOnDays(t *testing.T) {
	x := bothFaces(t, berlin(t), instant(t, "2025-04-10T12:00:00Z"))
	first, last := day(t, "2025-03-20"), day(t, "2025-04-10")
	for _, c := range []struct {
		name, member, sum, resource string
		scale, off                  float64
	}{
		{"steps", "steps", "countSum", "steps", 1, 0}, {"floors", "floors", "countSum", "floors", 1, 0}, {"distance", "distance", "millimetersSum", "distance", 1e-6, 1e-9},
		{"altitude", "altitude", "gainMillimetersSum", "elevation", 1e-3, 1e-9}, {"total-calories", "totalCalories", "kcalSum", "calories", 1, 0.51},
		{"active-energy-burned", "activeEnergyBurned", "kcalSum", "activityCalories", 1, 0.51},
	} {
		theirs := x.rolled(c.name, c.member, c.sum, first, last)
		ours := read[daySeries](t, x.fitbit, x.f, user+"activities/"+c.resource+"/date/"+first.String()+"/"+last.String()+".json").values()
		if len(ours) != int(last-first)+1 || len(theirs) < 15 {
			t.Errorf("%s: %d days, Google %d", c.resource, len(ours), len(theirs))
		}
		for date, text := range ours {
			var n float64
			_, err := fmt.Sscan(text, &n)
			must(t, err)
			if math.Abs(n-theirs[date]*c.scale) > c.off {
				t.Errorf("%s of %s: %s, Google %v", c.resource, date, text, theirs[date]*c.scale)
			}
		}
	}
}

// TestFacesAgreeOnMinutes wants every minute with steps, and all readings of a workout, to be Google's.
func TestFacesAgreeOnMinutes(t *testing.T) {
	x := bothFaces(t, berlin(t), instant(t, "2025-04-10T12:00:00Z"))
	const date = "2025-04-09"
	theirs := map[string]float64{}
	got, _ := all(t, x.google, x.g, "steps/dataPoints:reconcile", url.Values{"filter": {`steps.interval.civil_start_time >= "2025-04-09" AND steps.interval.civil_start_time < "2025-04-10"`}})
	for _, s := range got {
		var n float64
		_, err := fmt.Sscan(strings.Trim(at(t, []byte(s), "steps count"), `"`), &n)
		must(t, err)
		var start time.Time
		must(t, json.Unmarshal([]byte(at(t, []byte(s), "steps interval startTime")), &start))
		theirs[start.Add(2*time.Hour).Format(time.TimeOnly)] = n
	}
	minutes := read[minutesOf](t, x.fitbit, x.f, user+"activities/steps/date/"+date+"/1d/1min.json").dataset(t)
	for _, m := range minutes {
		if theirs[m.Time] != m.Value {
			t.Errorf("steps at %s: %v, Google %v", m.Time, m.Value, theirs[m.Time])
		}
	}
	beats := map[string]float64{}
	span := x.p.DaySpan(day(t, date))
	for _, b := range x.p.HeartRates(span) {
		beats[b.Time.Add(2*time.Hour).Format(time.TimeOnly)] = float64(b.BPM)
	}
	w := x.p.Workouts(day(t, date))[0]
	readings := read[minutesOf](t, x.fitbit, x.f, user+"activities/heart/date/"+date+"/1d/1sec.json").dataset(t)
	training, last := 0, ""
	for _, r := range readings {
		if beats[r.Time] != r.Value || r.Time <= last {
			t.Fatalf("a reading of %v at %s behind %s, the person had %v", r.Value, r.Time, last, beats[r.Time])
		}
		last = r.Time
		if at := w.Start.Add(2 * time.Hour).Format(time.TimeOnly); r.Time >= at && r.Time < w.End.Add(2*time.Hour).Format(time.TimeOnly) {
			training++
		}
	}
	if want := len(x.p.HeartRates(metric.Span{Start: w.Start, End: w.End})); training != want {
		t.Errorf("%d readings of a workout, the person had %d", training, want)
	}
	if n := len(readings); n < 6000 || n > 17_000 {
		t.Errorf("%d readings of a day", n)
	}
	// a window has what the whole day has there
	window := read[minutesOf](t, x.fitbit, x.f, user+"activities/heart/date/"+date+"/1d/1sec/time/14:00/14:29.json").dataset(t)
	part := slices.DeleteFunc(slices.Clone(readings), func(r minuteEntry) bool { return r.Time < "14:00:00" || r.Time >= "14:30:00" })
	if len(window) == 0 || !slices.Equal(window, part) {
		t.Errorf("%d readings of a window, %d of that part of the day", len(window), len(part))
	}
}

// TestFitbitSums wants minutes to add up to days, for every resource and grid, zones to minutes and the summary to the series.
func TestFitbitSums(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-04-10T12:00:00Z"))
	token := f.AccessToken(p)
	for _, date := range []string{"2025-04-05", "2025-03-30", "2025-04-10"} {
		for _, name := range []string{"steps", "distance", "floors", "elevation", "calories"} {
			for _, grid := range []string{"1min", "5min", "15min"} {
				sum, total := 0.0, 0.0
				for _, m := range read[minutesOf](t, f, token, user+"activities/"+name+"/date/"+date+"/1d/"+grid+".json").dataset(t) {
					sum += m.Value
				}
				_, err := fmt.Sscan(read[daySeries](t, f, token, user+"activities/"+name+"/date/"+date+"/1d.json").values()[date], &total)
				must(t, err)
				if math.Abs(sum-total) > map[string]float64{"calories": 0.51}[name]+1e-6 || total == 0 {
					t.Errorf("%s of %s by %s: minutes of %v, a day of %v", name, date, grid, sum, total)
				}
			}
		}
		type zoneMinutes struct{ ActiveZoneMinutes, FatBurnActiveZoneMinutes, CardioActiveZoneMinutes, PeakActiveZoneMinutes int }
		var sum, total zoneMinutes
		for _, d := range read[struct {
			Days []struct{ Minutes []struct{ Value zoneMinutes } } `json:"activities-active-zone-minutes-intraday"`
		}](t, f, token, user+"activities/active-zone-minutes/date/"+date+"/1d/1min.json").Days {
			for _, m := range d.Minutes {
				sum.ActiveZoneMinutes += m.Value.ActiveZoneMinutes
				sum.FatBurnActiveZoneMinutes += m.Value.FatBurnActiveZoneMinutes
				sum.CardioActiveZoneMinutes += m.Value.CardioActiveZoneMinutes
				sum.PeakActiveZoneMinutes += m.Value.PeakActiveZoneMinutes
			}
		}
		for _, d := range read[struct {
			Days []struct{ Value zoneMinutes } `json:"activities-active-zone-minutes"`
		}](t, f, token, user+"activities/active-zone-minutes/date/"+date+"/1d.json").Days {
			total = d.Value
		}
		if sum != total || sum.ActiveZoneMinutes != sum.FatBurnActiveZoneMinutes+sum.CardioActiveZoneMinutes+sum.PeakActiveZoneMinutes {
			t.Errorf("zone minutes of %s: minutes of %+v, a day of %+v", date, sum, total)
		}
		var zones, levels int
		for _, z := range read[struct {
			Days []struct {
				Value struct{ HeartRateZones []struct{ Minutes int } }
			} `json:"activities-heart"`
		}](t, f, token, user+"activities/heart/date/"+date+"/1d.json").Days[0].Value.HeartRateZones {
			zones += z.Minutes
		}
		sums := read[struct{ Summary map[string]any }](t, f, token, user+"activities/date/"+date+".json").Summary
		for _, name := range []string{"Sedentary", "LightlyActive", "FairlyActive", "VeryActive"} {
			var n int
			_, err := fmt.Sscan(read[daySeries](t, f, token, user+"activities/minutes"+name+"/date/"+date+"/1d.json").values()[date], &n)
			must(t, err)
			if key := strings.ToLower(name[:1]) + name[1:] + "Minutes"; sums[key] != float64(n) {
				t.Errorf("%s of %s: %v in the summary, %d in the series", key, date, sums[key], n)
			}
			levels += n
		}
		if zones != levels || zones < 300 || zones > 1500 {
			t.Errorf("%s: %d minutes in zones, %d at levels", date, zones, levels)
		}
	}
}

// legacySleep is one log.
type legacySleep struct {
	LogID                                                        uint64
	DateOfSleep, StartTime, EndTime, Type                        string
	Duration                                                     int64
	InfoCode, TimeInBed, MinutesAsleep, MinutesAwake, Efficiency int
	IsMainSleep                                                  bool
	Levels                                                       struct {
		Data, ShortData []struct {
			DateTime, Level string
			Seconds         int
		}
		Summary map[string]struct {
			Count, Minutes      int
			ThirtyDayAvgMinutes *int
		}
	}
}

// TestFacesAgreeOnNights lays the stages of both services side by side, half minute by half minute.
func TestFacesAgreeOnNights(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-04-10T12:00:00Z"))
	token := f.AccessToken(p)
	zone := p.Zone(0)
	when := func(s string) time.Time {
		at, err := time.ParseInLocation("2006-01-02T15:04:05.000", s, zone)
		must(t, err)
		return at
	}
	logs := read[struct{ Sleep []legacySleep }](t, f, token, "/1.2/user/-/sleep/date/2025-02-01/2025-04-10.json").Sleep
	if !slices.IsSortedFunc(logs, func(a, b legacySleep) int { return strings.Compare(b.StartTime, a.StartTime) }) {
		t.Error("the newest does not come first")
	}
	naps, shorts := 0, 0
	for _, log := range logs {
		d := day(t, log.DateOfSleep)
		i := slices.IndexFunc(p.Nights(d), func(n simulate.Night) bool { return n.Start.Equal(when(log.StartTime)) })
		if i < 0 {
			t.Errorf("%s: a sleep from %s that the person did not sleep", d, log.StartTime)
			continue
		}
		n := p.Nights(d)[i]
		clock := when(log.StartTime)
		for _, s := range log.Levels.Data {
			if !when(s.DateTime).Equal(clock) {
				t.Fatalf("%s: a gap at %s", d, s.DateTime)
			}
			clock = clock.Add(time.Duration(s.Seconds) * time.Second)
		}
		if !clock.Equal(when(log.EndTime)) || log.Duration != clock.Sub(n.Start).Milliseconds() || log.TimeInBed != log.MinutesAsleep+log.MinutesAwake {
			t.Errorf("%s: stages to %v, the end at %s, %d ms, %d = %d + %d", d, clock, log.EndTime, log.Duration, log.TimeInBed, log.MinutesAsleep, log.MinutesAwake)
		}
		if n.Nap {
			naps++
			if log.Type != "classic" || log.InfoCode != 2 || log.Levels.ShortData != nil || log.Levels.Summary["asleep"].Minutes != log.MinutesAsleep || log.Levels.Summary["asleep"].ThirtyDayAvgMinutes != nil {
				t.Errorf("%s: a nap of type %s, info %d", d, log.Type, log.InfoCode)
			}
			continue
		}
		shorts += len(log.Levels.ShortData)
		sum := log.Levels.Summary["deep"].Minutes + log.Levels.Summary["light"].Minutes + log.Levels.Summary["rem"].Minutes
		if log.Type != "stages" || log.InfoCode != 0 || sum != log.MinutesAsleep || log.Levels.Summary["wake"].Minutes != log.MinutesAwake || !clock.Equal(n.End) || !log.IsMainSleep {
			t.Errorf("%s: type %s, info %d, %d of %d minutes asleep", d, log.Type, log.InfoCode, sum, log.MinutesAsleep)
		}
		for at := n.Start; at.Before(n.End); at = at.Add(30 * time.Second) {
			level := ""
			for _, s := range append(slices.Clone(log.Levels.Data), log.Levels.ShortData...) { // the short ones lie on top
				if from := when(s.DateTime); !at.Before(from) && at.Before(from.Add(time.Duration(s.Seconds)*time.Second)) {
					level = s.Level
				}
			}
			want := map[simulate.Stage]string{simulate.Awake: "wake", simulate.Light: "light", simulate.Deep: "deep", simulate.REM: "rem"}[n.StageAt(at)]
			for _, a := range n.Awakenings {
				if !at.Before(a.Start) && at.Before(a.End) {
					want = "wake"
				}
			}
			if level != want {
				t.Fatalf("%s: %s at %v, Google has %s", d, level, at, want)
			}
		}
		for i, s := range log.Levels.Data {
			if s.Level == "wake" && s.Seconds <= 180 && i > 0 && i < len(log.Levels.Data)-1 {
				t.Errorf("%s: a waking of %d s is a stage", d, s.Seconds)
			}
		}
		for _, s := range log.Levels.ShortData {
			if s.Level != "wake" || s.Seconds > 180 {
				t.Errorf("%s: a short %s of %d s", d, s.Level, s.Seconds)
			}
		}
	}
	if naps == 0 || shorts == 0 || len(logs) < 60 {
		t.Errorf("%d logs, %d naps, %d short wakings", len(logs), naps, shorts)
	}
	one := read[struct {
		Sleep   []legacySleep
		Summary struct {
			Stages                                                map[string]int
			TotalMinutesAsleep, TotalSleepRecords, TotalTimeInBed int
		}
	}](t, f, token, "/1.2/user/-/sleep/date/2025-04-09.json")
	if s := one.Summary; s.TotalSleepRecords != len(one.Sleep) || s.TotalTimeInBed == 0 || s.Stages["deep"] != one.Sleep[len(one.Sleep)-1].Levels.Summary["deep"].Minutes {
		t.Errorf("the summary of a date: %+v", s)
	}
	if code, body, _ := fetch(t, f, token, "/1.2/user/-/sleep/date/"+dayOff(t, p).String()+".json"); code != http.StatusOK || string(body) != `{"sleep":[],"summary":{"totalMinutesAsleep":0,"totalSleepRecords":0,"totalTimeInBed":0}}` {
		t.Errorf("no sleep: %d %s", code, body)
	}
}

// TestFitbitVitals wants the values of the nights to be those the person has.
func TestFitbitVitals(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-04-10T12:00:00Z"))
	token := f.AccessToken(p)
	oxygen := read[[]struct {
		DateTime string
		Minutes  []struct{ Value float64 }
	}](t, f, token, user+"spo2/date/2025-03-11/2025-04-10/all.json")
	gappy, ranges := 0, 0
	for _, o := range oxygen {
		if all := len(p.SpO2(day(t, o.DateTime))); len(o.Minutes) == all || len(o.Minutes) == 0 {
			t.Errorf("%s: %d of %d minutes of oxygen", o.DateTime, len(o.Minutes), all)
		} else if len(o.Minutes) < all/5 {
			gappy++
		}
	}
	for d := day(t, "2025-03-11"); d <= day(t, "2025-04-09"); d++ {
		v, ok := p.Vitals(d)
		for _, x := range []struct {
			path, place string
			want        float64
		}{
			{"activities/heart/date/%s/1d.json", "activities-heart 0 value restingHeartRate", float64(v.RestingHR)}, {"hrv/date/%s.json", "hrv 0 value dailyRmssd", v.HRV}, {"hrv/date/%s.json", "hrv 0 value deepRmssd", v.HRVDeep},
			{"br/date/%s.json", "br 0 value breathingRate", v.Breaths}, {"br/date/%s/all.json", "br 0 value deepSleepSummary breathingRate", v.BreathDeep}, {"spo2/date/%s.json", "value avg", v.SpO2},
			{"spo2/date/%s.json", "value min", v.SpO2Low}, {"spo2/date/%s.json", "value max", v.SpO2High}, {"temp/skin/date/%s.json", "tempSkin 0 value nightlyRelative", math.Round((v.Skin-v.Baseline)*10)/10 + 0},
		} {
			path := fmt.Sprintf(user+x.path, d)
			_, body, _ := fetch(t, f, token, path)
			got := at(t, body, x.place)
			if want := fmt.Sprint(x.want); ok && got != want || !ok && got != "<none>" {
				t.Errorf("%s: %s, want %s (%v)", path, got, want, ok)
			}
		}
		_, body, _ := fetch(t, f, token, user+"cardioscore/date/"+d.String()+".json")
		if text := strings.Trim(at(t, body, "cardioScore 0 value vo2Max"), `"`); strings.Contains(text, "-") {
			ranges++
		} else if ok && text != fmt.Sprint(math.Round(v.VO2Max)) {
			t.Errorf("%s: fitness of %s, the person has %v", d, text, v.VO2Max)
		}
	}
	if gappy == 0 || gappy > 10 || ranges == 0 || ranges == 30 {
		t.Errorf("%d nights almost without oxygen, %d ranges of fitness", gappy, ranges)
	}
}

// TestFitbitSync wants nothing that no sync has brought: zeros in steps, an end of readings, the night's values later and later.
func TestFitbitSync(t *testing.T) {
	p := berlin(t)
	p.Offline = []metric.Span{{Start: instant(t, "2025-04-07T10:00:00Z"), End: instant(t, "2025-04-10T10:00:00Z")}}
	before := instant(t, "2025-04-10T09:59:00Z")
	f := fitbit(p, before)
	token := f.AccessToken(p)
	last := p.LastSync(before)
	if last.After(p.Offline[0].Start) {
		t.Fatal("a sync while offline")
	}
	_, body, _ := fetch(t, f, token, user+"devices.json")
	if got, want := at(t, body, "0 lastSyncTime"), last.Add(2*time.Hour).Format(`"2006-01-02T15:04:05.000"`); got != want {
		t.Errorf("the last sync: %s, want %s", got, want)
	}
	until := last.Add(2 * time.Hour).Format(time.TimeOnly)
	for _, m := range read[minutesOf](t, f, token, user+"activities/steps/date/2025-04-07/1d/1min.json").dataset(t) {
		if m.Time > until && m.Value != 0 {
			t.Errorf("%v steps at %s, behind the last sync at %s", m.Value, m.Time, until)
		}
	}
	readings := read[minutesOf](t, f, token, user+"activities/heart/date/2025-04-07/1d/1sec.json").dataset(t)
	if end := readings[len(readings)-1].Time; end > until {
		t.Errorf("a reading at %s, the last sync was at %s", end, until)
	}
	for path, want := range map[string]string{"activities/steps/date/2025-04-08/1d.json": `"0"`, "activities/steps/date/2025-04-10/1d.json": `"0"`} {
		if _, body, _ := fetch(t, f, token, user+path); at(t, body, "activities-steps 0 value") != want {
			t.Errorf("%s: %s before the sync", path, body)
		}
	}
	if n := len(read[minutesOf](t, f, token, user+"activities/steps/date/2025-04-10/1d/1min.json").dataset(t)); n != 12*60 {
		t.Errorf("%d minutes of a day that is 11:59 old", n)
	}
	after := p.NextSync(p.Offline[0].End)
	f = fitbit(p, after)
	if _, body, _ := fetch(t, f, f.AccessToken(p), user+"activities/steps/date/2025-04-08/1d.json"); at(t, body, "activities-steps 0 value") == `"0"` {
		t.Error("the big sync brought no steps")
	}
}

// TestFitbitMorning lives through the minutes after waking: a sleep is pending, then there, and the values of the night follow.
func TestFitbitMorning(t *testing.T) {
	p := berlin(t)
	now := time.Time{}
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: func() time.Time { return now }, NoLimit: true})
	n, ok := p.MainNight(day(t, "2025-04-09"))
	if !ok {
		t.Fatal("no night")
	}
	const pending = `{"meta":{"retryDuration":3000,"state":"pending"}}`
	for _, x := range []struct {
		after       time.Duration // the sleep was computed
		sleep       string        // pending, none or there
		hrv, oxygen bool
	}{{-time.Second, "none", false, false}, {time.Second, "pending", false, false}, {3 * time.Second, "there", false, false}, {14 * time.Minute, "there", false, false}, {15 * time.Minute, "there", true, false}, {time.Hour, "there", true, true}} {
		now = n.Updated.Add(x.after)
		token := f.AccessToken(p)
		for _, path := range []string{"2025-04-09.json", "2025-04-08/2025-04-09.json"} {
			_, body, _ := fetch(t, f, token, "/1.2/user/-/sleep/date/"+path)
			state := "none"
			if string(body) == pending {
				state = "pending"
			} else if strings.Contains(string(body), `"dateOfSleep":"2025-04-09"`) {
				state = "there"
			}
			if state != x.sleep {
				t.Errorf("%v after: %s is %s, want %s", x.after, path, state, x.sleep)
			}
		}
		_, hrv, _ := fetch(t, f, token, user+"hrv/date/2025-04-09.json")
		_, oxygen, _ := fetch(t, f, token, user+"spo2/date/2025-04-09.json")
		if (at(t, hrv, "hrv #") == "1") != x.hrv || x.oxygen != (at(t, oxygen, "dateTime") != "<none>") && (x.oxygen || x.after < 15*time.Minute) {
			t.Errorf("%v after: %s %s", x.after, hrv, oxygen)
		}
	}
}

// TestFitbitRewrite wants a night that is computed again to come under another number.
func TestFitbitRewrite(t *testing.T) {
	p := berlin(t)
	at := instant(t, "2025-04-09T15:00:00Z")
	p.Rewrite = []simulate.Rewrite{{Day: day(t, "2025-04-09"), At: at}}
	log := func(now time.Time) legacySleep {
		f := fitbit(p, now)
		all := read[struct{ Sleep []legacySleep }](t, f, f.AccessToken(p), "/1.2/user/-/sleep/date/2025-04-09.json").Sleep
		return all[len(all)-1]
	}
	before, after, later := log(at.Add(-time.Minute)), log(at.Add(time.Minute)), log(at.AddDate(0, 1, 0))
	if before.LogID == after.LogID || after.LogID != later.LogID || before.StartTime == after.StartTime {
		t.Errorf("numbers %d, %d, %d; from %s and %s", before.LogID, after.LogID, later.LogID, before.StartTime, after.StartTime)
	}
}

// TestFitbitClockChanges wants the hour that there is twice twice, in sequence, and the one that there is not not at all.
func TestFitbitClockChanges(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token := f.AccessToken(p)
	for _, x := range []struct {
		date     string
		minutes  int
		in2, in3 int // between 02:00 and 03:00, and the hour behind
	}{{"2025-10-26", 1500, 120, 60}, {"2025-03-30", 1380, 0, 60}, {"2025-10-27", 1440, 60, 60}} {
		minutes := read[minutesOf](t, f, token, user+"activities/steps/date/"+x.date+"/1d/1min.json").dataset(t)
		hours, back := map[string]int{}, 0
		for i, m := range minutes {
			hours[m.Time[:2]]++
			if i > 0 && m.Time <= minutes[i-1].Time {
				back++
			}
		}
		if len(minutes) != x.minutes || hours["02"] != x.in2 || hours["03"] != x.in3 || (back == 1) != (x.minutes == 1500) {
			t.Errorf("%s: %d minutes, %d from two, %d from three, %d times back", x.date, len(minutes), hours["02"], hours["03"], back)
		}
		if utc := read[minutesOf](t, f, token, user+"activities/steps/date/"+x.date+"/1d/1min.json?timezone=UTC").dataset(t); len(utc) != 1440 {
			t.Errorf("%s has %d minutes of UTC", x.date, len(utc))
		}
	}
	// the same steps, at UTC's times
	ours := read[minutesOf](t, f, token, user+"activities/steps/date/2025-04-09/1d/1min.json").dataset(t)
	utc := read[minutesOf](t, f, token, user+"activities/steps/date/2025-04-09/1d/1min.json?timezone=UTC").dataset(t)
	if ours[10*60].Time != "10:00:00" || utc[8*60].Time != "08:00:00" || ours[10*60+7].Value != utc[8*60+7].Value || !slices.EqualFunc(ours[120:], utc[:1320], func(a, b minuteEntry) bool { return a.Value == b.Value }) {
		t.Error("UTC has other minutes")
	}
}

// TestFitbitYears asks two servers for the ends of thirty years: nothing is stored, and both know the same.
func TestFitbitYears(t *testing.T) {
	start := day(t, "1996-01-01")
	zones := metric.Zones{{From: start, Name: "America/New_York"}}
	var texts []string
	for range 2 {
		p := &simulate.Person{Seed: 11, Start: start, Zones: zones}
		f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
		token := f.AccessToken(p)
		text := ""
		for _, path := range []string{"activities/steps/date/1996-01-02/1d.json", "activities/heart/date/2025-12-09/1d/1min.json", "hrv/date/2010-06-01/2010-06-30/all.json", "activities/list.json?beforeDate=2000-01-01&sort=desc&offset=0&limit=5", "profile.json"} {
			code, body, _ := fetch(t, f, token, user+path)
			if code != http.StatusOK || len(body) < 60 {
				t.Errorf("%s: %d %s", path, code, body)
			}
			text += string(body)
		}
		texts = append(texts, text)
	}
	if texts[0] != texts[1] {
		t.Error("two servers of the same person differ")
	}
}
