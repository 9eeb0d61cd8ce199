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
// of another type or an unknown word; an element stands twice, or there is something else beside it; a list is in another order.
//
// Allowed is the same batch; or that what was touched is missing, counted, and its days are not final; or, where no element can be
// read, or the envelope was hit, a refusal. Never is there another value, one that was not there, a 0 that was not there, a final answer
// that lacks something, or a panic. What goes through a request's mask is cut as the service would cut it; where that loses something,
// the answer without a mask is what counts.
func (g Golden) Mutate(t *testing.T, exceptions []Exception) {
	m := &mutator{Golden: g, ran: map[string]int{}, outcomes: map[string]int{}}
	for _, e := range exceptions {
		m.exceptions = append(m.exceptions, compiled{regexp.MustCompile(e.Case), regexp.MustCompile(e.Path), e})
	}
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
	base := m.outcome(t, c)
	if base.err != nil || c.Call != "" && c.Call != "devices" {
		return // what is refused as it is tells nothing
	}
	complaints, places := 0, base.places()
	for i, a := range c.Answers {
		if a.Status != http.StatusOK {
			continue
		}
		root, err := parseTree(a.Body)
		if err != nil {
			continue // a track, or what is no JSON: each has tests of its own
		}
		elements := root.elements()
		root.mutations(func(path, mutation string, inElement bool) {
			changed := c
			changed.Answers = slices.Clone(c.Answers)
			changed.Answers[i].Body = []byte(root.text())
			m.ran[mutation]++
			complaint := m.judge(t, changed, base, mutation, inElement && places > 1 && elements > 1)
			if complaint == "" || m.excepted(filepath.Base(t.Name()), c.feed(), path, mutation) {
				return
			}
			if complaints++; complaints <= mostComplaints {
				t.Errorf("answer %d, %s %s: %s", i+1, path, mutation, complaint)
			}
		})
	}
	if complaints > mostComplaints {
		t.Errorf("and %d more", complaints-mostComplaints)
	}
}

func (c Case) feed() string {
	if c.Call != "" {
		return c.Call
	}
	return c.Request.Feed
}

// judge says what is wrong with what becomes of a changed case; empty for nothing. oneOfMany tells that one element of several was
// touched: then no refusal is allowed.
func (m *mutator) judge(t *testing.T, c Case, base outcome, mutation string, oneOfMany bool) string {
	got := m.outcome(t, c)
	if got.masked && got.err == nil && (len(base.lost(got)) > 0 || base.zeroed(got)) { // the archive would ask once more
		c.Request.Plain = true
		got = m.outcome(t, c)
	}
	var e *source.Error
	switch {
	case got.err != nil && !errors.As(got.err, &e):
		return fmt.Sprintf("%v is no error of a source", got.err)
	case got.err != nil && e.Status != http.StatusOK: // it asked on, and the case has no answer to that
		return ""
	case got.err != nil && oneOfMany:
		return fmt.Sprintf("one element costs all: %v", got.err)
	case got.err != nil:
		m.outcomes["refused"]++
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(got.values)) {
		was, there := base.values[key]
		if !there {
			return fmt.Sprintf("%s is %v, which was not there", key, got.values[key].v)
		}
		if now := got.values[key]; now.v != was.v && !got.open(was.at) {
			return fmt.Sprintf("%s is %v, was %v", key, now.v, was.v)
		} else if now.v != was.v && now.v == 0 {
			return fmt.Sprintf("%s is 0, was %v", key, was.v)
		}
	}
	lost := base.lost(got)
	for _, key := range lost {
		at := base.values[key].at
		if mutation == "removed" && got.sample(key) { // a member that need not be there
			continue
		}
		if !got.open(at) {
			return fmt.Sprintf("%s is gone, and its day is final", key)
		}
		if got.odd == 0 && (got.unfinished.IsZero() || at.Before(got.unfinished)) {
			return fmt.Sprintf("%s is gone, and nothing counts it", key)
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

// outcome is what becomes of a case.
type outcome struct {
	err    error
	values map[string]value
	notYet []metric.Span // spans that are not final
	masked bool
	odd    int         // of surprises
	series []metric.ID // that it answers for

	unfinished time.Time // from here on nothing is final, since something goes on; zero for nowhere
}

// sample reports whether any other field of a key's sample is there.
func (o outcome) sample(key string) bool {
	head := key[:strings.LastIndexByte(key, ' ')+1]
	for k := range o.values {
		if strings.HasPrefix(k, head) {
			return true
		}
	}
	return false
}

// places are at how many places a series has something.
func (o outcome) places() int {
	at := map[string]map[time.Time]bool{}
	most := 0
	for key, v := range o.values {
		series, _, _ := strings.Cut(key[strings.LastIndex(key, ": ")+1:], " 2")
		if at[series] == nil {
			at[series] = map[time.Time]bool{}
		}
		at[series][v.at] = true
	}
	for series, places := range at {
		if !strings.Contains(series, "minute") || len(at) == 1 { // the minutes are made of the others
			most = max(most, len(places))
		}
	}
	return most
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
func (m *mutator) outcome(t *testing.T, c Case) outcome {
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
	out := outcome{values: map[string]value{}}
	if c.Call == "devices" {
		var list []metric.Device
		list, out.err = s.Devices(context.Background())
		for _, d := range list {
			if metric.Present(d.Battery) {
				out.values["battery of "+d.ID] = value{d.Battery, time.Unix(1, 0)}
			}
			out.values["device "+d.ID] = value{1, time.Unix(1, 0)}
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
		put(fmt.Sprintf("%s %s: ", s.Kind, s.Key), s.Blocks, func(time.Time) time.Time { return s.Day.Civil() })
	}
	if b.Session != "" {
		o.notYet = append(o.notYet, metric.Span{Start: time.Unix(0, 0), End: time.Now().AddDate(100, 0, 0)})
	}
}
