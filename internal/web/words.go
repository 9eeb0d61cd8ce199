package web

import (
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// in returns the page in the language of the options, or else in the one that the browser asks for.
func (s *Server) in(r *http.Request) *Server {
	lang := s.cfg.Language
	if lang == "" {
		lang = translations.Accepted(r.Header.Get("Accept-Language"))
	}
	if lang == s.words.Language() {
		return s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tongues[lang]
	if t == nil {
		t = s.speaking(lang)
		s.tongues[lang] = t
	}
	return t
}

// speaking returns the same page in one language.
func (s *shared) speaking(lang string) *Server {
	t := &Server{shared: s, words: translations.Lookup(lang)}
	t.templates = t.parse()
	return t
}

// word returns a text with its names filled in, given as name, value, name, value. A key without a text is a mistake in this
// package, and shows as itself.
func (s *Server) word(key string, names ...any) string {
	text := s.lookup(key, names)
	if text == "" {
		return key
	}
	return fill(text, names, fmt.Sprint)
}

// lookup finds a text, in the form for the first number that is filled in.
func (s *Server) lookup(key string, names []any) string {
	for i := 1; i < len(names); i += 2 {
		if n, ok := wholeNumber(names[i]); ok {
			return s.words.Counted(key, n)
		}
	}
	return s.words.Page(key)
}

// wholeNumber reads a whole number, also as count writes it.
func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case string:
		n, err := strconv.ParseInt(strings.ReplaceAll(v, thin, ""), 10, 64)
		return n, err == nil
	}
	return 0, false
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
	text := s.lookup(key, names)
	if text == "" {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if !strings.HasPrefix(key, "help_") {
		return fill(text, names, fmt.Sprint), nil
	}
	return template.HTML(fill(text, names, func(v ...any) string { return template.HTMLEscapeString(fmt.Sprint(v...)) })), nil
}
