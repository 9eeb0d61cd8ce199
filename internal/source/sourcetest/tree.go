package sourcetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// A tree is a JSON value that can be changed and written again: members keep their order, numbers their digits.
type tree struct {
	scalar  string // as it is written; empty for an object or a list
	list    []*tree
	members []member
	object  bool
}

type member struct {
	name  string
	value *tree
}

func parseTree(text []byte) (*tree, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readTree(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the value")
	}
	return v, nil
}

func readTree(dec *json.Decoder) (*tree, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		text, err := json.Marshal(token)
		return &tree{scalar: string(text)}, err
	}
	v := &tree{object: delim == '{'}
	for dec.More() {
		name := ""
		if v.object {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name = key.(string)
		}
		kid, err := readTree(dec)
		if err != nil {
			return nil, err
		}
		if v.object {
			v.members = append(v.members, member{name, kid})
		} else {
			v.list = append(v.list, kid)
		}
	}
	_, err = dec.Token()
	return v, err
}

func (v *tree) text() string {
	if v.scalar != "" {
		return v.scalar
	}
	var parts []string
	for _, m := range v.members {
		name, _ := json.Marshal(m.name) // a string can be written
		parts = append(parts, string(name)+":"+m.value.text())
	}
	for _, e := range v.list {
		parts = append(parts, e.text())
	}
	if v.object {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// elements is how many elements the answer's list has.
func (v *tree) elements() int {
	n := len(v.list)
	for _, m := range v.members {
		n = max(n, len(m.value.list))
		for _, below := range m.value.members { // as of a set of minutes
			n = max(n, len(below.value.list))
		}
	}
	return n
}

var wordText = regexp.MustCompile(`^"[A-Z][A-Z_]+"$`)

// mutations makes each change of the tree in turn, calls did, and takes it back.
func (v *tree) mutations(did func(path, mutation string, inElement bool)) { v.mutate("", false, did) }

func (v *tree) mutate(path string, inside bool, did func(path, mutation string, inElement bool)) {
	with := func(change func(*tree), path, mutation string) {
		before := *v
		v.members, v.list = slices.Clone(v.members), slices.Clone(v.list)
		change(v)
		did(path, mutation, inside)
		*v = before
	}
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	if v.object {
		with(func(v *tree) { v.members = append(v.members, member{"strangerBeside", &tree{scalar: "7"}}) }, path, "stranger")
	}
	for i, m := range v.members {
		here := at(m.name)
		set := func(value *tree) func(*tree) { return func(v *tree) { v.members[i].value = value } }
		with(func(v *tree) { v.members = slices.Delete(v.members, i, i+1) }, here, "removed")
		with(func(v *tree) { v.members[i].name = "new" + m.name }, here, "renamed")
		with(set(&tree{scalar: "null"}), here, "null")
		with(set(&tree{scalar: `"NaN"`}), here, "NaN")
		if m.value.scalar != "" {
			with(set(&tree{object: true}), here, "type")
		} else {
			with(set(&tree{scalar: "7"}), here, "type")
		}
		if wordText.MatchString(m.value.scalar) {
			with(set(&tree{scalar: `"MADE_UP"`}), here, "word")
		}
		m.value.mutate(here, inside, did)
	}
	for i, e := range v.list {
		here := fmt.Sprintf("%s[%d]", path, i)
		touched := func(change func(*tree), mutation string) {
			was := inside
			inside = true
			with(change, here, mutation)
			inside = was
		}
		touched(func(v *tree) { v.list = slices.Insert(v.list, i, e) }, "doubled")
		touched(func(v *tree) { v.list[i] = &tree{scalar: "null"} }, "null")
		touched(func(v *tree) { v.list[i] = &tree{scalar: `"text"`} }, "type")
		e.mutate(here, true, did)
	}
	if len(v.list) > 1 {
		with(func(v *tree) { slices.Reverse(v.list) }, path, "reversed")
	}
}

// A mask is the members that are kept, each with those inside it; nil for all of it.
type mask map[string]mask

// parseMask reads a partial-response mask such as "a,b(c,d),e/f".
func parseMask(text string) mask {
	m, _ := readMask(text)
	return m
}

func readMask(text string) (mask, string) {
	m := mask{}
	for text != "" && text[0] != ')' {
		end := strings.IndexAny(text, ",()/")
		if end < 0 {
			end = len(text)
		}
		name := text[:end]
		text = text[end:]
		m[name] = nil
		switch {
		case strings.HasPrefix(text, "("):
			m[name], text = readMask(text[1:])
			text = strings.TrimPrefix(text, ")")
		case strings.HasPrefix(text, "/"):
			var below mask
			below, text = readMask(text[1:])
			m[name] = below
		}
		text = strings.TrimPrefix(text, ",")
	}
	return m, text
}

// cut takes away what the mask does not name.
func (v *tree) cut(m mask) {
	if m == nil {
		return
	}
	for _, e := range v.list {
		e.cut(m)
	}
	v.members = slices.DeleteFunc(v.members, func(k member) bool {
		_, kept := m[k.name]
		return !kept
	})
	for _, k := range v.members {
		k.value.cut(m[k.name])
	}
}
