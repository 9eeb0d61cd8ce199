package answer

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// SurpriseKind says what the decoders did not know.
type SurpriseKind string

const (
	MemberUnknown SurpriseKind = "member" // a member name
	WordUnknown   SurpriseKind = "word"   // a word of an enumeration
	UnitUnknown   SurpriseKind = "unit"   // a unit
	ReasonUnknown SurpriseKind = "reason" // a reason for a refusal
	PointEmpty    SurpriseKind = "empty"  // a point without the value it was asked for
	PointOdd      SurpriseKind = "odd"    // a point that cannot be, and was left out: it ends before it begins
)

// A Surprise is something in the service's answers that this client does not know. None of it holds a measured value.
type Surprise struct {
	Feed  string
	Kind  SurpriseKind
	Path  string // where, e.g. sleep.stages[].type=NEW_STAGE
	Count int
	First time.Time
	Last  time.Time
}

// MaxSurprises bounds what a strange service can make us remember.
const MaxSurprises = 500

type surpriseKey struct {
	feed string
	kind SurpriseKind
	path string
}

// Surprises counts what is unknown, over all requests.
type Surprises struct {
	mu   sync.Mutex
	seen map[surpriseKey]*Surprise
}

// Add counts some.
func (s *Surprises) Add(feed string, kind SurpriseKind, path string, count int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[surpriseKey]*Surprise{}
	}
	key := surpriseKey{feed, kind, path}
	have := s.seen[key]
	if have == nil {
		if len(s.seen) >= MaxSurprises {
			return
		}
		have = &Surprise{Feed: feed, Kind: kind, Path: path, First: now}
		s.seen[key] = have
	}
	have.Count += count
	have.Last = now
}

// List returns them in order.
func (s *Surprises) List() []Surprise {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Surprise, 0, len(s.seen))
	for _, v := range s.seen {
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b Surprise) int {
		return cmp.Or(cmp.Compare(a.Feed, b.Feed), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Path, b.Path))
	})
	return out
}

// Notes counts what is unknown in one answer, without a lock and without an allocation for what comes again.
type Notes struct {
	key  []byte
	seen map[string]int
}

// Add counts one; detail is a name or a word as the service wrote it.
func (n *Notes) Add(kind SurpriseKind, path string, detail []byte) {
	n.key = append(append(append(n.key[:0], kind...), ' '), path...)
	switch {
	case len(detail) == 0:
	case !Identifier(detail):
		n.key = append(n.key, " (not a plain name)"...)
	case kind == MemberUnknown && path == "":
		n.key = append(n.key, detail...)
	case kind == MemberUnknown:
		n.key = append(append(n.key, '.'), detail...)
	default:
		n.key = append(append(n.key, '='), detail...)
	}
	if n.seen == nil {
		n.seen = map[string]int{}
	}
	if _, ok := n.seen[string(n.key)]; !ok && len(n.seen) >= MaxSurprises {
		return
	}
	n.seen[string(n.key)]++
}

// Hand hands the counts over and forgets them.
func (n *Notes) Hand(to *Surprises, feed string, now time.Time) {
	for key, count := range n.seen {
		kind, path, _ := strings.Cut(key, " ")
		to.Add(feed, SurpriseKind(kind), path, count, now)
	}
	clear(n.seen)
}

// Identifier reports whether b looks like a name of the service's making: nothing else may enter a bug report.
func Identifier(b []byte) bool {
	if len(b) == 0 || len(b) > 64 {
		return false
	}
	for _, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return b[0] < '0' || b[0] > '9'
}
