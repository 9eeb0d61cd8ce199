package google

import (
	"bytes"
	"math"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/go-json-experiment/json/jsontext"
)

// A walker reads JSON objects by a form, token by token: nothing of an answer is held but the record in hand.
type walker struct {
	dec   *jsontext.Decoder
	rec   *record
	notes *answer.Notes
	name  []byte // scratch for names written with escapes
}

// object reads the members of an object whose brace is next.
func (w *walker) object(m *member) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != '}' {
		name, err := w.memberName()
		if err != nil {
			return err
		}
		kid := m.kid(name)
		if kid == nil {
			if !m.open {
				w.notes.Add(answer.MemberUnknown, m.path, name)
				w.rec.beside = w.rec.beside || m.path == ""
				w.rec.strange = w.rec.strange || m.path != ""
			}
			if err := w.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := w.member(kid); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

// odd passes over a value that is not what m is, and counts it: it costs only itself.
func (w *walker) odd(m *member) error {
	if w.dec.PeekKind() == 0 { // the reader's own error, or the text's
		_, err := w.dec.ReadToken()
		return err
	}
	w.rec.broken = w.rec.broken || w.dec.PeekKind() != 'n'
	w.noteOdd(m)
	return w.dec.SkipValue()
}

func (w *walker) noteOdd(m *member) {
	w.rec.odd, w.rec.noted = true, true
	if m.read == readList && m.slot >= 0 {
		w.rec.numbers[m.slot] = listOdd
	}
	path := m.path
	if path == "" {
		path = "[]" // a point as a whole
	}
	w.notes.Add(answer.PointOdd, path, nil)
}

// memberName reads the name of the next member without its quotes. It is valid until the next read.
func (w *walker) memberName() ([]byte, error) {
	quoted, err := w.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') < 0 {
		return name, nil
	}
	w.name, err = jsontext.AppendUnquote(w.name[:0], quoted)
	return w.name, err
}

// member reads the value of m. null is a missing value, but none that the service is known to write.
func (w *walker) member(m *member) error {
	switch m.read {
	case readObject:
		if w.dec.PeekKind() != '{' {
			return w.odd(m)
		}
		switch {
		case m.slot == valueObject:
			w.rec.seen = true
		case m.slot >= 0:
			w.rec.numbers[m.slot] = 1
		}
		return w.object(m)
	case readList:
		return w.list(m)
	}
	raw, err := w.dec.ReadValue() // in one piece: quicker than to look first, and bounded by the body
	if err != nil || m.read == readKnown {
		return err
	}
	switch raw[0] {
	case 'n':
		w.noteOdd(m)
		return nil
	case '{', '[':
		w.rec.broken = true
		w.noteOdd(m)
		return nil
	}
	if !w.scalar(m, raw) {
		w.rec.broken = w.rec.broken || !notANumber(raw)
		w.noteOdd(m)
	}
	return nil
}

// valueObject is the slot of the object that carries a point's value.
const valueObject = -2

// list reads an array of objects. An element that is none is passed over.
func (w *walker) list(m *member) error {
	if w.dec.PeekKind() != '[' {
		return w.odd(m)
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != ']' {
		if w.dec.PeekKind() != '{' {
			if err := w.odd(m); err != nil {
				return err
			}
			continue
		}
		w.forget(m)
		odd, strange := w.rec.odd, w.rec.strange
		w.rec.odd, w.rec.strange = false, false
		if err := w.object(m); err != nil {
			return err
		}
		if m.each != nil {
			m.each(w.rec) // of what is odd or strange it sees that of this element alone
		}
		w.rec.odd, w.rec.strange = w.rec.odd || odd, w.rec.strange || strange
	}
	_, err := w.dec.ReadToken()
	return err
}

// forget empties the slots of a list's members, so that one element does not inherit from the one before.
func (w *walker) forget(m *member) {
	for _, k := range m.kids {
		switch k.read {
		case readNumber, readSeconds, readFlag:
			w.rec.numbers[k.slot] = math.NaN()
		case readInstant:
			w.rec.times[k.slot] = 0
		case readWord:
			w.rec.words[k.slot] = wordMissing
		case readText:
			w.rec.texts[k.slot] = ""
		case readObject, readList:
			w.forget(k)
		}
	}
}

// scalar puts a value into its slot, and reports whether it is what m is. What is not leaves the slot as it was: absent.
func (w *walker) scalar(m *member, raw jsontext.Value) bool {
	b := []byte(raw)
	quoted := b[0] == '"'
	if quoted {
		b = b[1 : len(b)-1]
	}
	switch m.read {
	case readNumber:
		v, ok := parseNumber(b)
		if ok {
			w.rec.numbers[m.slot] = v
		}
		return ok || m.void && string(b) == "NaN"
	case readSeconds:
		v, ok := parseSeconds(b)
		switch {
		case ok:
			w.rec.numbers[m.slot] = v
		case quoted && len(b) > 1:
			w.notes.Add(answer.UnitUnknown, m.path, b[len(b)-1:])
		}
		return ok
	case readInstant:
		v, ok := parseInstant(b)
		w.rec.times[m.slot] = v
		return ok
	case readFlag:
		switch string(b) {
		case "true":
			w.rec.numbers[m.slot] = 1
		case "false":
			w.rec.numbers[m.slot] = 0
		default:
			return false
		}
	case readWord:
		w.rec.words[m.slot] = w.wordOf(m, b)
		return quoted
	case readText:
		s, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || !quoted {
			return false
		}
		w.rec.texts[m.slot] = string(s)
	}
	return true
}

// What a slot for a word holds that is not there, and one that is not known.
const wordMissing, wordUnknown = -1, -2

// notANumber reports whether raw is how the service writes a double that is none.
func notANumber(raw []byte) bool {
	switch string(raw) {
	case `"NaN"`, `"Infinity"`, `"-Infinity"`:
		return true
	}
	return false
}

// wordOf returns the index of a word; one that is not known is noted, and never an error.
func (w *walker) wordOf(m *member, b []byte) int {
	for i, known := range m.word {
		if known == string(b) {
			return i
		}
	}
	w.notes.Add(answer.WordUnknown, m.path, b)
	return wordUnknown
}

func kindWord(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "something else"
}
