package web

import (
	"fmt"
	"html/template"
	"strings"
)

// English returns the texts of the page by their keys. A name in braces is filled in. Those of a group "help_…" are parts of HTML;
// all others are plain.
func English() map[string]string { return english }

// word returns a text with its names filled in, given as name, value, name, value. A key without a text is a mistake in this
// package, and shows as itself.
func (s *Server) word(key string, names ...any) string {
	text := ""
	if s.cfg.Words != nil {
		text = s.cfg.Words(key)
	}
	if text == "" {
		text = english[key]
	}
	if text == "" {
		return key
	}
	return fill(text, names, fmt.Sprint)
}

func fill(text string, names []any, show func(...any) string) string {
	for i := 0; i+1 < len(names); i += 2 {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%s}", names[i]), show(names[i+1]))
	}
	return text
}

// text is word for the templates: a key without a text is an error there. The help has emphasis and links, which come from our own
// texts; what is filled in is escaped.
func (s *Server) text(key string, names ...any) (any, error) {
	if english[key] == "" {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if !strings.HasPrefix(key, "help_") {
		return s.word(key, names...), nil
	}
	return template.HTML(fill(s.word(key), names, func(v ...any) string { return template.HTMLEscapeString(fmt.Sprint(v...)) })), nil
}
