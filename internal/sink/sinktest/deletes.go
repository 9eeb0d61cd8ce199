package sinktest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// deletes checks that a delete takes exactly the named samples: no neighbour in time, no other device, tag, person or measurement,
// and nothing that another program wrote beside it.
func deletes(t *testing.T, s Subject) {
	d := s.Sink.(sink.Deleter)
	s.Put(t, fmt.Sprintf("Sleep\\ Levels,Device=D,isMainSleep=True,host=other level=9i %d\n", epoch+second1))
	s.Put(t, fmt.Sprintf("Sleep\\ Levels,isMainSleep=True level=8i %d\n", epoch+second1))
	nights := []float64{0, 300}
	write(t, s,
		mine(block(metric.SleepLevels, "D", []string{"True"}, nights, nights, nights)),
		mine(block(metric.SleepLevels, "D", []string{"False"}, nights, nights)),
		mine(block(metric.SleepLevels, "E", []string{"True"}, nights, nights)),
		hers(block(metric.SleepLevels, "D", []string{"True"}, nights, nights)),
		mine(block(metric.HeartRate, "D", nil, []float64{60}, []float64{61})),
		mine(block(metric.Battery, "D", []string{""}, []float64{60}, []float64{61})),
		mine(block(metric.Battery, "D", []string{"x"}, []float64{60}, []float64{61})),
	)
	before := s.Rows(t, "Sleep Levels")
	tombs := []sink.Tombstone{
		{Person: first, Series: metric.SleepLevels, Device: "D", Tags: []string{"True"}, Time: epoch + second1},
		{Person: first, Series: metric.Battery, Device: "ignored", Tags: []string{""}, Time: epoch},
		{Person: first, Series: metric.BMI, Device: "D", Time: epoch},                        // a measurement that is not there
		{Person: first, Series: metric.HeartRate, Device: "D", Time: epoch + 5*second1},      // a sample that is not there
		{Person: second, Series: metric.HeartRate, Device: "D", Time: epoch},                 // nor this
		{Person: first, Series: metric.SleepLevels, Device: "D", Tags: nil, Time: epoch},     // nor one without its tag
		{Person: first, Series: metric.HeartRate, Device: "D' OR time > 0 --", Time: epoch},  // nor what would break out of its quotes
		{Person: first, Series: metric.HeartRate, Device: `D\' OR time > 0 --`, Time: epoch}, // nor this
	}
	for range 2 { // a delete may come again
		if err := d.Delete(t.Context(), tombs); err != nil {
			t.Fatalf("delete: %v", err)
		}
		gone := func(r Row) bool {
			return r.Time == epoch+second1 && r.Tags["Device"] == "D" && r.Tags["isMainSleep"] == "True" && r.Tags["Person"] == "" && r.Tags["host"] == ""
		}
		if !slices.ContainsFunc(before, gone) {
			t.Fatal("the sample to delete was never there")
		}
		expect(t, s, "Sleep Levels", slices.DeleteFunc(slices.Clone(before), gone)...)
		expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(60)}), row(1, tags{"Device": "D"}, fields{"value": int64(61)}))
		expect(t, s, "DeviceBatteryLevel",
			row(0, tags{"Tracker": "x"}, fields{"value": 60.0}),
			row(1, tags{}, fields{"value": 61.0}), row(1, tags{"Tracker": "x"}, fields{"value": 61.0}))
	}
}

// deletesMany deletes every second of many samples with odd tags, more than one request can name.
func deletesMany(t *testing.T, s Subject) {
	d := s.Sink.(sink.Deleter)
	const n = 200
	b := &metric.Block{Series: Odd, Device: `D"e'v\ 日,=`, Tags: []string{" a, b=c'"}}
	var tombs []sink.Tombstone
	var left []Row
	for i := range int64(n) {
		b.Append(epoch+i*second1, float64(i), float64(i))
		if i%2 == 0 {
			tombs = append(tombs, sink.Tombstone{Person: second, Series: Odd, Device: b.Device, Tags: b.Tags, Time: b.Times[i]})
			continue
		}
		left = append(left, row(i, tags{"Device": `D"e'v/ 日,=`, "Person": "Eva", `t a,g=ß"`: " a, b=c'"}, fields{`fi eld,=1"é`: i, "f2": float64(i)}))
	}
	write(t, s, hers(b))
	if err := d.Delete(t.Context(), tombs); err != nil {
		t.Fatalf("delete: %v", err)
	}
	expect(t, s, `od,d = "m" ü`, left...)
}
