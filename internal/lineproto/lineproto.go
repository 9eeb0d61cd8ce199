// Package lineproto writes blocks of samples as InfluxDB line protocol and as CSV. It is shared by the sinks that speak the
// protocol and by the export, so that both write the same schema.
package lineproto

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Units says in which units the fields leave that the Python project wrote in others.
type Units string

const (
	Metric Units = "metric" // as held inside
	Python Units = "python" // pounds, miles and °F deltas, where the row names them
)

// Encoder holds the catalogue's rows made ready for writing. It is read only after New, so goroutines may share it.
type Encoder struct {
	rows map[metric.ID]*row
}

// row is a series with its names escaped.
type row struct {
	measurement []byte
	tags        []tag // sorted by key
	fields      []field
	noDevice    bool
}

// tag is one tag of a row: its escaped `,key=` and where its value is.
type tag struct {
	name string
	key  []byte
	from int // index into Block.Tags, or one of the two below
}

// The tags of every row but those that have no Device.
const (
	DeviceTag = "Device"
	PersonTag = "Person"
)

const (
	fromDevice = -1
	fromPerson = -2
)

type field struct {
	key    []byte // escaped `key=`
	kind   metric.Kind
	factor float64
}

// New makes an encoder for the rows of cat, writing in the given units.
func New(cat metric.Catalogue, units Units) (*Encoder, error) {
	e := &Encoder{rows: make(map[metric.ID]*row, len(cat))}
	for _, s := range cat {
		r := &row{measurement: appendEscaped(nil, s.Measurement, measurementSpecials), noDevice: s.NoDevice}
		add := func(name string, from int) {
			key := appendEscaped([]byte{','}, name, keySpecials)
			r.tags = append(r.tags, tag{name, append(key, '='), from})
		}
		if !s.NoDevice {
			add(DeviceTag, fromDevice)
		}
		add(PersonTag, fromPerson)
		for i, name := range s.Tags {
			add(name, i)
		}
		slices.SortFunc(r.tags, func(a, b tag) int { return cmp.Compare(a.name, b.name) })
		for _, f := range s.Fields {
			factor, err := Factor(f, units)
			if err != nil {
				return nil, fmt.Errorf("series %s: %w", s.ID, err)
			}
			r.fields = append(r.fields, field{append(appendEscaped(nil, f.Key, keySpecials), '='), f.Kind, factor})
		}
		e.rows[s.ID] = r
	}
	return e, nil
}

// Factor returns what a value of f is multiplied with to leave in units. All conversions of the catalogue are factors: the
// temperatures are differences.
func Factor(f metric.Field, units Units) (float64, error) {
	if units != Python || f.Python == "" {
		return 1, nil
	}
	switch [2]metric.Unit{f.Unit, f.Python} {
	case [2]metric.Unit{metric.Kilogram, metric.Pound}:
		return 1 / 0.45359237, nil
	case [2]metric.Unit{metric.Kilometre, metric.Mile}:
		return 1 / 1.609344, nil
	case [2]metric.Unit{metric.Celsius, metric.Fahrenheit}:
		return 1.8, nil
	}
	return 0, fmt.Errorf("field %q: no way from %s to %s", f.Key, f.Unit, f.Python)
}

// Append appends the samples [from, to) of b as lines, each with its newline, and returns how many lines there are. A sample
// none of whose fields is present makes no line. Fields whose bit is set in omit are left out. A block that does not fit its
// row panics: the archive has checked it.
func (e *Encoder) Append(dst []byte, person metric.Person, b *metric.Block, from, to int, omit uint64) ([]byte, int) {
	r := e.row(b)
	var room [256]byte // the prefix is made once for the block, and mostly fits the stack
	prefix := r.appendPrefix(room[:0], person, b)
	lines := 0
	for i := from; i < to; i++ {
		at := len(dst)
		dst = append(dst, prefix...)
		sep := byte(' ')
		for f := range r.fields {
			v := b.Values[f][i]
			if omit&(1<<f) != 0 || !Storable(r.fields[f].kind, v) {
				continue
			}
			dst = append(dst, sep)
			dst = r.fields[f].append(dst, v)
			sep = ','
		}
		if sep == ' ' {
			dst = dst[:at]
			continue
		}
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, b.Times[i], 10)
		dst = append(dst, '\n')
		lines++
	}
	return dst, lines
}

// Tags calls yield with every tag key of the block's row, sorted, and the value as it stands in the database; empty where the
// sample has no such tag.
func (e *Encoder) Tags(person metric.Person, b *metric.Block, yield func(key, value string)) {
	for _, t := range e.row(b).tags {
		yield(t.name, Clean(t.value(person, b)))
	}
}

// Storable reports whether v can be written as a field of that kind. Absent values cannot, nor can what InfluxDB has no
// notation for: infinities, and integers beyond 64 bits.
func Storable(kind metric.Kind, v float64) bool {
	if kind == metric.Int {
		return math.Abs(v) < 1<<63
	}
	return !math.IsNaN(v) && !math.IsInf(v, 0)
}

func (e *Encoder) row(b *metric.Block) *row {
	r, ok := e.rows[b.Series]
	if !ok {
		panic(fmt.Sprintf("lineproto: no series %q in the catalogue", b.Series))
	}
	return r
}

func (r *row) appendPrefix(dst []byte, person metric.Person, b *metric.Block) []byte {
	dst = append(dst, r.measurement...)
	for _, t := range r.tags {
		if v := t.value(person, b); v != "" {
			dst = append(dst, t.key...)
			dst = appendEscaped(dst, v, keySpecials)
		}
	}
	return dst
}

func (t tag) value(person metric.Person, b *metric.Block) string {
	switch {
	case t.from == fromDevice:
		return b.Device
	case t.from == fromPerson:
		return person.Tag
	case t.from < len(b.Tags):
		return b.Tags[t.from]
	}
	return ""
}

func (f *field) append(dst []byte, v float64) []byte {
	dst = append(dst, f.key...)
	dst = f.appendNumber(dst, v)
	if f.kind == metric.Int {
		dst = append(dst, 'i')
	}
	return dst
}

// appendNumber writes v in the encoder's units: the shortest digits that read back as it, with an exponent only where they
// would be many.
func (f *field) appendNumber(dst []byte, v float64) []byte {
	v *= f.factor
	if f.kind == metric.Int {
		return strconv.AppendInt(dst, int64(math.Round(v)), 10)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e15) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

const (
	measurementSpecials = ", "
	keySpecials         = ", ="
)

// appendEscaped appends the clean form of s with the special characters escaped.
func appendEscaped(dst []byte, s, specials string) []byte {
	s = Clean(s)
	for i := range len(s) {
		if strings.IndexByte(specials, s[i]) >= 0 {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// Clean returns the form of a name or tag value that line protocol can carry: a backslash would escape what follows it, and a
// line break would end the line, so a backslash becomes a slash and a control character a blank. What is deleted or asked for
// has to be named in this form too.
func Clean(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == '\\' || c >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
