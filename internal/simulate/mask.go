package simulate

import (
	"fmt"
	"strings"
)

// A mask is a tree of members, as the query parameter fields writes it: a(b,c/d),e. A nil mask keeps everything.
type mask struct {
	name string
	all  bool // nothing was said below: all of it
	sub  []*mask
}

// child returns what m keeps of the member; whole is true for all of it.
func (m *mask) child(name string) (sub *mask, kept bool) {
	if m == nil || m.all {
		return nil, true
	}
	for _, c := range m.sub {
		if c.name == name || c.name == "*" {
			return c, true
		}
	}
	return nil, false
}

// parseMask reads a mask.
func parseMask(s string) (*mask, error) {
	p := maskParser{s: s}
	root := &mask{}
	if err := p.list(root, 0); err != nil {
		return nil, err
	}
	if p.i < len(s) {
		return nil, fmt.Errorf("unexpected %q at %d", s[p.i], p.i)
	}
	return root, nil
}

type maskParser struct {
	s string
	i int
}

func (p *maskParser) list(into *mask, depth int) error {
	if depth > 20 {
		return fmt.Errorf("nested too deep")
	}
	for {
		at := into
		for {
			n := strings.IndexAny(p.s[p.i:], ",/()")
			if n < 0 {
				n = len(p.s) - p.i
			}
			name := strings.TrimSpace(p.s[p.i : p.i+n])
			if name == "" {
				return fmt.Errorf("a name is missing at %d", p.i)
			}
			p.i += n
			at = at.member(name)
			if p.i < len(p.s) && p.s[p.i] == '/' {
				p.i++
				continue
			}
			break
		}
		if p.i < len(p.s) && p.s[p.i] == '(' {
			p.i++
			if err := p.list(at, depth+1); err != nil {
				return err
			}
			if p.i >= len(p.s) || p.s[p.i] != ')' {
				return fmt.Errorf("a closing bracket is missing")
			}
			p.i++
		} else if len(at.sub) == 0 {
			at.all = true
		}
		if p.i < len(p.s) && p.s[p.i] == ',' {
			p.i++
			continue
		}
		return nil
	}
}

func (m *mask) member(name string) *mask {
	for _, c := range m.sub {
		if c.name == name {
			return c
		}
	}
	c := &mask{name: name}
	m.sub = append(m.sub, c)
	return c
}

// unknown returns the first path of m that the shape does not have; empty for none. A shape is a mask that names everything; where
// it has a *, anything is known.
func (m *mask) unknown(shape *mask, path string) string {
	for _, c := range m.sub {
		at := strings.TrimPrefix(path+"."+c.name, ".")
		if c.name == "*" {
			continue
		}
		var s *mask
		for _, x := range shape.sub {
			if x.name == c.name || x.name == "*" {
				s = x
			}
		}
		if s == nil {
			return at
		}
		if s.name == "*" {
			continue
		}
		if u := c.unknown(s, at); u != "" {
			return u
		}
	}
	return ""
}
