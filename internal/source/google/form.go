package google

import (
	"fmt"
	"math"
	"strings"
)

// A form says what of a JSON object is read, and into which slots of a record: the tree of its members, built once per row of the
// table from paths such as "heartRate.sampleTime.physicalTime" or "sleep.stages[].type". What it does not name is a surprise.
type form struct {
	root    *member
	numbers int
	times   int
	words   int
	texts   int
}

// A member is one name inside an object.
type member struct {
	name string
	path string // as it is reported, e.g. sleep.stages[].type
	read reader
	slot int
	open bool // for readObject: what else is in it is of no use here, and not a surprise
	void bool // for readNumber: "NaN" is how the service says that there is none
	kids []*member
	word []string      // for readWord: the words that are known
	each func(*record) // for readList: called behind each element
}

type reader uint8

const (
	readObject  reader = iota // an object whose members are kids
	readList                  // an array of such objects
	readKnown                 // known, and of no use here
	readNumber                // int64 or double
	readSeconds               // a duration
	readInstant
	readFlag
	readWord // one of an enumeration
	readText
)

// A record holds what was read of one point. Missing numbers are NaN, missing instants 0, missing words wordMissing.
type record struct {
	numbers []float64
	times   []int64
	words   []int
	texts   []string
	seen    bool // the object that carries the value was there, even where all in it was left out
	odd     bool // something in it is not as the service writes it
	broken  bool // of that, something is of another kind than it should be
	noted   bool // that has been counted
	strange bool // there are members in it that are not known: what seems to be left out may only have another name
	beside  bool // the same beside the object that carries the value
}

func newForm() *form { return &form{root: &member{read: readObject, slot: -1}} }

func (f *form) record() *record {
	r := &record{numbers: make([]float64, f.numbers), times: make([]int64, f.times), words: make([]int, f.words), texts: make([]string, f.texts)}
	r.clear()
	return r
}

func (r *record) clear() {
	for i := range r.numbers {
		r.numbers[i] = math.NaN()
	}
	clear(r.times)
	for i := range r.words {
		r.words[i] = wordMissing
	}
	clear(r.texts)
	r.seen, r.odd, r.broken, r.noted, r.strange, r.beside = false, false, false, false, false, false
}

func (f *form) number(path string) int  { return f.leaf(path, readNumber, &f.numbers) }
func (f *form) seconds(path string) int { return f.leaf(path, readSeconds, &f.numbers) }
func (f *form) flag(path string) int    { return f.leaf(path, readFlag, &f.numbers) }
func (f *form) instant(path string) int { return f.leaf(path, readInstant, &f.times) }
func (f *form) text(path string) int    { return f.leaf(path, readText, &f.texts) }

// object tells whether the object at path was there: its number is then 1. Of a list it is the slot for what the list's reader says of it.
func (f *form) object(path string) int {
	m := f.at(path)
	if m.slot < 0 {
		m.slot = f.scratch()
	}
	return m.slot
}

// word reads a member whose value is one of words; a record holds its index.
func (f *form) word(path string, words []string) int {
	slot := f.leaf(path, readWord, &f.words)
	f.at(path).word = words
	return slot
}

// scratch reserves a slot that no path fills.
func (f *form) scratch() int {
	f.numbers++
	return f.numbers - 1
}

// known names members that are left alone.
func (f *form) known(paths ...string) {
	for _, p := range paths {
		if m := f.at(p); len(m.kids) == 0 && m.slot < 0 {
			m.read = readKnown
		}
	}
}

// list calls each behind every element of the array at path. The leaves inside it must have been named before.
func (f *form) list(path string, each func(*record)) {
	m := f.at(path + "[]")
	before := m.each
	m.each = func(r *record) {
		if before != nil {
			before(r)
		}
		each(r)
	}
}

// leaf adds the member at path, or finds it where it has been named already.
func (f *form) leaf(path string, read reader, count *int) int {
	m := f.at(path)
	if m.slot >= 0 {
		if m.read != read {
			panic(fmt.Sprintf("google: %q is read in two ways", path))
		}
		return m.slot
	}
	m.read, m.slot = read, *count
	*count++
	return m.slot
}

// at finds or adds the member at path.
func (f *form) at(path string) *member {
	m := f.root
	for name := range strings.SplitSeq(path, ".") {
		list := strings.HasSuffix(name, "[]")
		kid := m.kid([]byte(strings.TrimSuffix(name, "[]")))
		if kid == nil {
			kid = &member{name: strings.TrimSuffix(name, "[]"), slot: -1}
			kid.path = name
			if m.path != "" {
				kid.path = m.path + "." + name
			}
			m.kids = append(m.kids, kid)
		}
		if list {
			kid.read = readList
		}
		m = kid
	}
	return m
}

// kid finds the member of that name.
func (m *member) kid(name []byte) *member {
	for _, k := range m.kids {
		if k.name == string(name) {
			return k
		}
	}
	return nil
}

// mask is the partial-response mask of all that is read, without the known.
func (m *member) mask() string {
	var parts []string
	for _, k := range m.kids {
		switch {
		case k.read == readKnown:
		case len(k.kids) == 0:
			parts = append(parts, k.name)
		default:
			parts = append(parts, k.name+"("+k.mask()+")")
		}
	}
	return strings.Join(parts, ",")
}
