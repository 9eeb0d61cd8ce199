// Package latest holds the newest value of every field of a person, derived from the archive, never from the network.
package latest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Archive is what it reads, and where it keeps the maxima of the day.
type Archive interface {
	Newest(ctx context.Context, person string, series metric.ID) (metric.Block, string, bool, error)
	NewestFrom(ctx context.Context, person, source string, series metric.ID) (time.Time, error)
	State(ctx context.Context, person, key string) ([]byte, error)
	SetState(ctx context.Context, person, key string, value []byte) error
}

// stateKey is the key of the State document with the maxima.
const stateKey = "latest.maxima"

// A Value is the newest value of one field.
type Value struct {
	Series metric.ID
	Field  metric.Field
	Tags   []string // in the row's order
	Device string
	Source string
	Value  float64   // in Field.Unit
	At     time.Time // when it was measured; of a daily series, the midnight that began the day
	Live   time.Time // At of the newest sample of the series that the live source gave; zero where it gave none
}

// Silence is for how many days the live source may give nothing of a series until its next day is no longer expected.
const Silence = 3

// Today returns what a field is on the day today, of which v is the newest value. A counter of an earlier day has begun again at
// midnight: it is 0, but only as long as the live source of its series is still counting; where that has given no day within the
// last Silence days (a scope was withdrawn, the source is gone, the series only ever came by an import), nobody knows, and known is
// false. What does not count through the day stays as it is.
func (v Value) Today(row metric.Series, today metric.Day, zones metric.Zones) (value float64, known bool) {
	if !Counter(row, v.Field) || !v.At.Before(zones.Midnight(today)) {
		return v.Value, true
	}
	return 0, v.Expected(today, zones)
}

// Expected reports whether the live source has given the series of v on that day or within Silence days before it.
func (v Value) Expected(day metric.Day, zones metric.Zones) bool {
	return !v.Live.IsZero() && !v.Live.Before(zones.Midnight(day-Silence))
}

// Latest tells the newest values. Its methods may be called from any goroutine.
type Latest struct {
	archive   Archive
	catalogue metric.Catalogue
	live      string

	mu      sync.Mutex
	persons map[string]*person
}

type person struct {
	shown  map[string]Value   // as told last
	maxima map[string]maximum // by series and field
}

// maximum is the highest value that a daily counter has had in the day that began at At.
type maximum struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// New returns the newest values of an archive. live is the source that is being asked; others have come by an import, or were asked
// before.
func New(archive Archive, catalogue metric.Catalogue, live string) *Latest {
	return &Latest{archive: archive, catalogue: catalogue, live: live, persons: map[string]*person{}}
}

// Counter reports whether a field counts up through the day and begins again at midnight: it never goes back within a day.
func Counter(row metric.Series, f metric.Field) bool {
	if row.Sampling != metric.Daily {
		return false
	}
	switch f.Unit {
	case metric.Count, metric.Kilometre, metric.Metre, metric.Kilocalorie, metric.Minute:
		return true
	}
	return false
}

// Snapshot returns the newest values of a person, in the catalogue's order. A field that the newest sample of its series lacks
// is not among them.
func (l *Latest) Snapshot(ctx context.Context, who string) ([]Value, error) {
	all, _, err := l.look(ctx, who, l.catalogue)
	return all, err
}

// Changes returns those of the values of some series that are not as they were told last, by Snapshot or Changes: to be asked
// after a Put, with the series it changed.
func (l *Latest) Changes(ctx context.Context, who string, series []metric.ID) ([]Value, error) {
	var rows []metric.Series
	for _, id := range series {
		if row, ok := l.catalogue.Lookup(id); ok {
			rows = append(rows, row)
		}
	}
	_, changed, err := l.look(ctx, who, rows)
	return changed, err
}

func (l *Latest) look(ctx context.Context, who string, rows []metric.Series) (all, changed []Value, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := l.person(ctx, who)
	if err != nil {
		return nil, nil, err
	}
	raised := false
	for _, row := range rows {
		b, source, ok, err := l.archive.Newest(ctx, who, row.ID)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for the newest values: %w", err)
		}
		if !ok {
			continue
		}
		given := time.Unix(0, b.Times[0]).UTC()
		if source != l.live {
			if given, err = l.archive.NewestFrom(ctx, who, l.live, row.ID); err != nil {
				return nil, nil, fmt.Errorf("looking for the newest values: %w", err)
			}
		}
		for f, field := range row.Fields {
			v := Value{Series: row.ID, Field: field, Tags: b.Tags, Device: b.Device, Source: source, Value: b.Values[f][0], At: time.Unix(0, b.Times[0]).UTC(), Live: given}
			if !metric.Present(v.Value) {
				continue
			}
			key := string(row.ID) + "/" + field.Key
			if Counter(row, field) {
				raised = p.raise(key, &v) || raised
			}
			all = append(all, v)
			if old, ok := p.shown[key]; !ok || old.Value != v.Value || !old.At.Equal(v.At) {
				changed = append(changed, v)
				p.shown[key] = v
			}
		}
	}
	if raised {
		err = l.keep(ctx, who, p)
	}
	return all, changed, err
}

// raise lifts v to the maximum of its day, or the maximum to v; then it returns true.
func (p *person) raise(key string, v *Value) bool {
	m, ok := p.maxima[key]
	if ok && m.At.Equal(v.At) && m.Value >= v.Value {
		v.Value = m.Value
		return false
	}
	p.maxima[key] = maximum{v.At, v.Value}
	return true
}

// person returns what is known of a person, at first from the archive.
func (l *Latest) person(ctx context.Context, who string) (*person, error) {
	if p := l.persons[who]; p != nil {
		return p, nil
	}
	p := &person{shown: map[string]Value{}, maxima: map[string]maximum{}}
	text, err := l.archive.State(ctx, who, stateKey)
	if err != nil {
		return nil, fmt.Errorf("looking for the day's maxima: %w", err)
	}
	if text != nil && json.Unmarshal(text, &p.maxima) != nil {
		p.maxima = map[string]maximum{} // unreadable: the day's values stand for themselves
	}
	l.persons[who] = p
	return p, nil
}

func (l *Latest) keep(ctx context.Context, who string, p *person) error {
	text, err := json.Marshal(p.maxima)
	if err == nil {
		err = l.archive.SetState(ctx, who, stateKey, text)
	}
	if err != nil {
		return fmt.Errorf("keeping the day's maxima: %w", err)
	}
	return nil
}
