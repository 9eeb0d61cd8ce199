package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A plain is a source of resting heart rates that reads {"points":[{"day":"2026-11-20","bpm":55}]} as the rules want it, but for its fault.
type plain struct {
	client    *http.Client
	fault     string
	surprises int
}

func (p *plain) Name() string                                             { return "plain" }
func (p *plain) Feeds() []metric.Feed                                     { return nil }
func (p *plain) Describe(context.Context) (d source.Description, e error) { return d, e }
func (p *plain) Devices(context.Context) ([]metric.Device, error)         { return nil, nil }

func (p *plain) Surprises() []answer.Surprise {
	return []answer.Surprise{{Kind: answer.PointOdd, Count: p.surprises}}
}

func (p *plain) Fetch(ctx context.Context, req metric.Request) (b metric.Batch, err error) {
	address := "http://127.0.0.1/points"
	if p.fault == "masked" && !req.Plain {
		address += "?fields=points(day,bpm)"
	}
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return b, err
	}
	r, err := p.client.Do(asked)
	if err != nil {
		return b, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return b, err
	}
	b = metric.Batch{Axis: metric.Days, Span: req.Span, Final: req.Span.End, Masked: strings.Contains(address, "fields"), Series: []metric.ID{"resting_heart_rate"}}
	bad := &source.Error{Kind: source.Bad, Status: http.StatusOK, Err: answer.ErrShape}
	var page map[string]any
	if json.Unmarshal(text, &page) != nil {
		return b, bad
	}
	list, ok := page["points"].([]any)
	switch {
	case !ok && p.fault == "empty and final":
		return b, nil
	case !ok && len(page) > 0:
		return b, bad
	case len(list) == 0 && len(page) > 1 && p.fault != "moved and final":
		return b, bad
	}
	if len(page) > 1 {
		p.surprises++
	}
	block, seen := metric.Block{Series: "resting_heart_rate"}, map[metric.Day]bool{}
	odd := func(span metric.Span) {
		if p.fault != "uncounted" {
			p.surprises++
		}
		if p.fault != "final" {
			b.Odd = append(b.Odd, span)
		}
	}
	for i, e := range list {
		point, _ := e.(map[string]any)
		text, _ := point["day"].(string)
		day, err := metric.ParseDay(text)
		if err != nil {
			if p.fault == "panics" {
				panic("a point without a day")
			}
			odd(req.Span)
			if p.fault == "costs all" {
				return b, bad
			}
			if p.fault == "costs all, silently" {
				b.Blocks = nil
				return b, nil
			}
			continue
		}
		v, ok := point["bpm"].(float64)
		if !ok || v < 0 && p.fault != "below zero" {
			odd(metric.DaySpan(day, day))
			switch p.fault {
			case "zero":
				v = 0
			case "costs the next":
				seen[day+1] = true
				continue
			case "invents":
				v = 60
			default:
				continue
			}
		}
		if p.fault == "changes the others" && p.surprises > 0 {
			v++
		}
		if seen[day] {
			if p.fault == "doubles" {
				block.Values[0][len(block.Times)-1] += v
			}
			continue
		}
		seen[day] = true
		if p.fault == "counts places" {
			v += float64(i)
		}
		block.Append(metric.NewCalendar(req.Zones).Midnight(day).UnixNano(), v)
	}
	if len(list) > 0 && block.Len() == 0 {
		return b, bad
	}
	b.Blocks = []metric.Block{block}
	return b, nil
}

// complaintsOf are those of a source with a fault.
func complaintsOf(t *testing.T, fault string) (list []string, panicked any) {
	t.Helper()
	first, err := metric.ParseDay("2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Request: metric.Request{Feed: "resting", Span: metric.DaySpan(first, first+2), Zones: metric.Zones{{Name: "Europe/Berlin"}}},
		Answers: []Canned{{Status: http.StatusOK, Body: []byte(`{"points":[{"day":"2026-11-20","bpm":55},{"day":"2026-11-21","bpm":54},{"day":"2026-11-22","bpm":57}]}`)}}}
	m := &mutator{ran: map[string]int{}, outcomes: map[string]int{}}
	m.Open = func(_ testing.TB, _ Case, client *http.Client) Watched { return &plain{client: client, fault: fault} }
	m.exceptions = compiledOf([]Exception{{Path: `: points$`, Mutation: "removed", Why: "a page without the list has nothing"}})
	defer func() { panicked = recover() }()
	return m.complaints(t, "plain", c), nil
}

// A mutator that lets a fault pass is worth nothing; one that finds fault with what is right is worth less.
func TestMutatorFindsFaults(t *testing.T) {
	for _, right := range []string{"", "masked"} {
		if list, panicked := complaintsOf(t, right); len(list) > 0 || panicked != nil {
			t.Errorf("a reader without a fault (%s): %v %v", right, panicked, list)
		}
	}
	for fault, want := range map[string]string{
		"zero":                "is 0, was",
		"invents":             "is 60, was",
		"costs all":           "one element costs all",
		"costs all, silently": "is of another element",
		"costs the next":      "is of another element",
		"changes the others":  "is of another element",
		"empty and final":     "its day is final",
		"final":               "its day is final",
		"moved and final":     "its day is final",
		"below zero":          "is -55, was 55",
		"uncounted":           "nothing counts it",
		"doubles":             "is of another element|is 110, was 55",
		"counts places":       "was",
	} {
		t.Run(fault, func(t *testing.T) {
			list, panicked := complaintsOf(t, fault)
			if panicked != nil {
				t.Fatal(panicked)
			}
			for _, complaint := range list {
				for w := range strings.SplitSeq(want, "|") {
					if strings.Contains(complaint, w) {
						return
					}
				}
			}
			t.Errorf("no complaint with %q in\n%s", want, strings.Join(list, "\n"))
		})
	}
	if _, panicked := complaintsOf(t, "panics"); panicked == nil {
		t.Error("a panic is passed over")
	}
}

// Masks are cut as partial responses are.
func TestMask(t *testing.T) {
	for mask, want := range map[string]string{
		"a":          `{"a":{"b":1,"c":[{"d":2,"e":3}]}}`,
		"a(b)":       `{"a":{"b":1}}`,
		"a/c/e,f":    `{"a":{"c":[{"e":3}]},"f":4}`,
		"a(c(d),b)":  `{"a":{"b":1,"c":[{"d":2}]}}`,
		"nothing":    `{}`,
		"f,a/c(d,e)": `{"a":{"c":[{"d":2,"e":3}]},"f":4}`,
	} {
		root, err := parseTree([]byte(`{"a":{"b":1,"c":[{"d":2,"e":3}]},"f":4}`))
		if err != nil {
			t.Fatal(err)
		}
		root.cut(parseMask(mask))
		if got := root.text(); got != want {
			t.Errorf("%s: %s, want %s", mask, got, want)
		}
	}
	if root, err := parseTree([]byte(`[1.50,9007199254740993,"ä\u0000"]`)); err != nil || !strings.HasPrefix(root.text(), "[1.50,9007199254740993,") {
		t.Error("numbers lose digits", fmt.Sprint(root, err))
	}
}
