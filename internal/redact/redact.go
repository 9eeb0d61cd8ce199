// Package redact takes secrets out of texts that leave the program: lines of the log, what commands and the page show, reports and
// messages. Services have been seen to repeat an access token in the text of a refusal, so that no text of others is safe by its origin.
//
// It knows secrets by their shape, and those in use by name: whoever reads one from the options says so with Secret, and whoever gets one
// from a service with Token.
package redact

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// mark stands where a secret was.
const mark = "***"

const (
	shortest = 8  // of a secret that is known by name: a shorter one would blot out words
	most     = 64 // tokens that are known at once: they are renewed every hour, and an old one is worth nothing soon
)

var (
	mu     sync.Mutex
	given  []string // secrets of the options: they stay
	tokens []string // the newest last
	names  atomic.Pointer[strings.Replacer]
)

// Secret makes values of the options known as secrets, for as long as the program runs. Empty ones, and those that are as short as a word
// or look like one, are passed over.
func Secret(values ...string) { know(&given, math.MaxInt, values) }

// Token makes values known as secrets that are replaced by others: the newest ones are.
func Token(values ...string) { know(&tokens, most, values) }

func know(list *[]string, most int, values []string) {
	mu.Lock()
	defer mu.Unlock()
	news := false
	for _, v := range values {
		if len(v) < shortest || word.MatchString(v) {
			continue
		}
		before := len(*list)
		*list = slices.DeleteFunc(*list, func(k string) bool { return k == v })
		news = news || len(*list) == before
		*list = append(*list, v)
	}
	if !news {
		return
	}
	*list = (*list)[max(0, len(*list)-most):]
	all := slices.Concat(given, tokens)
	slices.SortStableFunc(all, func(a, b string) int { return len(b) - len(a) }) // one may begin as another does
	var pairs []string
	for _, v := range all {
		for _, form := range forms(v) {
			pairs = append(pairs, form, mark)
		}
	}
	names.Store(strings.NewReplacer(pairs...))
}

// forms are how a value is written in addresses, web pages, JSON and quotes.
func forms(v string) []string {
	page, quoted := html.EscapeString(v), strconv.Quote(v)
	written := []string{v, url.QueryEscape(v), url.PathEscape(v), page, strings.ReplaceAll(page, "+", "&#43;"), quoted[1 : len(quoted)-1]}
	for _, safe := range []bool{false, true} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(safe)
		if e.Encode(v) == nil {
			written = append(written, b.String()[1:b.Len()-2]) // without the quotes and the line's end
		}
	}
	slices.Sort(written)
	return slices.Compact(written)
}

var word = regexp.MustCompile(`^[a-z]{1,15}$`)

// shapes are what secrets look like, with what is kept of each.
var shapes = []struct {
	find *regexp.Regexp
	keep string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "${1} " + mark},
	{regexp.MustCompile(`(?i)\b((?:access|refresh|id)[ _-]?tokens?["':=\s]+)[A-Za-z0-9._~+/-]*[0-9._~+/-][A-Za-z0-9._~+/=-]{11,}`), "${1}" + mark},
	{regexp.MustCompile(`(?i)\b((?:client_secret|password|passwd|authorization_code|code_verifier)["']?\s*[:=]\s*["']?)[^\s"'&,}]{4,}`), "${1}" + mark},
	{regexp.MustCompile(`([?&](?:code|token|key|p|password|access_token|refresh_token|client_secret)=)[^&\s"'…]+`), "${1}" + mark},
	{regexp.MustCompile(`\b((?:token|secret)=["']?)[A-Za-z0-9._~+/%-]{8,}`), "${1}" + mark},
	{regexp.MustCompile(`\bya29\.[A-Za-z0-9._-]{8,}`), mark},
	{regexp.MustCompile(`\b1//[A-Za-z0-9_-]{8,}`), mark},
	{regexp.MustCompile(`\b4/0[A-Za-z0-9_-]{8,}`), mark},
	{regexp.MustCompile(`\bGOCSPX-[A-Za-z0-9_-]{8,}`), mark},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`), mark},
	{regexp.MustCompile(`(://[^/\s:@"']*:)[^/\s@"']+@`), "${1}" + mark + "@"},
}

// clues are what any of the shapes has in it, in lower case: most texts have none, and are done with at a look.
var clues = []string{"bearer", "basic", "token", "secret", "passw", "authorization_code", "code_verifier", "?code=", "&code=", "?key=", "&key=",
	"?p=", "&p=", "ya29.", "1//", "4/0", "gocspx-", "eyj", "://"}

// Text returns s without its secrets.
func Text(s string) string {
	if r := names.Load(); r != nil {
		s = r.Replace(s)
	}
	var b strings.Builder
	done := 0
	for _, in := range suspects(s) {
		part := s[in.from:in.to]
		for _, shape := range shapes {
			part = shape.find.ReplaceAllString(part, shape.keep)
		}
		b.WriteString(s[done:in.from])
		b.WriteString(part)
		done = in.to
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

type span struct{ from, to int }

// suspects are the lines with a clue, each with the line that follows, where the secret may stand. Regular expressions over a whole page
// would take longer than all the rest of it.
func suspects(s string) []span {
	low := lower(s)
	var at []int
	for _, clue := range clues {
		for i := 0; ; {
			next := strings.Index(low[i:], clue)
			if next < 0 {
				break
			}
			at = append(at, i+next)
			i += next + len(clue)
		}
	}
	slices.Sort(at)
	var out []span
	end := 0 // of the line looked at last
	for _, i := range at {
		if i < end {
			continue
		}
		end = lineEnd(s, i)
		one := span{strings.LastIndexByte(s[:i], '\n') + 1, lineEnd(s, end)}
		if n := len(out); n > 0 && one.from < out[n-1].to {
			out[n-1].to = one.to
			continue
		}
		out = append(out, one)
	}
	return out
}

// lower is s with the letters of ASCII in lower case, each at its place.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// lineEnd is where the line at i ends, behind its newline.
func lineEnd(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(s)
}

// Writer hands what is written to it on to w, without the secrets. What is one text has to come in one piece.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.w, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Handler hands records on to h, without the secrets in their texts.
func Handler(h slog.Handler) slog.Handler { return handler{h} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = attr(a)
	}
	return handler{h.Handler.WithAttrs(clean)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// attr cleans texts, errors, and whatever else prints as a text.
func attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Text(v.String()))
	case slog.KindGroup:
		var inside []any
		for _, g := range v.Group() {
			inside = append(inside, attr(g))
		}
		return slog.Group(a.Key, inside...)
	case slog.KindAny:
		if text := v.String(); Text(text) != text {
			a.Value = slog.StringValue(Text(text))
		}
	}
	return a
}
