// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package simulate_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	health "google.golang.org/api/health/v4"
	"google.golang.org/api/option"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// official is the service's own client against a server whose every answer is checked.
func official(t *testing.T, g *simulate.Google, p *simulate.Person) (*health.Service, *checked) {
	t.Helper()
	c := newChecked(t, g)
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	hc := &http.Client{Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: g.AccessToken(p)}), Base: srv.Client().Transport}}
	svc, err := health.NewService(context.Background(), option.WithHTTPClient(hc), option.WithEndpoint(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	return svc, c
}

// ops says what each data type can do, as the facts have it: the second list that the server's table is compared with.
func ops() map[string]string {
	return map[string]string{
		"steps": "LRUD", "distance": "LRUD", "floors": "RUD", "altitude": "LRUD", "active-energy-burned": "LRUD", "basal-energy-burned": "LR",
		"total-calories": "UD", "active-minutes": "LRUD", "activity-level": "LRUD", "sedentary-period": "LRUD", "active-zone-minutes": "LRUD",
		"time-in-heart-rate-zone": "LRUD", "calories-in-heart-rate-zone": "UD", "swim-lengths-data": "LRUD", "exercise": "LR", "vo2-max": "LR",
		"run-vo2-max": "LRUD", "daily-vo2-max": "LR", "heart-rate": "LRUD", "heart-rate-variability": "LR", "daily-heart-rate-variability": "LRD",
		"daily-heart-rate-zones": "LR", "daily-resting-heart-rate": "LRD", "oxygen-saturation": "LR", "daily-oxygen-saturation": "LR",
		"daily-respiratory-rate": "LR", "respiratory-rate-sleep-summary": "LR", "daily-sleep-temperature-derivations": "LR",
		"core-body-temperature": "LRUD", "weight": "LRUD", "body-fat": "LRUD", "height": "LR", "blood-glucose": "LRUD", "sleep": "LR",
		"hydration-log": "LRUD", "nutrition-log": "LRUD", "food": "L", "food-measurement-unit": "L", "electrocardiogram": "L", "irregular-rhythm-notification": "L",
	}
}

// empty are the types of which this person has nothing.
func empty(name string) bool {
	switch name {
	case "basal-energy-burned", "swim-lengths-data", "vo2-max", "run-vo2-max", "blood-glucose", "hydration-log",
		"nutrition-log", "food", "food-measurement-unit", "electrocardiogram", "irregular-rhythm-notification":
		return true
	}
	return false
}

// TestOfficialClient drives every read method of every data type through the official client.
func TestOfficialClient(t *testing.T) {
	p := berlin(t)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-04-10T03:30:00Z")), NoQuota: true})
	svc, c := official(t, g, p)
	if got, want := len(g.DataTypes()), len(ops()); got != want {
		t.Errorf("the server has %d data types, the facts %d", got, want)
	}
	for name, can := range ops() {
		driveType(t, svc, name, can)
	}
	for _, s := range []string{"ListDataPointsResponse", "ReconcileDataPointsResponse", "RollUpDataPointsResponse", "DailyRollUpDataPointsResponse"} {
		if c.seen[s] < 20 {
			t.Errorf("only %d answers of schema %s were checked", c.seen[s], s)
		}
	}
	t.Logf("checked %v, %d bytes", c.seen, c.bytes)
}

func driveType(t *testing.T, svc *health.Service, name, can string) {
	ctx := context.Background()
	parent := "users/me/dataTypes/" + name
	points := svc.Users.DataTypes.DataPoints
	count := 0
	has := func(op, word string, err error) {
		t.Helper()
		if want := strings.Contains(can, op); want != (err == nil) {
			t.Errorf("%s of %s: %v", word, name, err)
		} else if !want && !strings.Contains(err.Error(), "does not support") {
			t.Errorf("%s of %s: %v", word, name, err)
		} else if want && (count == 0) != empty(name) {
			t.Errorf("%s of %s: %d points", word, name, count)
		}
		count = 0
	}
	n := 0
	err := points.List(parent).Pages(ctx, func(r *health.ListDataPointsResponse) error {
		count += len(r.DataPoints)
		if n++; n > 1 {
			return io.EOF
		}
		return nil
	})
	has("L", "list", stopped(err))
	n = 0
	err = points.Reconcile(parent).PageSize(100).Pages(ctx, func(r *health.ReconcileDataPointsResponse) error {
		count += len(r.DataPoints)
		if n++; n > 4 {
			return io.EOF
		}
		return nil
	})
	has("R", "reconcile", stopped(err))
	err = points.RollUp(parent, &health.RollUpDataPointsRequest{Range: &health.Interval{StartTime: "2025-03-29T00:00:00Z", EndTime: "2025-04-10T00:00:00Z"}, WindowSize: "10800s", PageSize: 40}).
		Pages(ctx, func(r *health.RollUpDataPointsResponse) error {
			for _, x := range r.RollupDataPoints {
				count += filled(x.Weight != nil || x.BodyFat != nil || x.Steps != nil || x.Distance != nil || x.Floors != nil || x.Altitude != nil || x.ActiveEnergyBurned != nil || x.TotalCalories != nil ||
					x.ActiveMinutes != nil || x.ActivityLevel != nil || x.SedentaryPeriod != nil || x.ActiveZoneMinutes != nil || x.TimeInHeartRateZone != nil || x.CaloriesInHeartRateZone != nil || x.HeartRate != nil || x.CoreBodyTemperature != nil)
			}
			return nil
		})
	has("U", "rollUp", err)
	err = points.DailyRollUp(parent, &health.DailyRollUpDataPointsRequest{Range: &health.CivilTimeInterval{Start: civil(2025, 3, 28), End: civil(2025, 4, 11)}, PageSize: 4}).
		Pages(ctx, func(r *health.DailyRollUpDataPointsResponse) error {
			for _, x := range r.RollupDataPoints {
				count += filled(x.Weight != nil || x.BodyFat != nil || x.Steps != nil || x.Distance != nil || x.Floors != nil || x.Altitude != nil || x.ActiveEnergyBurned != nil || x.TotalCalories != nil ||
					x.ActiveMinutes != nil || x.ActivityLevel != nil || x.SedentaryPeriod != nil || x.ActiveZoneMinutes != nil || x.TimeInHeartRateZone != nil || x.CaloriesInHeartRateZone != nil || x.HeartRate != nil ||
					x.HeartRateVariabilityPersonalRange != nil || x.RestingHeartRatePersonalRange != nil || x.CoreBodyTemperature != nil)
			}
			return nil
		})
	has("D", "dailyRollUp", err)
}

func stopped(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func filled(b bool) int {
	if b {
		return 1
	}
	return 0
}

func civil(y, m, d int64) *health.CivilDateTime {
	return &health.CivilDateTime{Date: &health.Date{Year: y, Month: m, Day: d}}
}

// TestOfficialResources reads what is no data type, single points and a track.
func TestOfficialResources(t *testing.T) {
	p := berlin(t)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-04-10T12:00:00Z")), NoQuota: true})
	svc, c := official(t, g, p)
	id, err := svc.Users.GetIdentity("users/me/identity").Do()
	if err != nil || id.HealthUserId != p.Account() {
		t.Fatalf("identity %+v: %v", id, err)
	}
	set, err := svc.Users.GetSettings("users/" + p.Account() + "/settings").Do()
	if err != nil || set.TimeZone != "Europe/Berlin" || set.UtcOffset != "7200s" {
		t.Errorf("settings %+v: %v", set, err)
	}
	if prof, err := svc.Users.GetProfile("users/me/profile").Do(); err != nil || prof.Age != int64(p.Age()) {
		t.Errorf("profile %+v: %v", prof, err)
	}
	if irn, err := svc.Users.GetIrnProfile("users/me/irnProfile").Do(); err != nil || !irn.OnboardingStatus {
		t.Errorf("IRN profile %+v: %v", irn, err)
	}
	var devices []*health.PairedDevice
	if err := svc.Users.PairedDevices.List("users/me").PageSize(1).Pages(context.Background(), func(r *health.ListPairedDevicesResponse) error {
		devices = append(devices, r.PairedDevices...)
		return nil
	}); err != nil || len(devices) != 2 || devices[0].DeviceType != "TRACKER" || devices[1].DeviceType != "SCALE" {
		t.Fatalf("devices %v: %v", devices, err)
	}
	one, err := svc.Users.PairedDevices.Get(devices[0].Name).Do()
	if err != nil || one.LastSyncTime != p.LastSync(instant(t, "2025-04-10T12:00:00Z")).Format(time.RFC3339) || one.BatteryLevel == 0 {
		t.Errorf("device %+v: %v", one, err)
	}
	track(t, svc, p)
	for _, s := range []string{"DataPoint", "Identity", "Settings", "Profile", "IrnProfile", "ListPairedDevicesResponse", "PairedDevice", "ExportExerciseTcxResponse"} {
		if c.seen[s] == 0 {
			t.Errorf("no answer of schema %s was checked", s)
		}
	}
}

// track finds a workout with GPS and one without, and exports both.
func track(t *testing.T, svc *health.Service, p *simulate.Person) {
	list, err := svc.Users.DataTypes.DataPoints.List("users/me/dataTypes/exercise").Do()
	if err != nil || len(list.DataPoints) != 25 {
		t.Fatalf("%d exercises: %v", len(list.DataPoints), err)
	}
	gps, plain := false, false
	for _, x := range list.DataPoints {
		one, err := svc.Users.DataTypes.DataPoints.Get(x.Name).Do()
		if err != nil || one.Exercise.Interval.StartTime != x.Exercise.Interval.StartTime {
			t.Errorf("exercise %s alone: %v", x.Name, err)
		}
		export := svc.Users.DataTypes.DataPoints.ExportExerciseTcx(x.Name)
		switch {
		case x.Exercise.ExerciseMetadata.HasGps && !gps:
			gps = true
			resp, err := export.Download()
			if err != nil {
				t.Fatal(err)
			}
			checkTrack(t, resp.Body, p, x.Exercise)
			resp.Body.Close()
			if r, err := export.Do(); err != nil || r.TcxData == "" {
				t.Errorf("track in JSON: %v", err)
			}
		case !x.Exercise.ExerciseMetadata.HasGps && !plain:
			plain = true
			if _, err := export.Do(); err == nil {
				t.Error("a workout without GPS was exported")
			}
			resp, err := export.PartialData(true).Download()
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if strings.Contains(string(b), "Position") || !strings.Contains(string(b), "HeartRateBpm") {
				t.Error("a partial export holds positions, or no heart rate")
			}
		}
	}
	if !gps || !plain {
		t.Error("the last 25 workouts hold not both kinds")
	}
}

func checkTrack(t *testing.T, r io.Reader, p *simulate.Person, x *health.Exercise) {
	var tcx struct {
		Points []struct {
			Time     time.Time
			Lat      *float64 `xml:"Position>LatitudeDegrees"`
			Distance float64  `xml:"DistanceMeters"`
			Heart    int      `xml:"HeartRateBpm>Value"`
		} `xml:"Activities>Activity>Lap>Track>Trackpoint"`
	}
	if err := xml.NewDecoder(r).Decode(&tcx); err != nil {
		t.Fatal(err)
	}
	n := len(tcx.Points)
	if n < 100 {
		t.Fatalf("a track of %d points", n)
	}
	if tcx.Points[0].Time.Format(time.RFC3339) != x.Interval.StartTime {
		t.Errorf("the track begins at %v, the workout at %s", tcx.Points[0].Time, x.Interval.StartTime)
	}
	for i := 1; i < n; i++ {
		if tcx.Points[i].Lat != nil && tcx.Points[i-1].Lat != nil && tcx.Points[i].Distance < tcx.Points[i-1].Distance {
			t.Fatalf("the way goes back at %v", tcx.Points[i].Time)
		}
	}
	if got, want := tcx.Points[n-1].Distance, x.MetricsSummary.DistanceMillimeters/1000; math.Abs(got-want) > want/50 {
		t.Errorf("the track is %v m long, the workout %v", got, want)
	}
}

// TestServedEqualsTruth compares what the official client reads with the person, a day with a change of clocks included.
func TestServedEqualsTruth(t *testing.T) {
	p := berlin(t)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-11-20T12:00:00Z")), NoQuota: true})
	svc, _ := official(t, g, p)
	for _, text := range []string{"2025-03-30", "2025-10-26"} {
		d := day(t, text)
		filter := func(member string) string {
			return fmt.Sprintf("%s >= %q AND %s < %q", member, d, member, d+1)
		}
		var beats []simulate.Beat
		must(t, svc.Users.DataTypes.DataPoints.Reconcile("users/me/dataTypes/heart-rate").Filter(filter("heart_rate.sample_time.civil_time")).PageSize(10000).
			Pages(context.Background(), func(r *health.ReconcileDataPointsResponse) error {
				if len(r.DataPoints) > 5000 {
					t.Errorf("a page of %d points", len(r.DataPoints))
				}
				for _, x := range r.DataPoints {
					beats = append(beats, simulate.Beat{Time: instant(t, x.HeartRate.SampleTime.PhysicalTime), BPM: int(x.HeartRate.BeatsPerMinute)})
				}
				return nil
			}))
		want := p.HeartRates(p.DaySpan(d))
		if len(beats) != len(want) {
			t.Fatalf("%s: %d readings served, %d made", d, len(beats), len(want))
		}
		for i := range want {
			if beats[len(beats)-1-i] != want[i] {
				t.Fatalf("%s: reading %v served, %v made", d, beats[len(beats)-1-i], want[i])
			}
		}
		steps := map[string]int64{}
		must(t, svc.Users.DataTypes.DataPoints.Reconcile("users/me/dataTypes/steps").Filter(filter("steps.interval.civil_start_time")).
			Pages(context.Background(), func(r *health.ReconcileDataPointsResponse) error {
				for _, x := range r.DataPoints {
					steps[x.Steps.Interval.StartTime] += x.Steps.Count
				}
				return nil
			}))
		sum := int64(0)
		for _, s := range p.Steps(p.DaySpan(d)) {
			if steps[s.Time.Format(time.RFC3339)] != int64(s.Value) {
				t.Errorf("%s: %d steps served at %v, %d made", d, steps[s.Time.Format(time.RFC3339)], s.Time, s.Value)
			}
			sum += int64(s.Value)
		}
		checkTotals(t, svc, p, d, sum)
	}
}

func checkTotals(t *testing.T, svc *health.Service, p *simulate.Person, d metric.Day, steps int64) {
	y, m, dd := d.Civil().Date()
	req := &health.DailyRollUpDataPointsRequest{Range: &health.CivilTimeInterval{Start: civil(int64(y), int64(m), int64(dd)), End: civil(int64(y), int64(m), int64(dd)+1)}}
	one := func(name string) *health.DailyRollupDataPoint {
		r, err := svc.Users.DataTypes.DataPoints.DailyRollUp("users/me/dataTypes/"+name, req).Do()
		if err != nil || len(r.RollupDataPoints) != 1 {
			t.Fatalf("%s of %s: %v", name, d, err)
		}
		return r.RollupDataPoints[0]
	}
	truth := p.DayTotals(d)
	if got := one("steps").Steps.CountSum; got != steps || int(got) != truth.Steps {
		t.Errorf("%s: %d steps in the roll-up, %d in the minutes, %d in the truth", d, got, steps, truth.Steps)
	}
	if got := one("distance").Distance.MillimetersSum; int(got) != truth.Millimetre {
		t.Errorf("%s: %d mm, want %d", d, got, truth.Millimetre)
	}
	if got := one("total-calories").TotalCalories.KcalSum; math.Abs(got-float64(truth.Total)/10_000) > 1e-9 {
		t.Errorf("%s: %v kcal, want %d/10000", d, got, truth.Total)
	}
	sum := int64(0)
	for _, x := range one("activity-level").ActivityLevel.ActivityLevelRollupsByActivityLevelType {
		s, err := time.ParseDuration(x.TotalDuration)
		must(t, err)
		sum += int64(s / time.Minute)
	}
	if int(sum) != truth.Worn {
		t.Errorf("%s: %d minutes at some level, %d worn", d, sum, truth.Worn)
	}
}
