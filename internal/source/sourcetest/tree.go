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

var (
	wordText   = regexp.MustCompile(`^"[A-Z][A-Z_]+"$`)
	numberText = regexp.MustCompile(`^("?)(\d+(?:\.\d+)?)(s?"?)$`)
)

// An element is one of a list of the answer, such as a point, a session or a day: the outermost that holds what was touched.
type element struct {
	path    string
	without string // the answer that lacks it
	others  bool   // its list holds others
}

// mutations makes each change of the tree in turn, calls did, and takes it back. The element is nil where the envelope was touched.
func (v *tree) mutations(did func(path, mutation string, in *element)) {
	w := &changer{root: v, did: did}
	w.change(v, "", nil)
}

type changer struct {
	root *tree
	did  func(path, mutation string, in *element)
}

func (w *changer) change(v *tree, path string, in *element) {
	with := func(change func(*tree), path, mutation string, in *element) {
		before := *v
		v.members, v.list = slices.Clone(v.members), slices.Clone(v.list)
		change(v)
		w.did(path, mutation, in)
		*v = before
	}
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	if v.object {
		with(func(v *tree) { v.members = append(v.members, member{"strangerBeside", &tree{scalar: "7"}}) }, path, "stranger", in)
	}
	for i, m := range v.members {
		here := at(m.name)
		set := func(value *tree) func(*tree) { return func(v *tree) { v.members[i].value = value } }
		with(func(v *tree) { v.members = slices.Delete(v.members, i, i+1) }, here, "removed", in)
		with(func(v *tree) { v.members[i].name = "new" + m.name }, here, "renamed", in)
		if path == "" && len(m.value.list) > 0 {
			with(func(v *tree) {
				v.members[i].value = &tree{}
				v.members = append(v.members, member{"new" + m.name, m.value})
			}, here, "moved", in)
		}
		with(set(&tree{scalar: "null"}), here, "null", in)
		with(set(&tree{scalar: `"NaN"`}), here, "NaN", in)
		if m.value.scalar != "" {
			with(set(&tree{object: true}), here, "type", in)
		} else {
			with(set(&tree{scalar: "7"}), here, "type", in)
		}
		if n := numberText.FindStringSubmatch(m.value.scalar); n != nil && strings.Trim(n[2], "0.") != "" {
			with(set(&tree{scalar: n[1] + "-" + n[2] + n[3]}), here, "minus", in)
		}
		if wordText.MatchString(m.value.scalar) {
			with(set(&tree{scalar: `"MADE_UP"`}), here, "word", in)
		}
		w.change(m.value, here, in)
	}
	for i, e := range v.list {
		here, touched := fmt.Sprintf("%s[%d]", path, i), in
		if touched == nil {
			list := v.list
			v.list = slices.Delete(slices.Clone(list), i, i+1)
			touched = &element{here, w.root.text(), len(list) > 1}
			v.list = list
		}
		with(func(v *tree) { v.list = slices.Insert(v.list, i, e) }, here, "doubled", touched)
		if twin := e.twin(); in == nil && twin != nil {
			with(func(v *tree) { v.list = slices.Insert(v.list, i, twin) }, here, "twin of zeros", touched)
		}
		with(func(v *tree) { v.list[i] = &tree{scalar: "null"} }, here, "null", touched)
		with(func(v *tree) { v.list[i] = &tree{scalar: `"text"`} }, here, "type", touched)
		w.change(e, here, touched)
	}
	if len(v.list) > 1 {
		with(func(v *tree) { slices.Reverse(v.list) }, path, "reversed", in)
	}
}

// twin is the same session once more as another program passes it on, with an id of its own and zeros for what was measured; nil for what
// is no session.
func (v *tree) twin() *tree {
	t := &tree{object: v.object, members: slices.Clone(v.members)}
	session := false
	for i, m := range t.members {
		if session = m.name == "dataPointName" && strings.HasSuffix(m.value.scalar, `"`); session {
			t.members[i].value = &tree{scalar: strings.TrimSuffix(m.value.scalar, `"`) + `99"`}
			break
		}
	}
	if !session {
		return nil
	}
	for i, m := range t.members {
		t.members[i].value = m.value.zeros()
	}
	return t
}

// zeros is the same with zeros for numbers, but for those of times, and without what happened at a time.
func (v *tree) zeros() *tree {
	if n := numberText.FindStringSubmatch(v.scalar); n != nil {
		return &tree{scalar: n[1] + "0" + n[3]}
	}
	t := &tree{object: v.object, scalar: v.scalar, members: slices.Clone(v.members)}
	for i, m := range t.members {
		if m.name != "interval" {
			t.members[i].value = m.value.zeros()
		}
	}
	for _, e := range v.list {
		if !slices.ContainsFunc(e.members, func(m member) bool { return m.name == "startTime" }) {
			t.list = append(t.list, e.zeros())
		}
	}
	return t
}

// A mask is the members that are kept, each with those inside it; nil for all of it.
type mask map[string]mask

// parseMask reads a partial-response mask such as "a,b(c,d),e/f".
func parseMask(text string) mask {
	m := mask{}
	for text != "" && text[0] != ')' {
		text = strings.TrimPrefix(m.readItem(text), ",")
	}
	return m
}

// readItem reads one item, such as "e/f(g,h)", and returns what follows it.
func (m mask) readItem(text string) string {
	end := strings.IndexAny(text, ",()/")
	if end < 0 {
		end = len(text)
	}
	name, text := text[:end], text[end:]
	switch {
	case strings.HasPrefix(text, "("):
		below := mask{}
		for text = text[1:]; text != "" && text[0] != ')'; {
			text = strings.TrimPrefix(below.readItem(text), ",")
		}
		m[name], text = below, strings.TrimPrefix(text, ")")
	case strings.HasPrefix(text, "/"):
		below := mask{}
		text = below.readItem(text[1:])
		m[name] = below
	default:
		m[name] = nil
	}
	return text
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
