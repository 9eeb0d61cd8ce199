package fitbit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
)

// A question is one request, as often as it has to be sent.
type question struct {
	path  string // below the base
	shown string // the same without ids and dates
	query url.Values
}

// newEngine is how this service is asked. Each quick repetition costs one of the hour's requests.
func (s *Source) newEngine() *ask.Engine {
	return ask.New(ask.Config{
		HTTP: s.cfg.HTTP, Base: s.cfg.Base, Timeout: s.cfg.Timeout, Now: s.cfg.Now, Observer: s.cfg.Observer, Surprises: &s.surprises,
		// No Accept-Language: its absence is the one way to say metric.
		Header: map[string]string{"Accept": "application/json, application/vnd.garmin.tcx+xml", "User-Agent": "fitbit-fetch"},
		Hints:  ask.Hints{Server: hintServer, Network: hintNetwork, HTML: hintHTML, Address: hintAddress, Report: hintReport, Cut: hintCut},
		Tries:  1, First: 4 * time.Second, Soon: func(e *source.Error) bool { return e.Reason == reasonPending },
		Refuse: refuse, Known: knownReason,
	})
}

// ask sends a question until it is answered, and lets read take the answer. The requests are booked on the batch.
func (q *query) ask(ctx context.Context, what question, read func(*answer.Body) error) error {
	cost, err := q.Source.ask(ctx, q.feed.Feed.ID, q.feed.Scope, what, read)
	q.batch.Requests += cost
	return err
}

func (s *Source) ask(ctx context.Context, feed, scope string, q question, read func(*answer.Body) error) (int, error) {
	if strings.Contains(q.shown, "/1d/") || strings.HasSuffix(q.shown, "/all.json") {
		scope += ofMinutes
	}
	return s.engine.Ask(ctx, ask.Question{Feed: feed, Path: q.path, Shown: q.shown, Query: q.query, Scope: scope}, read)
}

// A listing says what of an answer is read.
type listing struct {
	key     string               // of the list; empty where the answer is the list itself, or one element of it
	nothing bool                 // {} says that there is nothing
	each    func(e any) error    // takes one element
	other   map[string]func(any) // takes other members of the answer; nil leaves one alone
	absent  func() error         // the answer has members, but not the list

	dataset func(clock time.Duration, v float64) error // for the key of an object that holds a dataset: takes one value, in the order of time

	q       *query
	listed  int     // elements of the answer
	lost    []error // those that could not be understood
	strange bool    // there is something beside the list that is not known: it may be the list by another name
}

// list asks, and reads an answer element by element: no more than one is held. An element that cannot be understood costs only itself;
// only where none can be, the answer is of another shape.
func (q *query) list(ctx context.Context, what question, l listing) error {
	l.q = q
	return q.ask(ctx, what, func(b *answer.Body) error {
		l.listed, l.lost, l.strange = 0, nil, false
		err := l.read(b, q.notes)
		if err == nil && l.listed > 0 && len(l.lost) == l.listed {
			return l.lost[0]
		}
		return err
	})
}

// one takes an element in, or passes over it.
func (l *listing) one(e any) error {
	l.listed++
	l.q.where = l.q.req.Span
	err := l.each(e)
	if errors.Is(err, answer.ErrShape) {
		l.pass(err)
		return nil
	}
	return err
}

// pass passes over an element.
func (l *listing) pass(err error) {
	l.lost = append(l.lost, err)
	l.q.misread(cmp.Or(l.key, "[]"))
}

func (l *listing) read(b *answer.Body, notes *answer.Notes) error {
	if l.key == "" {
		return l.bare(b)
	}
	dec, err := b.JSON("{")
	if err != nil {
		return err
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	found, others := false, false
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		switch key := name.String(); {
		case key == l.key && l.dataset != nil:
			found, err = true, l.set(b, dec, notes)
		case key == l.key:
			found, err = true, l.elements(b, dec)
		default:
			others = true
			err = l.member(dec, key, notes)
		}
		if err != nil {
			return err
		}
		b.Next()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	switch {
	case found, l.nothing && !others:
	case l.absent != nil && !l.strange:
		if err := l.absent(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: no %s in it", answer.ErrShape, l.key)
	}
	return b.End()
}

// member takes or skips what stands beside the list.
func (l *listing) member(dec *jsontext.Decoder, name string, notes *answer.Notes) error {
	take, known := l.other[name]
	if !known {
		notes.Add(answer.MemberUnknown, "", []byte(name))
		l.strange = true
	}
	if take == nil {
		return dec.SkipValue()
	}
	v, err := readTree(dec)
	if err == nil {
		take(v)
	}
	return err
}

// bare reads an answer that is the list, or one element of it.
func (l *listing) bare(b *answer.Body) error {
	dec, err := b.JSON("{[")
	if err != nil {
		return err
	}
	if dec.PeekKind() == '[' {
		if err := l.elements(b, dec); err != nil {
			return err
		}
		return b.End()
	}
	one, err := readTree(dec)
	if err != nil {
		return err
	}
	if object, _ := one.(map[string]any); len(object) > 0 || !l.nothing {
		if err := l.one(one); err != nil {
			return err
		}
	}
	return b.End()
}

// elements reads a list.
func (l *listing) elements(b *answer.Body, dec *jsontext.Decoder) error {
	switch k := dec.PeekKind(); k {
	case '[', 0: // of the kind 0 the next token is the error
	default:
		return fmt.Errorf("%w: %s is not a list", answer.ErrShape, l.key)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		e, err := readTree(dec)
		if err != nil {
			return err
		}
		if err := l.one(e); err != nil {
			return err
		}
		b.Next()
	}
	_, err := dec.ReadToken()
	return err
}

// set reads {"dataset":[{"time":"00:00:00","value":58},…],"datasetInterval":1,"datasetType":"second"}: up to 17,000 values a day, so
// nothing of it is held.
func (l *listing) set(b *answer.Body, dec *jsontext.Decoder, notes *answer.Notes) error {
	if err := open(dec, '{', l.key); err != nil {
		return err
	}
	found := false
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		switch key := name.String(); key {
		case "dataset":
			found, err = true, l.values(b, dec, notes)
		case "datasetInterval", "datasetType":
			err = dec.SkipValue()
		default:
			notes.Add(answer.MemberUnknown, l.key, []byte(key))
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: no dataset in %s", answer.ErrShape, l.key)
	}
	_, err := dec.ReadToken()
	return err
}

func (l *listing) values(b *answer.Body, dec *jsontext.Decoder, notes *answer.Notes) error {
	if err := open(dec, '[', "dataset"); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		l.listed++
		if k := dec.PeekKind(); k != '{' && k != 0 {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			l.pass(errNoValue)
			continue
		}
		clock, v, told, err := l.value(dec, notes)
		switch {
		case err != nil:
			return err
		case !told:
			l.pass(errNoValue)
		default:
			err = l.dataset(clock, v)
		}
		if err != nil {
			return err
		}
		b.Next()
	}
	_, err := dec.ReadToken()
	return err
}

var errNoValue = fmt.Errorf("%w: no element of the dataset has a time and a value", answer.ErrShape)

// value reads one element of a dataset. told is false where it has no time or no value.
func (l *listing) value(dec *jsontext.Decoder, notes *answer.Notes) (clock time.Duration, v float64, told bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return 0, 0, false, err
	}
	timed, valued := false, false
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue() // as it is written: no string is made of it
		if err != nil {
			return 0, 0, false, err
		}
		switch string(name) {
		case `"time"`, `"value"`:
			isTime := name[1] == 't'
			if kind := dec.PeekKind(); kind == '{' || kind == '[' {
				if err := dec.SkipValue(); err != nil {
					return 0, 0, false, err
				}
				continue
			}
			scalar, err := dec.ReadValue()
			if err != nil {
				return 0, 0, false, err
			}
			if isTime {
				clock, timed = clockOf(scalar)
			} else {
				v, valued = scalarNumber(scalar)
			}
		case `"level"`, `"mets"`: // how active a minute was, beside its calories
			if err := dec.SkipValue(); err != nil {
				return 0, 0, false, err
			}
		default:
			notes.Add(answer.MemberUnknown, "dataset", bytes.Trim(name, `"`))
			if err := dec.SkipValue(); err != nil {
				return 0, 0, false, err
			}
		}
	}
	_, err = dec.ReadToken()
	return clock, v, timed && valued, err
}

// scalarNumber reads a number, in quotes or without.
func scalarNumber(v jsontext.Value) (float64, bool) {
	if k := v.Kind(); k != '0' && k != '"' {
		return metric.Absent(), false
	}
	n, ok := asNumber(number(bytes.Trim(v, `"`)))
	return n, ok && metric.Present(n)
}

// clockOf reads a time of day in quotes.
func clockOf(v jsontext.Value) (time.Duration, bool) {
	if len(v) != len(`"00:00:00"`) {
		return parseClock(string(bytes.Trim(v, `"`)))
	}
	seconds := 0
	for i, limit := range [...]int{24, 60, 60} { // there may be 17,000 of them a day
		at := 1 + 3*i
		tens, ones := v[at]-'0', v[at+1]-'0'
		n := int(tens)*10 + int(ones)
		if tens > 9 || ones > 9 || n >= limit || i > 0 && v[at-1] != ':' {
			return 0, false
		}
		seconds = 60*seconds + n
	}
	return time.Duration(seconds) * time.Second, true
}

// open reads the brace or bracket that has to come next.
func open(dec *jsontext.Decoder, kind jsontext.Kind, what string) error {
	if k := dec.PeekKind(); k != kind && k != 0 { // of the kind 0 the token is the error
		return fmt.Errorf("%w: %s is of another kind", answer.ErrShape, what)
	}
	_, err := dec.ReadToken()
	return err
}
