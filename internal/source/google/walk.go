package google

import (
	"bytes"
	"fmt"
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
	if k := w.dec.PeekKind(); k != '{' {
		return w.unexpected(m, k)
	}
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
			w.notes.Add(answer.MemberUnknown, m.path, name)
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

// member reads the value of m. null is a missing value everywhere.
func (w *walker) member(m *member) error {
	kind := w.dec.PeekKind()
	switch {
	case m.read == readKnown || kind == 'n':
		_, err := w.dec.ReadValue() // in one piece: quicker than SkipValue, and bounded by the body
		return err
	case m.read == readObject:
		switch {
		case m.slot == valueObject:
			w.rec.seen = true
		case m.slot >= 0:
			w.rec.numbers[m.slot] = 1
		}
		return w.object(m)
	case m.read == readList:
		return w.list(m, kind)
	}
	if kind == '{' || kind == '[' || kind == 0 {
		return w.unexpected(m, kind)
	}
	raw, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	return w.scalar(m, raw)
}

// valueObject is the slot of the object that carries a point's value.
const valueObject = -2

// list reads an array of objects.
func (w *walker) list(m *member, kind jsontext.Kind) error {
	if kind != '[' {
		return w.unexpected(m, kind)
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != ']' {
		w.forget(m)
		if err := w.object(m); err != nil {
			return err
		}
		if m.each != nil {
			m.each(w.rec)
		}
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
			w.rec.words[k.slot] = -1
		case readText:
			w.rec.texts[k.slot] = ""
		case readObject, readList:
			w.forget(k)
		}
	}
}

// scalar puts a value into its slot.
func (w *walker) scalar(m *member, raw jsontext.Value) error {
	b := []byte(raw)
	quoted := b[0] == '"'
	if quoted {
		b = b[1 : len(b)-1]
	}
	ok := true
	switch m.read {
	case readNumber:
		if !quoted && (b[0] == 't' || b[0] == 'f') {
			return fmt.Errorf("%w: %s is no number", answer.ErrShape, m.path)
		}
		if len(b) > 0 {
			w.rec.numbers[m.slot], ok = parseNumber(b)
		}
	case readSeconds:
		if w.rec.numbers[m.slot], ok = parseSeconds(b); !ok && quoted && len(b) > 1 {
			w.notes.Add(answer.UnitUnknown, m.path, b[len(b)-1:])
		}
	case readInstant:
		w.rec.times[m.slot], ok = parseInstant(b)
	case readFlag:
		switch string(b) {
		case "true":
			w.rec.numbers[m.slot] = 1
		case "false":
			w.rec.numbers[m.slot] = 0
		default:
			ok = false
		}
	case readWord:
		w.rec.words[m.slot] = w.wordOf(m, b)
		ok = quoted
	case readText:
		s, err := jsontext.AppendUnquote(nil, raw)
		w.rec.texts[m.slot], ok = string(s), err == nil && quoted
	}
	if !ok {
		return fmt.Errorf("%w: %s cannot be read as %s", answer.ErrShape, m.path, m.read)
	}
	return nil
}

// wordOf returns the index of a word; one that is not known is noted, and never an error.
func (w *walker) wordOf(m *member, b []byte) int {
	for i, known := range m.word {
		if known == string(b) {
			return i
		}
	}
	w.notes.Add(answer.WordUnknown, m.path, b)
	return -1
}

// unexpected is the error of a value of another kind than m's.
func (w *walker) unexpected(m *member, kind jsontext.Kind) error {
	if kind == 0 { // the reader's own error, or the text's
		_, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
	}
	path := m.path
	if path == "" {
		path = "an element of the answer"
	}
	return fmt.Errorf("%w: %s is %s, not %s", answer.ErrShape, path, kindWord(kind), m.read)
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

func (r reader) String() string {
	return [...]string{"an object", "an array", "anything", "a number", "a duration", "a time", "true or false", "a word", "a string"}[r]
}
