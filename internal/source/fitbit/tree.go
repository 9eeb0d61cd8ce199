package fitbit

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A number is a JSON number as it was written: an id of 64 bits keeps all of its digits.
type number string

// readTree reads the next value: an object as map[string]any, an array as []any, and string, number, bool or nil.
func readTree(dec *jsontext.Decoder) (any, error) {
	switch dec.PeekKind() {
	case '{':
		if _, err := dec.ReadToken(); err != nil {
			return nil, err
		}
		out := map[string]any{}
		for dec.PeekKind() != '}' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			if out[key], err = readTree(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.ReadToken()
		return out, err
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return nil, err
		}
		out := []any{}
		for dec.PeekKind() != ']' {
			v, err := readTree(dec)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := dec.ReadToken()
		return out, err
	}
	t, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String()), nil
	case 't', 'f':
		return t.Bool(), nil
	}
	return nil, nil
}

// A path leads to a value inside an element of an answer: "value.avg", or through a list to the object that a word names:
// "value.heartRateZones[name=Fat Burn].minutes".
type path struct {
	text  string
	steps []step
}

type step struct {
	name     string
	key, is  string // for a list: the member that has to be that word
	isInList bool
}

func parsePath(text string) path {
	p := path{text: text}
	for rest := text; rest != ""; {
		var s step
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		s.name, rest = rest[:end], rest[end:]
		if strings.HasPrefix(rest, "[") {
			choice, after, _ := strings.Cut(rest[1:], "]")
			s.key, s.is, _ = strings.Cut(choice, "=")
			s.isInList, rest = true, after
		}
		p.steps = append(p.steps, s)
		rest = strings.TrimPrefix(rest, ".")
	}
	return p
}

// of returns what lies at the path in v; nil where it, or anything on the way, is missing. It may come with an error about its
// neighbours in a list.
func (p path) of(v any) (any, error) {
	var odd error
	for _, s := range p.steps {
		if v == nil {
			return nil, odd
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%w: %s: %s where an object with %s is expected", answer.ErrShape, p.text, kindOf(v), s.name)
		}
		there := false
		if v, there = object[s.name]; there && v == nil {
			return nil, fmt.Errorf("%w: %s: %s is null", answer.ErrShape, p.text, s.name)
		}
		if v == nil || !s.isInList {
			continue
		}
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("%w: %s: %s is %s, not a list", answer.ErrShape, p.text, s.name, kindOf(v))
		}
		v = nil
		listed, torn := 0, false
		for _, e := range list {
			one, ok := e.(map[string]any)
			if !ok {
				odd = fmt.Errorf("%w: %s: %s in a list of objects", answer.ErrShape, p.text, kindOf(e))
				continue
			}
			word, ok := one[s.key].(string)
			if !ok {
				odd = fmt.Errorf("%w: %s: an element of %s does not say which it is", answer.ErrShape, p.text, s.name)
				continue
			}
			if word != s.is {
				continue
			}
			if listed++; listed > 1 && !reflect.DeepEqual(v, any(one)) { // of two that differ, neither is known to be right
				torn = true
			}
			v = one
		}
		if torn {
			return nil, fmt.Errorf("%w: %s: two elements of %s are called %s and differ", answer.ErrShape, p.text, s.name, s.is)
		}
		if v == nil && odd == nil && len(list) > 0 { // all are listed, if any
			return nil, fmt.Errorf("%w: %s: no element of %s is called %s", answer.ErrShape, p.text, s.name, s.is)
		}
	}
	return v, odd
}

// number returns the number at the path; NaN where there is none. It may come with an error, as in of.
func (p path) number(v any) (float64, error) {
	at, err := p.of(v)
	f, ok := asNumber(at)
	if err != nil {
		return f, err
	}
	if !ok {
		return f, fmt.Errorf("%w: %s is %s, not a number", answer.ErrShape, p.text, kindOf(at))
	}
	return f, nil
}

// asNumber takes numbers and numbers in quotes. What is not there is missing; anything else is none.
func asNumber(v any) (float64, bool) {
	text := ""
	switch v := v.(type) {
	case nil:
		return metric.Absent(), true
	case string:
		text = strings.TrimSpace(v)
	case number:
		text = string(v)
	default:
		return metric.Absent(), false
	}
	return answer.Number([]byte(text))
}

// word returns the string at the path; empty where there is none. A number is the string of its digits.
func (p path) word(v any) (string, error) {
	at, err := p.of(v)
	switch at := at.(type) {
	case nil:
		return "", err
	case string:
		return at, err
	case number:
		return string(at), err
	}
	return "", fmt.Errorf("%w: %s is %s, not a string", answer.ErrShape, p.text, kindOf(at))
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case number:
		return "a number"
	}
	return "true or false"
}

// known says which members of an object are known. What is below a member with nil is not looked at.
type known map[string]known

// knownOf builds it from paths; those of lists end in "[]" or name a choice.
func knownOf(paths ...string) known {
	k := known{}
	for _, text := range paths {
		at := k
		steps := parsePath(text).steps
		for i, s := range steps {
			next, have := at[s.name]
			if next == nil && (i+1 < len(steps) || s.key != "") {
				next = known{}
			}
			if !have || next != nil {
				at[s.name] = next
			}
			if s.key != "" {
				next[s.key] = nil
			}
			at = next
		}
	}
	return k
}

// note counts the members of v that are not known, and reports whether there are any.
func (k known) note(n *answer.Notes, at string, v any) (strange bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			strange = k.note(n, at, e) || strange
		}
	case map[string]any:
		for name, member := range v {
			below, ok := k[name]
			if !ok {
				n.Add(answer.MemberUnknown, at, []byte(name))
				strange = true
				continue
			}
			if below != nil {
				path := name
				if at != "" {
					path = at + "." + name
				}
				strange = below.note(n, path, member) || strange
			}
		}
	}
	return strange
}
