package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Units is the setting: in which units the few fields are written that the Python project wrote in pounds, miles and °F.
type Units string

// Auto goes on in the units in which a database already holds those fields, and writes metric into any other.
const (
	Auto   Units = "auto"
	Metric Units = "metric"
	Python Units = "python"
)

// Deciding remembers what Auto found, so that a database never changes its units: neither when the first values written by
// this program would look like somebody else's, nor when the settings of the other program change.
type Deciding interface {
	Load(ctx context.Context, sink string) (string, error) // empty where nothing has been decided
	Save(ctx context.Context, sink, units string) error
}

func (s *Sink) forceUnits() error {
	switch s.cfg.Units {
	case Auto, "":
		return nil
	case Metric, Python:
		return s.use(lineproto.Units(s.cfg.Units))
	}
	return fmt.Errorf("units %q: want auto, metric or python", s.cfg.Units)
}

func (s *Sink) use(u lineproto.Units) error {
	enc, err := lineproto.New(s.cfg.Catalogue, u)
	if err != nil {
		return err
	}
	s.decided.Store(enc)
	return nil
}

// needsUnits reports whether the parts hold a field whose units have to be known.
func (s *Sink) needsUnits(parts []part) bool {
	for _, p := range parts {
		if twofold(s.row(p)) >= 0 {
			return true
		}
	}
	return false
}

// twofold returns the index of the row's field that has two possible units, or -1.
func twofold(row metric.Series) int {
	for i, f := range row.Fields {
		if f.Python != "" {
			return i
		}
	}
	return -1
}

// theirs is remembered in the place of units of a database that the Python project alone had filled when we first saw it.
const theirs = "python project"

// meet looks at a database before anything is written to it: later, our own traces would hide whose it was. It decides nothing.
func (s *Sink) meet(ctx context.Context) error {
	if s.decided.Load() != nil || s.met || !s.dialect.traits.Reads {
		return nil
	}
	was, err := s.remembered(ctx)
	if err != nil {
		return err
	}
	if was == "" {
		filled, ours, err := s.traces(ctx)
		switch {
		case errors.Is(err, errForbidden), errors.Is(err, errAbsent):
		case err != nil:
			return err
		case filled && !ours:
			was = theirs
			if s.cfg.Deciding != nil {
				if err := s.cfg.Deciding.Save(ctx, s.Name(), theirs); err != nil {
					return fmt.Errorf("saving whose the InfluxDB database was: %w", err)
				}
			}
		}
	}
	s.clean = was == theirs
	s.met = true
	return nil
}

// remembered returns what was decided, or found at first sight; empty for nothing.
func (s *Sink) remembered(ctx context.Context) (string, error) {
	if s.cfg.Deciding == nil {
		return "", nil
	}
	was, err := s.cfg.Deciding.Load(ctx, s.Name())
	if err != nil {
		return "", fmt.Errorf("reading the units decided for InfluxDB: %w", err)
	}
	return was, nil
}

// decide settles the units before the first value that has two possible ones is written. The Python project asked its service
// for en_US values unless its owner changed that: what it wrote is mostly pounds and miles. What stands in the database is its
// work, unless it is ours:
//
//  1. What was decided before stays.
//  2. A database without any such value gets metric.
//  3. Where a value stands at an instant for which we are about to write one, the two tell by their ratio. This also finds our
//     own values again when the archive, and with it the decision, was lost.
//  4. Else what stands there tells by itself: a weight beside its body mass index, distances beside steps.
//  5. Else the values are the Python project's, unless measurements that only we write were there when we first saw it: then
//     metric, our default.
//
// Where reading is not allowed nothing can be found out; then it is metric, and the log says so.
func (s *Sink) decide(ctx context.Context, parts []part) error {
	if s.decided.Load() != nil || !s.needsUnits(parts) {
		return nil
	}
	was, err := s.remembered(ctx)
	if err != nil {
		return err
	}
	if u := lineproto.Units(was); u == lineproto.Metric || u == lineproto.Python {
		return s.use(u)
	}
	units, why, err := s.find(ctx, parts)
	if err != nil {
		return err
	}
	if s.cfg.Deciding != nil {
		if err := s.cfg.Deciding.Save(ctx, s.Name(), string(units)); err != nil {
			return fmt.Errorf("saving the units decided for InfluxDB: %w", err)
		}
	}
	text := "weight in kg, distance in km, temperature difference in °C"
	if units == lineproto.Python {
		text = "weight in lb, distance in miles, temperature difference in °F"
	}
	s.cfg.Log.Info("units in InfluxDB: "+text, "units", units, "because", why, "database", s.cfg.Database)
	return s.use(units)
}

// find looks into the database for the units of what stands there.
func (s *Sink) find(ctx context.Context, parts []part) (lineproto.Units, string, error) {
	if !s.dialect.traits.Reads {
		return lineproto.Metric, "it cannot be asked what it holds", nil
	}
	filled, ours, err := s.traces(ctx)
	switch {
	case errors.Is(err, errForbidden):
		s.warnOnce("cannot read the InfluxDB database to see its units; set them by hand if the Python project filled it", "database", s.cfg.Database)
		return lineproto.Metric, "the database may not be read", nil
	case errors.Is(err, errAbsent):
		return lineproto.Metric, "the database is new", nil
	case err != nil:
		return "", "", err
	case !filled:
		return lineproto.Metric, "the database holds no such values yet", nil
	}
	units, err := s.compare(ctx, parts)
	switch {
	case err != nil:
		return "", "", err
	case units != "":
		return units, "a value of the same instant stands there in them", nil
	}
	units, why, err := s.weigh(ctx)
	switch {
	case err != nil:
		return "", "", err
	case units != "":
		return units, why, nil
	case ours && !s.clean:
		return lineproto.Metric, "this program filled the database", nil
	}
	return lineproto.Python, "the Python project filled the database", nil
}

// traces reports whether the database holds values that have two possible units, and whether it holds any measurement that only
// this program writes.
func (s *Sink) traces(ctx context.Context) (filled, ours bool, err error) {
	if s.dialect.read.narrow {
		return s.tracesByName(ctx)
	}
	var statements []string
	var own []bool
	for _, row := range s.cfg.Catalogue {
		from := quoteName(lineproto.Clean(row.Measurement))
		if i := twofold(row); i >= 0 {
			statements = append(statements, fmt.Sprintf("SELECT %s FROM %s LIMIT 1", quoteName(row.Fields[i].Key), from))
			own = append(own, false)
		} else if s.ownMeasurement(row) {
			statements = append(statements, fmt.Sprintf("SELECT * FROM %s LIMIT 1", from))
			own = append(own, true)
		}
	}
	results, err := s.ask(ctx, statements...)
	if err != nil {
		return false, false, err
	}
	for i, r := range results {
		if holds(r) {
			filled = filled || !own[i]
			ours = ours || own[i]
		}
	}
	return filled, ours, nil
}

// ownMeasurement reports whether only this program writes a measurement.
func (s *Sink) ownMeasurement(row metric.Series) bool {
	return !slices.ContainsFunc(s.cfg.Catalogue, func(o metric.Series) bool { return o.Python && o.Measurement == row.Measurement })
}

// tracesByName is traces without a look at any point: what is listed is there, because nothing is deleted.
func (s *Sink) tracesByName(ctx context.Context) (filled, ours bool, err error) {
	results, err := s.ask(ctx, "SHOW FIELD KEYS")
	if err != nil {
		return false, false, err
	}
	listed := map[[2]string]bool{}
	for _, table := range results[0].Series {
		for _, v := range table.Values {
			if key, ok := v[0].(string); ok {
				listed[[2]string{table.Name, key}] = true
				listed[[2]string{table.Name, ""}] = true
			}
		}
	}
	for _, row := range s.cfg.Catalogue {
		name := lineproto.Clean(row.Measurement)
		if i := twofold(row); i >= 0 {
			filled = filled || listed[[2]string{name, row.Fields[i].Key}]
		} else if s.ownMeasurement(row) {
			ours = ours || listed[[2]string{name, ""}]
		}
	}
	return filled, ours, nil
}

// compare asks for what stands at the instants of the parts, and tells the units by the ratio; empty where it cannot tell.
func (s *Sink) compare(ctx context.Context, parts []part) (lineproto.Units, error) {
	const most = 20 // statements: the newest samples do
	type question struct {
		part
		key           string
		value, factor float64
	}
	var statements []string
	var asked []question
	for _, p := range parts {
		i := twofold(s.row(p))
		if i < 0 {
			continue
		}
		f := s.row(p).Fields[i]
		factor, err := lineproto.Factor(f, lineproto.Python)
		if err != nil {
			return "", err
		}
		for j := p.to - 1; j >= p.from && len(statements) < most; j-- {
			v := p.Block.Values[i][j]
			if !lineproto.Storable(f.Kind, v) || math.Abs(v) < 0.3 { // rounding would blur the ratio
				continue
			}
			statements = append(statements, s.at(p.Points, p.Block.Times[j]))
			asked = append(asked, question{p, f.Key, v, factor})
		}
	}
	if len(statements) == 0 {
		return "", nil
	}
	results, err := s.ask(ctx, statements...)
	if err != nil {
		return "", err
	}
	for i, r := range results {
		for _, row := range rowsOf(r) { // the tags may differ: another name of the device, or of the workout
			if person, _ := row[lineproto.PersonTag].(string); person != asked[i].Person.Tag {
				continue
			}
			v, ok := number(row[asked[i].key])
			switch ratio := v / asked[i].value; {
			case !ok:
			case near(ratio, 1):
				return lineproto.Metric, nil
			case near(ratio, asked[i].factor):
				return lineproto.Python, nil
			}
		}
	}
	return "", nil
}

// The newest values of a database tell their units where each is beside one that has but one unit. The bounds lie between what
// a person of 1.41 m gives in the one and of 2.00 m in the other, and steps of 50 cm in the one and of 97 cm in the other; what is
// between them tells nothing.
const (
	weighed = 60 // values looked at

	// A weight by its body mass index is the square of a height in metres; in pounds it is 2.2 times that.
	kilograms = 4.0
	pounds    = 4.4

	// A thousand steps are so many of them.
	miles      = 0.50
	kilometres = 0.60
)

// weigh tells the units of the newest values by what stands beside them; empty where nothing does.
func (s *Sink) weigh(ctx context.Context) (units lineproto.Units, why string, err error) {
	if s.dialect.read.narrow {
		return "", "", nil
	}
	var statements []string
	for _, id := range []metric.ID{metric.Weight, metric.BMI, "distance", "steps"} {
		name := quoteName(lineproto.Clean(s.cfg.Catalogue.Must(id).Measurement))
		statements = append(statements, fmt.Sprintf("SELECT * FROM %s ORDER BY time DESC LIMIT %d", name, weighed))
	}
	results, err := s.ask(ctx, statements...)
	if err != nil {
		return "", "", err
	}
	switch square := ratio(results[0], results[1]); {
	case square > pounds:
		return lineproto.Python, "the weights there are pounds, as their body mass index shows", nil
	case square > 0 && square < kilograms:
		return lineproto.Metric, "the weights there are kilograms, as their body mass index shows", nil
	}
	switch long := 1000 * ratio(results[2], results[3]); {
	case long > kilometres:
		return lineproto.Metric, "the distances there are kilometres, as the steps beside them show", nil
	case long > 0 && long < miles:
		return lineproto.Python, "the distances there are miles, as the steps beside them show", nil
	}
	return "", "", nil
}

// ratio is the sum of the first person's values by the sum of those that stand beside them; 0 where none does.
func ratio(values, beside client.Result) float64 {
	other := map[[2]any]float64{}
	read := func(r client.Result, f func(point [2]any, v float64)) {
		for _, row := range rowsOf(r) {
			if v, ok := number(row["value"]); ok && row[lineproto.PersonTag] == nil {
				f([2]any{row["time"], row[lineproto.DeviceTag]}, v)
			}
		}
	}
	read(beside, func(point [2]any, v float64) { other[point] = v })
	var over, under float64
	read(values, func(point [2]any, v float64) {
		if o := other[point]; o > 0 && v > 0 {
			over, under = over+v, under+o
		}
	})
	if under == 0 {
		return 0
	}
	return over / under
}

// near allows for what services round and correct; the factors themselves lie much further apart.
func near(a, b float64) bool { return math.Abs(a/b-1) < 0.1 }

// holds reports whether a result has any row.
func holds(r client.Result) bool {
	for _, row := range r.Series {
		if len(row.Values) > 0 {
			return true
		}
	}
	return false
}

// number returns a value of a result.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// Holds reports whether the newest sample of p is there; true where that cannot be known.
func (s *Sink) Holds(ctx context.Context, p sink.Points) (bool, error) {
	if p.Block.Len() == 0 || !s.dialect.traits.Reads {
		return true, nil
	}
	if _, err := s.recallDevice(ctx); err != nil {
		return false, err
	}
	p = s.asThere(p)
	results, err := s.ask(ctx, s.at(p, p.Block.Times[p.Block.Len()-1]))
	switch {
	case errors.Is(err, errForbidden):
		s.warnOnce("cannot read the InfluxDB database: should it be emptied, that will not be noticed", "database", s.cfg.Database)
		return true, nil
	case errors.Is(err, errAbsent):
		return false, nil
	case err != nil:
		return false, err
	}
	_, there := s.ours(results[0], p)
	return there, nil
}
