package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// An Exception allows what the rules of mutation would forbid.
type Exception struct {
	Case     string // regular expression of the names of the cases it is for; empty for all
	Path     string // regular expression of "feed: path", as in "steps: rollupDataPoints[0].steps.countSum"
	Mutation string // the mutation's name, or several with | between; empty for all
	Why      string
}

// Mutate changes the answers of the golden cases, one thing at a time, and holds what the source makes of each against what it makes of
// the answer as it was. The changes are those that services have been seen to make: a member is gone, has another name, is null, "NaN",
// minus, of another type or an unknown word; an element stands twice, or there is something else beside it; a list is in another order, or
// under another name with an empty one in its place.
//
// Allowed is the same batch; or that what was touched is missing, counted, and its days are not final; or, where no element can be
// read, or the envelope was hit, a refusal. What was touched is found by asking for the answer without the element: all that is the same
// with and without it has nothing to do with it, and has to stay. Never is there another value, one that was not there, a 0 that was not
// there, a final answer that lacks something, or a panic. What goes through a request's mask is cut as the service would cut it; where
// that loses something, the answer without a mask is what counts.
func (g Golden) Mutate(t *testing.T, exceptions []Exception) {
	m := &mutator{Golden: g, exceptions: compiledOf(exceptions), ran: map[string]int{}, outcomes: map[string]int{}}
	for _, folder := range Folders(t) {
		c := ReadCase(t, folder)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { m.mutateCase(t, c) }) // what is tried again after a while is tried at once
		})
	}
	total := 0
	for _, n := range m.ran {
		total += n
	}
	t.Logf("%d mutations: %v", total, m.ran)
	t.Logf("outcomes: %v", m.outcomes)
	if total < 1000 {
		t.Errorf("only %d mutations", total)
	}
	for _, e := range m.exceptions {
		if !m.used(e) {
			t.Errorf("nothing needs the exception %q %q", e.Path, e.Mutation)
		}
	}
}

type compiled struct {
	name, path *regexp.Regexp
	Exception
}

func compiledOf(list []Exception) []compiled {
	var out []compiled
	for _, e := range list {
		out = append(out, compiled{regexp.MustCompile(e.Case), regexp.MustCompile(e.Path), e})
	}
	return out
}

type mutator struct {
	Golden
	exceptions []compiled
	ran        map[string]int // mutations, by name
	outcomes   map[string]int
	needed     map[string]bool // exceptions that were of use, by path and mutation
}

func (m *mutator) used(e compiled) bool { return m.needed[e.Path+" "+e.Mutation] }

// excepted reports whether an exception allows what happened.
func (m *mutator) excepted(name, feed, path, mutation string) bool {
	for _, e := range m.exceptions {
		if e.name.MatchString(name) && e.path.MatchString(feed+": "+path) && (e.Mutation == "" || slices.Contains(strings.Split(e.Mutation, "|"), mutation)) {
			if m.needed == nil {
				m.needed = map[string]bool{}
			}
			m.needed[e.Path+" "+e.Mutation] = true
			return true
		}
	}
	return false
}

// mostComplaints is how many of a case are told.
const mostComplaints = 6

func (m *mutator) mutateCase(t *testing.T, c Case) {
	list := m.complaints(t, filepath.Base(t.Name()), c)
	for _, complaint := range list[:min(len(list), mostComplaints)] {
		t.Error(complaint)
	}
	if len(list) > mostComplaints {
		t.Errorf("and %d more", len(list)-mostComplaints)
	}
}

// complaints makes every change of a case's answers and tells which come to something that is not allowed.
func (m *mutator) complaints(t testing.TB, name string, c Case) []string {
	base := m.outcome(t, c)
	if base.err != nil {
		return nil // what is refused as it is tells nothing
	}
	var out []string
	for i, a := range c.Answers {
		if a.Status != http.StatusOK {
			continue
		}
		answered := func(text string) Case {
			changed := c
			changed.Answers = slices.Clone(c.Answers)
			changed.Answers[i].Body = []byte(text)
			return changed
		}
		without := map[string]outcome{} // what there is without an element, by its path
		change := func(path, mutation string, in *element, text string) {
			m.ran[mutation]++
			var rest *outcome
			if in != nil {
				r, there := without[in.path]
				if !there {
					r = m.believed(t, answered(in.without), base)
					r.others = in.others
					without[in.path] = r
				}
				rest = &r
			}
			if complaint := m.judge(m.believed(t, answered(text), base), base, rest, mutation); complaint != "" && !m.excepted(name, c.feed(), path, mutation) {
				out = append(out, fmt.Sprintf("answer %d, %s %s: %s", i+1, path, mutation, complaint))
			}
		}
		if root, err := parseTree(a.Body); err == nil {
			root.mutations(func(path, mutation string, in *element) { change(path, mutation, in, root.text()) })
		} else {
			trackMutations(string(a.Body), change)
		}
	}
	return out
}

func (c Case) feed() string {
	if c.Call != "" {
		return c.Call
	}
	return c.Request.Feed
}

// believed is what the archive would take: where a masked answer lacks something, or has a new 0, it asks once more without the mask.
func (m *mutator) believed(t testing.TB, c Case, base outcome) outcome {
	got := m.outcome(t, c)
	if got.masked && got.err == nil && (len(base.lost(got)) > 0 || base.zeroed(got)) {
		c.Request.Plain = true
		got = m.outcome(t, c)
	}
	return got
}

// judge says what is wrong with what becomes of a change; empty for nothing. rest is what there is without the element that was touched;
// nil where it was the envelope. All that is the same in base and rest has nothing to do with that element.
func (m *mutator) judge(got, base outcome, rest *outcome, mutation string) string {
	if rest != nil && rest.err != nil {
		rest = nil
	}
	var e *source.Error
	switch {
	case got.err != nil && !errors.As(got.err, &e):
		return fmt.Sprintf("%v is no error of a source", got.err)
	case got.err != nil && e.Status != http.StatusOK && e.Status != 0: // it asked on, and the case has no answer to that
		m.outcomes["asked on"]++
		return ""
	case got.err != nil && rest != nil && rest.others && len(rest.values) > 0:
		return fmt.Sprintf("one element costs all: %v", got.err)
	case got.err != nil:
		m.outcomes["refused"]++
		return ""
	}
	// What was touched can be part of a sum: of the sum nothing is known then, so it is whole samples that have nothing to do with it.
	touched, counted := map[string]bool{}, base.odd
	if rest != nil {
		for key, was := range base.values {
			if left, there := rest.values[key]; !there || left.v != was.v {
				touched[sampleOf(key)] = true
			}
		}
		counted = min(counted, rest.odd) // where the element was odd as it is, it was counted already
	}
	others := func(key string) bool { return rest != nil && !touched[sampleOf(key)] }
	for _, key := range slices.Sorted(maps.Keys(got.values)) {
		was, there := base.values[key]
		now := got.values[key]
		if there && now.v == was.v {
			continue
		}
		asWithout := false
		if rest != nil {
			left, there := rest.values[key]
			asWithout = there && left.v == now.v
		}
		switch {
		case asWithout && !got.open(now.at):
			return fmt.Sprintf("%s is %v as without the element, and its day is final", key, now.v)
		case asWithout:
		case !there:
			return fmt.Sprintf("%s is %v, which was not there", key, now.v)
		case others(key):
			return fmt.Sprintf("%s is %v, was %v, and is of another element", key, now.v, was.v)
		default:
			return fmt.Sprintf("%s is %v, was %v", key, now.v, was.v)
		}
	}
	lost := base.lost(got)
	for _, key := range lost {
		at := base.values[key].at
		switch {
		case mutation == "doubled" || mutation == "reversed":
			return fmt.Sprintf("%s is gone, and nothing was taken away", key)
		case others(key):
			return fmt.Sprintf("%s is gone, and is of another element", key)
		case mutation == "removed" && got.sample(key): // a member that need not be there
		case !got.open(at):
			return fmt.Sprintf("%s is gone, and its day is final", key)
		case (got.odd == 0 || got.odd <= counted && !base.open(at)) && (got.unfinished.IsZero() || at.Before(got.unfinished)):
			return fmt.Sprintf("%s is gone, and nothing counts it", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got.sessions)) {
		now, was := got.sessions[key], base.sessions[key]
		if now == was || was.text == "" {
			continue
		}
		switch {
		case mutation == "doubled" || mutation == "reversed":
			return fmt.Sprintf("%s is %s, was %s, and nothing was taken away", key, now.text, was.text)
		case rest != nil && rest.sessions[key] == was:
			return fmt.Sprintf("%s is %s, was %s, and is of another element", key, now.text, was.text)
		case mutation == "removed": // a member that need not be there
		case strings.HasSuffix(key, " title") && (mutation == "NaN" || mutation == "word"): // a title may be any word
		case !got.open(now.at) || !got.open(was.at):
			return fmt.Sprintf("%s is %s, was %s, and its day is final", key, now.text, was.text)
		case got.odd <= counted && !base.open(was.at):
			return fmt.Sprintf("%s is %s, was %s, and nothing counts it", key, now.text, was.text)
		}
	}
	if len(lost) > 0 {
		m.outcomes["left out"]++
	} else {
		m.outcomes["the same"]++
	}
	return ""
}

// value is one field of a sample; at is its place on the feed's axis.
type value struct {
	v  float64
	at time.Time
}

// A trait is what a session is told by besides its samples: its end, its title, whether it has a track. at is its day.
type trait struct {
	text string
	at   time.Time
}

// outcome is what becomes of a case.
type outcome struct {
	err      error
	values   map[string]value
	sessions map[string]trait
	notYet   []metric.Span // spans that are not final
	masked   bool
	odd      int         // of surprises
	series   []metric.ID // that it answers for

	others     bool      // the answer that lacks an element has others in its list: of them something could be read
	unfinished time.Time // from here on nothing is final, since something goes on; zero for nowhere
}

// sampleOf is the part of a key that all fields of a sample have.
func sampleOf(key string) string { return key[:strings.LastIndexByte(key, ' ')+1] }

// sample reports whether any other field of a key's sample is there.
func (o outcome) sample(key string) bool {
	for k := range o.values {
		if sampleOf(k) == sampleOf(key) {
			return true
		}
	}
	return false
}

// zeroed reports whether got has a 0 that o has not.
func (o outcome) zeroed(got outcome) bool {
	for key, now := range got.values {
		if was, there := o.values[key]; now.v == 0 && (!there || was.v != 0) {
			return true
		}
	}
	return false
}

// lost are the keys that got lacks.
func (o outcome) lost(got outcome) []string {
	var out []string
	for key := range o.values {
		if _, there := got.values[key]; !there && got.answersFor(key) {
			out = append(out, key)
		}
	}
	sort.Strings(out)
	return out
}

// answersFor reports whether a key's series is among those that are answered for: of others nothing is said.
func (o outcome) answersFor(key string) bool {
	return o.series == nil || slices.ContainsFunc(o.series, func(id metric.ID) bool { return strings.Contains(key, string(id)+" ") })
}

// open reports whether what is at a place is not final.
func (o outcome) open(at time.Time) bool {
	return slices.ContainsFunc(o.notYet, func(s metric.Span) bool { return s.Contains(at) })
}

// outcome asks.
func (m *mutator) outcome(t testing.TB, c Case) outcome {
	t.Helper()
	served := 0
	client := &http.Client{Transport: RoundTrip(func(r *http.Request) (*http.Response, error) {
		a := c.Answers[min(served, len(c.Answers)-1)]
		served++
		if mask := r.URL.Query().Get("fields"); mask != "" && a.Status == http.StatusOK {
			if root, err := parseTree(a.Body); err == nil {
				root.cut(parseMask(mask))
				a.Body = []byte(root.text())
			}
		}
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
		}
		return a.Response(r), nil
	})}
	s := m.Open(t, c, client)
	out := outcome{values: map[string]value{}, sessions: map[string]trait{}}
	if c.Call != "" {
		var d source.Description
		if c.Call == "devices" {
			d.Devices, out.err = s.Devices(context.Background())
		} else if d, out.err = s.Describe(context.Background()); out.err == nil {
			out.values["account "+d.Account] = value{1, time.Unix(1, 0)}
			if d.Zone != "" {
				out.values["zone "+d.Zone] = value{1, time.Unix(1, 0)}
			}
		}
		for _, d := range d.Devices {
			if metric.Present(d.Battery) {
				out.values["device "+d.ID+" battery"] = value{d.Battery, time.Unix(1, 0)}
			}
			out.values["device "+d.ID+" itself"] = value{1, time.Unix(1, 0)}
		}
		out.notYet = []metric.Span{{Start: time.Unix(0, 0), End: time.Unix(2, 0)}} // devices are asked again anyway
	} else {
		req := c.Request
		if req.Final.IsZero() {
			req.Final = req.Span.End
		}
		var b metric.Batch
		if b, out.err = s.Fetch(context.Background(), req); out.err == nil {
			out.take(b, req)
		}
	}
	for _, sp := range s.Surprises() {
		out.odd += sp.Count
	}
	return out
}

// take notes what a batch says.
func (o *outcome) take(b metric.Batch, req metric.Request) {
	cal := metric.NewCalendar(req.Zones)
	o.masked, o.series = b.Masked, b.Series
	o.notYet = slices.Clone(b.Odd)
	if b.Final.Before(req.Final) {
		o.unfinished = b.Final
		if b.Final.IsZero() {
			o.unfinished = req.Span.Start
		}
		o.notYet = append(o.notYet, metric.Span{Start: b.Final, End: req.Span.End.Add(24 * time.Hour)})
	}
	put := func(head string, blocks []metric.Block, place func(t time.Time) time.Time) {
		for _, block := range blocks {
			row := metric.Default().Must(block.Series)
			for i, ns := range block.Times {
				at := time.Unix(0, ns).UTC()
				for f, v := range block.Row(i) {
					if metric.Present(v) {
						o.values[fmt.Sprintf("%s%s %s %s", head, block.Series, at.Format(time.RFC3339), row.Fields[f].Key)] = value{v, place(at)}
					}
				}
			}
		}
	}
	put("", b.Blocks, func(t time.Time) time.Time {
		if b.Axis == metric.Days {
			return cal.Day(t).Civil()
		}
		return t
	})
	for _, s := range b.Sessions {
		head := fmt.Sprintf("%s %s: ", s.Kind, s.Key)
		put(head, s.Blocks, func(time.Time) time.Time { return s.Day.Civil() })
		for what, v := range map[string]any{"start": s.Start, "end": s.End, "day": s.Day, "offset": s.Offset, "title": s.Title, "main": s.Main, "track": s.HasTrack, "updated": s.Updated} {
			o.sessions[head+what] = trait{fmt.Sprint(v), s.Day.Civil()}
		}
	}
	if b.Session != "" {
		o.notYet = append(o.notYet, metric.Span{Start: time.Unix(0, 0), End: time.Now().AddDate(100, 0, 0)})
	}
}
