package google

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Operation is one of the service's ways to read a data type.
type Operation uint8

const (
	Reconcile   Operation = iota // merged over all sources: what the phone app shows
	List                         // every source separately, newest first
	RollUp                       // windows of physical time
	DailyRollUp                  // days of the person's calendar
	Tcx                          // the track of one workout
)

func (o Operation) String() string {
	return [...]string{"reconcile", "list", "rollUp", "dailyRollUp", "exportExerciseTcx"}[o]
}

// Shape says where a point of a data type keeps its time. The roll-ups keep theirs in one place, whatever the type.
type Shape uint8

const (
	Sample   Shape = iota // sampleTime.physicalTime
	Interval              // interval.startTime
	Daily                 // date
)

// A Row is one feed: what is asked, and what is read of the answer. For a metric of a known shape a row here and a row in the
// catalogue are all there is to write.
type Row struct {
	Feed  metric.Feed
	Type  string // data type id, as in the address: kebab-case
	Op    Operation
	Shape Shape // of Reconcile and List
	Read  []Selector
	Known []string // members of the type's object that are left alone, besides its time
	Scope string   // the permission it needs, without prefix and .readonly
	Mask  bool     // many points: ask for the members that are read only
	Whole bool     // instants are cut to the second, as the Fitbit Web API told them: a value that both told is one point

	fetch   fetchFunc // where the shape is not a common one
	after   afterFunc // what is made of the answer besides
	instead *Row      // asked where the service refuses the operation
}

// A Selector fills one field of one series.
type Selector struct {
	Series metric.ID    // the feed's first where empty
	Field  string       // key of the field
	Path   string       // inside the type's object: "a.b", "a + b", "a - b", or an element of an array by its word: "a[key=WORD].b"
	Per    float64      // the value is divided by it; 0 is 1
	Digits int          // decimals to round to; 0 for none. Integer fields are always rounded
	Zero   bool         // a number left out of an object that is there is 0; else it is missing
	Time   bool         // the value is a duration, in seconds
	Void   string       // the member that is "NaN" as long as there is none
	Terms  metric.Bound // which values each member of the path can have, where that is more than what the field can have
}

// A feed is a row made ready.
type feed struct {
	Row
	member string // the type's object in an answer: lowerCamelCase
	series []metric.Series
	form   *form
	when   int // slot of the instant; -1 for calendar days
	date   [3]int
	clock  [3]int       // of a window of days: hours, minutes and seconds at its begin
	end    [6]int       // the same at its end, behind its date
	cols   [][]column   // by series, by field
	body   bool         // a field of it is what no body has none of
	other  *feed        // asked where the service refuses the operation
	rate   atomic.Int64 // points per day in the last answer, to make room for the next
}

type column struct {
	field  metric.Field
	terms  []term
	per    float64
	digits int
	zero   bool
	bound  metric.Bound // of each term
}

// zeros reports whether a member of an element is 0 where the service leaves it out.
func (f *feed) zeros() bool {
	return slices.ContainsFunc(slices.Concat(f.cols...), func(c column) bool { return c.zero })
}

type term struct {
	slot  int
	minus bool
	list  int // slot that tells of the list which the term is an element of; -1 for none
}

// What the slot of a list holds once the list has been read. Elements left out are then 0, unless one could not be understood.
const (
	listUnderstood = 1
	listOdd        = 2
)

// compile makes a row ready, or says what is wrong with it.
func compile(r Row, cat metric.Catalogue) (*feed, error) {
	f := &feed{Row: r, member: camel(r.Type), form: newForm(), when: -1}
	for _, id := range r.Feed.Series {
		s, ok := cat.Lookup(id)
		if !ok {
			return nil, fmt.Errorf("feed %s: no series %q in the catalogue", r.Feed.ID, id)
		}
		f.series = append(f.series, s)
		f.cols = append(f.cols, make([]column, len(s.Fields)))
	}
	f.form.known("name", "dataPointName", "dataSource")
	f.form.at(f.member).slot = valueObject
	f.time()
	for _, k := range r.Known {
		f.form.known(f.member + "." + k)
	}
	for _, sel := range r.Read {
		if err := f.selects(sel); err != nil {
			return nil, fmt.Errorf("feed %s: %w", r.Feed.ID, err)
		}
	}
	if r.instead == nil {
		return f, nil
	}
	other := *r.instead
	other.Feed, other.Scope = r.Feed, r.Scope
	var err error
	f.other, err = compile(other, cat)
	return f, err
}

// time names the members that tell a point's time.
func (f *feed) time() {
	numbers := func(to []int, path string, parts ...string) {
		for i, part := range parts {
			to[i] = f.form.number(path + "." + part)
		}
	}
	switch {
	case f.Op == RollUp:
		f.when = f.form.instant("startTime")
		f.form.known("endTime")
	case f.Op == DailyRollUp:
		numbers(f.date[:], "civilStartTime.date", "year", "month", "day")
		numbers(f.clock[:], "civilStartTime.time", "hours", "minutes", "seconds")
		numbers(f.end[:3], "civilEndTime.date", "year", "month", "day")
		numbers(f.end[3:], "civilEndTime.time", "hours", "minutes", "seconds")
		f.form.known("civilStartTime.time.nanos", "civilEndTime.time.nanos")
	case f.Shape == Daily:
		numbers(f.date[:], f.member+".date", "year", "month", "day")
	case f.Shape == Sample:
		at := f.member + ".sampleTime."
		f.when = f.form.instant(at + "physicalTime")
		f.form.known(at+"utcOffset", at+"civilTime")
	case f.Shape == Interval:
		at := f.member + ".interval."
		f.when = f.form.instant(at + "startTime")
		f.form.known(at+"endTime", at+"startUtcOffset", at+"endUtcOffset", at+"civilStartTime", at+"civilEndTime")
	}
}

// selects adds one selector.
func (f *feed) selects(sel Selector) error {
	at := 0
	if sel.Series != "" {
		at = slices.Index(f.Feed.Series, sel.Series)
	}
	if at < 0 || at >= len(f.series) {
		return fmt.Errorf("selector of %q: the feed does not answer for that series", sel.Series)
	}
	field := f.series[at].Field(sel.Field)
	if field < 0 {
		return fmt.Errorf("series %s has no field %q", f.series[at].ID, sel.Field)
	}
	col := column{field: f.series[at].Fields[field], per: sel.Per, digits: sel.Digits, zero: sel.Zero}
	col.bound = max(sel.Terms, col.field.Bound)
	if col.per == 0 {
		col.per = 1
	}
	minus := false
	for word := range strings.FieldsSeq(sel.Path) {
		switch word {
		case "+", "-":
			minus = word == "-"
		default:
			slot, list := f.slot(word, sel.Time)
			col.terms = append(col.terms, term{slot, minus, list})
			if word == sel.Void {
				f.form.at(f.member + "." + word).void = true
			}
		}
	}
	if len(col.terms) == 0 {
		return fmt.Errorf("selector of %q has no path", sel.Field)
	}
	f.cols[at][field] = col
	f.body = f.body || col.field.Bound == metric.Positive
	return nil
}

// slot returns the slot of one path inside the type's object, and that of the list it is in.
func (f *feed) slot(path string, duration bool) (slot, of int) {
	number := f.form.number
	if duration {
		number = f.form.seconds
	}
	list, rest, found := strings.Cut(path, "[")
	if !found {
		return number(f.member + "." + path), -1
	}
	choice, leaf, _ := strings.Cut(rest, "].")
	name, want, _ := strings.Cut(choice, "=")
	list = f.member + "." + list
	words, key := f.words(list+"[]."+name, want), f.form.at(list+"[]."+name)
	value, mine, torn := number(list+"[]."+leaf), f.form.scratch(), f.form.scratch()
	of = f.form.object(list + "[]")
	f.form.list(list, func(r *record) {
		w, v := r.words[words], r.numbers[value]
		if w < 0 || !metric.Present(v) || v < 0 { // which element it is, or how much, is not known
			r.numbers[of], r.odd = listOdd, true
			return
		}
		if r.numbers[of] != listOdd {
			r.numbers[of] = listUnderstood
		}
		switch was := r.numbers[mine]; {
		case key.word[w] != want || metric.Present(r.numbers[torn]):
		case !metric.Present(was):
			r.numbers[mine] = v
		case v != was: // an element stands once in the list, or twice the same: of two that differ, neither is known to be right
			r.numbers[mine], r.numbers[torn] = metric.Absent(), 1
			r.numbers[of], r.odd = listOdd, true
		}
	})
	return mine, of
}

// words makes want one of the words known at path.
func (f *feed) words(path, want string) int {
	slot := f.form.word(path, f.form.at(path).word)
	if m := f.form.at(path); !slices.Contains(m.word, want) {
		m.word = append(m.word, want)
	}
	return slot
}

// value computes a field from a record whose value object was there. It also says whether the record says so: a value that is not
// there, or that no body has, is absent, and odd where the service does not leave it out like that.
func (c *column) value(r *record) (v float64, told bool) {
	if len(c.terms) == 0 {
		return metric.Absent(), true
	}
	sum := 0.0
	for _, t := range c.terms {
		v := r.numbers[t.slot]
		switch {
		case metric.Present(v):
		case t.list >= 0 && r.numbers[t.list] == listUnderstood:
			v = 0
		case t.list >= 0:
			return metric.Absent(), r.numbers[t.list] != listOdd && !r.strange
		case c.zero && !r.strange && !r.odd:
			v = 0
		default:
			return metric.Absent(), !r.strange
		}
		if !c.bound.Holds(v) {
			return metric.Absent(), false
		}
		if t.minus {
			v = -v
		}
		sum += v
	}
	sum /= c.per
	if !c.field.Possible(sum) { // before it is rounded, too: a little below zero is below
		return metric.Absent(), false
	}
	switch {
	case c.field.Kind == metric.Int:
		sum = math.Round(sum)
	case c.digits > 0:
		p := math.Pow10(c.digits)
		sum = math.Round(sum*p) / p
	}
	if !c.field.Possible(sum) {
		return metric.Absent(), false
	}
	return sum, true
}

// blocks returns an empty block for each series, with room for as many points as the last answer had in so long a span.
func (f *feed) blocks(device string, span metric.Span) []metric.Block {
	room := int(float64(f.rate.Load()) * min(span.Len().Hours()/24, 31))
	out := make([]metric.Block, len(f.series))
	for i, series := range f.series {
		out[i] = metric.Block{Series: series.ID, Values: make([][]float64, len(series.Fields))}
		if !series.NoDevice {
			out[i].Device = device
		}
		if room > 0 && i == 0 {
			out[i].Times = make([]int64, 0, room)
			for j := range out[i].Values {
				out[i].Values[j] = make([]float64, 0, room)
			}
		}
	}
	return out
}

// learn keeps how dense an answer was, with some to spare.
func (f *feed) learn(points int, span metric.Span) {
	if days := span.Len().Hours() / 24; days >= 0.25 {
		f.rate.Store(int64(min(float64(points)/days, 100_000) * 1.05))
	}
}

// camel turns a data type's id into the name of its JSON member.
func camel(id string) string {
	parts := strings.Split(id, "-")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

// snake turns a data type's id into its name in filters.
func snake(id string) string { return strings.ReplaceAll(id, "-", "_") }
