package simulate

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// filter is what a filter leaves of the points: up to one interval of instants, or of times on the person's clock.
type filter struct {
	alternatives []bounds
}

// bounds are half open, in ns; civil ones are written as UTC.
type bounds struct {
	civil    bool
	from, to int64
}

func (f filter) match(at int64, off int32) bool {
	for _, b := range f.alternatives {
		t := at
		if b.civil {
			t += int64(off) * 1e9
		}
		if t >= b.from && t < b.to {
			return true
		}
	}
	return false
}

// days returns the first and last day that may hold points: one more on each side, for zones.
func (f filter) days(p *Person) (first, last metric.Day) {
	first, last = math.MaxInt32, math.MinInt32
	for _, b := range f.alternatives {
		lo, hi := metric.Day(math.MinInt32/2), metric.Day(math.MaxInt32/2)
		if b.from > math.MinInt64 {
			lo = metric.DayOf(time.Unix(0, b.from).UTC()) - 1
			if !b.civil {
				lo = p.Day(time.Unix(0, b.from))
			} else {
				lo++
			}
		}
		if b.to < math.MaxInt64 {
			hi = metric.DayOf(time.Unix(0, b.to-1).UTC())
			if !b.civil {
				hi = p.Day(time.Unix(0, b.to-1))
			}
		}
		first, last = min(first, lo), max(last, hi)
	}
	return first, last
}

// reasons of a rejected filter.
const (
	filterSyntax     = "INVALID_DATA_POINT_FILTER_SYNTAX"
	filterToken      = "INVALID_DATA_POINT_FILTER_MISSING_TOKEN"
	filterMember     = "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"
	filterComparator = "INVALID_DATA_POINT_FILTER_RESTRICTION_COMPARATOR"
	filterStructure  = "INVALID_DATA_POINT_FILTER_EXPRESSION_STRUCTURE"
	filterMixed      = "INVALID_DATA_POINT_FILTER_MIXED_TIME_RESTRICTIONS"
	filterCollection = "INVALID_DATA_POINT_FILTER_COLLECTION_MISMATCH"
	filterFormat     = "INVALID_FILTER_FORMAT"
)

func badFilter(reason, detail string) *apiError {
	return &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", reason: reason, message: "Invalid filter: " + detail, meta: map[string]string{"detailedReasons": detail}}
}

// parseFilter reads a filter for a data type. An empty one lets everything through.
func parseFilter(t *dataType, s string) (filter, *apiError) {
	all := bounds{from: math.MinInt64, to: math.MaxInt64}
	if strings.TrimSpace(s) == "" {
		return filter{[]bounds{all}}, nil
	}
	if t.kind == unfiltered {
		return filter{}, badFilter(filterStructure, "this data type takes no filter")
	}
	tokens, err := filterTokens(s)
	if err != nil {
		return filter{}, err
	}
	var f filter
	now, kinds := all, ""
	for i := 0; ; i += 4 {
		if len(tokens) < i+3 {
			return filter{}, badFilter(filterToken, "a restriction is incomplete")
		}
		r, err := t.restriction(tokens[i], tokens[i+1], tokens[i+2])
		if err != nil {
			return filter{}, err
		}
		if kinds != "" && kinds != r.member {
			return filter{}, badFilter(filterMixed, "physical and civil members in one filter")
		}
		kinds, now.civil = r.member, r.civil
		if r.least {
			now.from = max(now.from, r.at)
		} else {
			now.to = min(now.to, r.at)
		}
		if len(tokens) == i+3 {
			f.alternatives = append(f.alternatives, now)
			return f, nil
		}
		switch {
		case tokens[i+3] == "AND":
		case tokens[i+3] == "OR" && t.kind == sleeping:
			f.alternatives = append(f.alternatives, now)
			now = all
		default:
			return filter{}, badFilter(filterStructure, "restrictions are joined with AND")
		}
	}
}

// filterTokens splits a filter into members, comparators, quoted values and words.
func filterTokens(s string) ([]string, *apiError) {
	var out []string
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			i++
			continue
		case c == '"':
			end := strings.IndexByte(s[i+1:], '"')
			if end < 0 {
				return nil, badFilter(filterSyntax, "a quote is not closed")
			}
			i += end + 2
		case strings.IndexByte("<>=!", c) >= 0:
			for i < len(s) && strings.IndexByte("<>=!", s[i]) >= 0 {
				i++
			}
		case c == '_' || c == '.' || c == '-' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == ':':
			for i < len(s) && strings.IndexByte(" \t\n\"<>=!()", s[i]) < 0 {
				i++
			}
		default:
			return nil, badFilter(filterSyntax, "unexpected character")
		}
		out = append(out, s[start:i])
	}
	return out, nil
}

type restriction struct {
	member string
	civil  bool
	least  bool // >=, not <
	at     int64
}

// members returns the members that a filter of the type may name; civil ones have that in their name.
func (t *dataType) members() []string {
	s := t.snake()
	switch t.kind {
	case interval:
		return []string{s + ".interval.start_time", s + ".interval.civil_start_time"}
	case sample:
		return []string{s + ".sample_time.physical_time", s + ".sample_time.civil_time"}
	case daily:
		return []string{s + ".date"}
	case session:
		return []string{s + ".interval.civil_start_time"}
	case sleeping:
		return []string{s + ".interval.end_time", s + ".interval.civil_end_time"}
	case cardiogram:
		return []string{s + ".interval.start_time"}
	}
	return nil
}

func (t *dataType) restriction(member, op, value string) (restriction, *apiError) {
	r := restriction{member: member, least: op == ">="}
	known := false
	for _, m := range t.members() {
		known = known || m == member
	}
	if !known {
		if head, _, _ := strings.Cut(member, "."); head != t.snake() && (head == t.name || head == t.camel() || strings.Contains(head, "-")) {
			return r, badFilter(filterMember, "the data type is written in snake_case: "+member)
		} else if head != t.snake() {
			return r, badFilter(filterCollection, "the filter names another data type: "+member)
		}
		return r, badFilter(filterMember, "not a member to filter by: "+member)
	}
	switch {
	case strings.IndexByte("<>=!", op[0]) < 0:
		return r, badFilter(filterToken, "a comparator is missing")
	case op != ">=" && (op != "<" || t.kind == cardiogram):
		return r, badFilter(filterComparator, "comparator not supported: "+op)
	case value[0] != '"':
		return r, badFilter(filterSyntax, "values are quoted")
	}
	value = strings.Trim(value, `"`)
	r.civil = strings.Contains(member, "civil")
	layouts := []string{time.RFC3339Nano}
	switch {
	case t.kind == daily:
		layouts = []string{time.DateOnly}
	case r.civil:
		layouts = []string{time.DateOnly, "2006-01-02T15:04:05"}
	}
	for _, l := range layouts {
		if at, err := time.Parse(l, value); err == nil {
			switch { // ns since 1970 end in 2262
			case at.Year() < 1700:
				r.at = math.MinInt64
			case at.Year() > 2200:
				r.at = math.MaxInt64
			default:
				r.at = at.UnixNano()
			}
			return r, nil
		}
	}
	return r, badFilter(filterFormat, "not a time for "+member+": "+value)
}
