package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

const (
	maxFile  = 1 << 20
	maxDepth = 16
)

// node is a value of a file, whatever its syntax.
type node struct {
	where string // for messages
	kind  kind
	text  string // of a scalar; empty counts as not said
	keys  []string
	kids  []*node // of a map by keys, or of a list
}

type kind uint8

const (
	scalar kind = iota
	mapping
	list
)

func (k kind) String() string { return [...]string{"a single value", "a section", "a list"}[k] }

// fromYAML reads a YAML file; every node knows its line.
func fromYAML(data []byte, file string, problems *Problems) *node {
	if len(data) > maxFile {
		problems.add(file, "is too large to be a file of options")
		return nil
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &node{kind: mapping}
	case err != nil:
		problems.add(file, "%s", yamlError(err))
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		problems.add(file, "has more than one document; write one, without ---")
		return nil
	}
	return yamlNode(doc.Content[0], file, "", 0, problems)
}

// yamlError keeps the parser's message to one line.
func yamlError(err error) string {
	return strings.Join(strings.Fields("cannot be read: "+strings.TrimPrefix(err.Error(), "yaml: ")), " ")
}

func yamlNode(n *yaml.Node, file, path string, depth int, problems *Problems) *node {
	where := fmt.Sprintf("%s line %d", file, n.Line)
	if path != "" {
		where += ", " + path
	}
	if depth > maxDepth {
		problems.add(where, "lies too deep")
		return nil
	}
	out := &node{where: where}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			out.text = strings.TrimSpace(n.Value)
		}
	case yaml.SequenceNode:
		out.kind = list
		for i, kid := range n.Content {
			if k := yamlNode(kid, file, fmt.Sprintf("%s[%d]", path, i), depth+1, problems); k != nil {
				out.kids = append(out.kids, k)
			}
		}
	case yaml.MappingNode:
		out.kind = mapping
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, line := n.Content[i].Value, n.Content[i].Line
			sub := join(path, key)
			if out.has(key) {
				problems.add(fmt.Sprintf("%s line %d, %s", file, line, sub), "is there twice; keep one")
				continue
			}
			k := yamlNode(n.Content[i+1], file, sub, depth+1, problems)
			if k == nil {
				continue
			}
			k.where = fmt.Sprintf("%s line %d, %s", file, line, sub)
			out.keys, out.kids = append(out.keys, key), append(out.kids, k)
		}
	default:
		problems.add(where, "is a reference (*); write the value out")
		return nil
	}
	return out
}

// fromJSON reads options.json.
func fromJSON(data []byte, file string, problems *Problems) *node {
	if len(data) > maxFile {
		problems.add(file, "is too large to be a file of options")
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind its end")
		}
	}
	if err != nil {
		problems.add(file, "cannot be read: %v", err)
		return nil
	}
	return jsonNode(v, file, "", 0, problems)
}

func jsonNode(v any, file, path string, depth int, problems *Problems) *node {
	out := &node{where: strings.TrimPrefix(path+" in "+file, " in ")}
	if depth > maxDepth {
		problems.add(out.where, "lies too deep")
		return nil
	}
	switch v := v.(type) {
	case nil:
	case string:
		out.text = strings.TrimSpace(v)
	case json.Number:
		out.text = v.String()
	case bool:
		out.text = fmt.Sprint(v)
	case []any:
		out.kind = list
		for i := range v {
			if k := jsonNode(v[i], file, fmt.Sprintf("%s[%d]", path, i), depth+1, problems); k != nil {
				out.kids = append(out.kids, k)
			}
		}
	case map[string]any:
		out.kind = mapping
		for _, key := range sorted(v) {
			if k := jsonNode(v[key], file, join(path, key), depth+1, problems); k != nil {
				out.keys, out.kids = append(out.keys, key), append(out.kids, k)
			}
		}
	}
	return out
}

func (n *node) has(key string) bool {
	for _, k := range n.keys {
		if k == key {
			return true
		}
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
