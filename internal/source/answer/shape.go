package answer

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxShapeDepth   = 12
	maxShapeMembers = 400
)

// An outline is the shape of JSON values: which kinds of scalar, which members, how many elements.
type outline struct {
	kinds   []string
	objects int
	members []*outlineMember
	arrays  bool
	count   int
	element *outline
}

type outlineMember struct {
	name  string
	count int
	value outline
}

// ShapeOf tells keys and types of an answer's beginning, and no value: what a bug report may hold. Members that not every object
// has are marked "?". Answers that are no JSON are told as such.
func ShapeOf(head []byte) string {
	trimmed := bytes.TrimLeft(head, " \r\n\t")
	switch {
	case len(trimmed) == 0:
		return "empty"
	case trimmed[0] == '<':
		return fmt.Sprintf("markup (%s)", markup(trimmed))
	}
	var o outline
	left := maxShapeMembers
	dec := jsontext.NewDecoder(bytes.NewReader(head), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := o.read(dec, 0, &left)
	var text strings.Builder
	o.write(&text)
	switch {
	case err == io.EOF || err == nil:
	case len(head) == cap(head) || len(head) >= MaxHead:
		text.WriteString(" …")
	default:
		text.WriteString(" cut or broken")
	}
	return strings.TrimSpace(text.String())
}

// markup is the name of the first element.
func markup(text []byte) string {
	for _, part := range bytes.Split(text, []byte("<"))[1:] {
		name := part[:max(0, bytes.IndexAny(append(part[:min(len(part), 64):min(len(part), 64)], '>'), " \t\r\n/>"))]
		if len(name) > 0 && Identifier(name) {
			return string(name)
		}
	}
	return "?"
}

// read takes the next value in.
func (o *outline) read(dec *jsontext.Decoder, depth int, left *int) error {
	switch dec.PeekKind() {
	case '{':
		return o.object(dec, depth, left)
	case '[':
		o.arrays = true
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		if o.element == nil {
			o.element = &outline{}
		}
		for dec.PeekKind() != ']' {
			o.count++
			if err := o.element.read(dec, depth+1, left); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	o.kind(scalarKind(raw))
	return nil
}

func (o *outline) object(dec *jsontext.Decoder, depth int, left *int) error {
	if depth > maxShapeDepth {
		o.kind("object")
		return dec.SkipValue()
	}
	o.objects++
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		m := o.member(name.String(), left)
		m.count++
		if err := m.value.read(dec, depth+1, left); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// member finds or adds a member. Names that are none of a programmer's making, and too many of them, fall into one.
func (o *outline) member(name string, left *int) *outlineMember {
	if !Identifier([]byte(name)) && !strings.HasPrefix(name, "@") || *left <= 0 {
		name = "*"
	}
	for _, m := range o.members {
		if m.name == name {
			return m
		}
	}
	*left--
	m := &outlineMember{name: name}
	o.members = append(o.members, m)
	return m
}

func (o *outline) kind(k string) {
	for _, have := range o.kinds {
		if have == k {
			return
		}
	}
	o.kinds = append(o.kinds, k)
}

// scalarKind blurs a value.
func scalarKind(raw []byte) string {
	if raw[0] != '"' {
		switch raw[0] {
		case 't', 'f':
			return "bool"
		case 'n':
			return "null"
		}
		return "number"
	}
	b := raw[1 : len(raw)-1]
	switch {
	case len(b) == 0:
		return `""`
	case string(b) == "NaN":
		return `"NaN"`
	}
	switch {
	case isTime(string(b)):
		return `"time"`
	case isNumber(string(b)):
		return `"number"`
	case b[len(b)-1] == 's' && isNumber(string(b[:len(b)-1])):
		return `"seconds"`
	}
	if enumWord(b) {
		return `"WORD"`
	}
	return `"text"`
}

// isTime knows the times of services: RFC 3339, days, and times without a zone.
func isTime(s string) bool {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly, time.TimeOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func enumWord(b []byte) bool {
	for _, c := range b {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

// write puts the outline down, as in {dataPoints:[25 {steps:{count?:"number"}}] nextPageToken:"text"}.
func (o *outline) write(to *strings.Builder) {
	parts := 0
	between := func() {
		if parts++; parts > 1 {
			to.WriteByte('|')
		}
	}
	for _, k := range o.kinds {
		between()
		to.WriteString(k)
	}
	if o.objects > 0 {
		between()
		to.WriteByte('{')
		for i, m := range o.members {
			if i > 0 {
				to.WriteByte(' ')
			}
			to.WriteString(m.name)
			if m.count < o.objects {
				to.WriteByte('?')
			}
			to.WriteByte(':')
			m.value.write(to)
		}
		to.WriteByte('}')
	}
	if o.arrays {
		between()
		fmt.Fprintf(to, "[%d ", o.count)
		o.element.write(to)
		to.WriteByte(']')
	}
}
