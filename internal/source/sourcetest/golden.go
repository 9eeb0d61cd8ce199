package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// Watched is a source with what golden folders show of it.
type Watched interface {
	source.Source
	source.Describer
	Surprises() []answer.Surprise
}

// Golden runs the folders below testdata/cases.
type Golden struct {
	Base   string // the service's address, which is not shown
	Update bool   // write want.txt anew
	Open   func(t testing.TB, c Case, client *http.Client) Watched
}

// Run compares what each folder's answers become with its want.txt.
func (g Golden) Run(t *testing.T) {
	for _, folder := range Folders(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			got := ReadCase(t, folder).run(t, g)
			want := filepath.Join(folder, "want.txt")
			if g.Update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(text) {
				t.Errorf("%s:\n%s\nwant:\n%s", folder, got, text)
			}
		})
	}
}

// Folders are the cases; an empty corpus is an error.
func Folders(t testing.TB) []string {
	t.Helper()
	folders, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no cases in testdata/cases (%v)", err)
	}
	return folders
}

// Seeds adds every answer of the golden folders to a fuzz target.
func Seeds(f *testing.F) {
	for _, folder := range Folders(f) {
		for _, a := range ReadCase(f, folder).Answers {
			f.Add(a.Body)
		}
	}
}

// A Case is a folder: request.txt says what is asked, answer*.* are the service's answers in order (a status may stand in the name, as
// in answer-2.400.json), want.txt is what becomes of them and which requests were made.
type Case struct {
	Call    string // Fetch where empty; describe, devices
	Request metric.Request
	Now     time.Time
	Family  string // data source family, where the service has such
	Answers []Canned
}

// A Canned answer is one the service gives.
type Canned struct {
	Status int
	Header http.Header
	Body   []byte
}

// ReadCase reads a folder.
func ReadCase(t testing.TB, folder string) Case {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Now: moment(t, "2026-11-22T12:00:00Z"), Request: metric.Request{Person: "anna", Device: "Charge 5"}}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "":
		case "call":
			c.Call = value
		case "feed":
			c.Request.Feed = value
		case "span":
			from, to, _ := strings.Cut(value, "/")
			c.Request.Span = metric.Span{Start: moment(t, from), End: moment(t, to)}
		case "days":
			from, to, _ := strings.Cut(value, "/")
			c.Request.Span = metric.DaySpan(calendar(t, from), calendar(t, to))
		case "zone":
			c.Request.Zones = metric.Zones{{Name: value}}
		case "final":
			c.Request.Final = moment(t, value)
		case "now":
			c.Now = moment(t, value)
		case "family":
			c.Family = value
		case "session":
			parts := strings.Split(value, " ")
			c.Request.Session = &metric.SessionRef{Kind: metric.Workout, Key: parts[0], Start: moment(t, parts[1]), Title: parts[2]}
		default:
			t.Fatalf("%s: unknown key %q", folder, key)
		}
	}
	answers, err := filepath.Glob(filepath.Join(folder, "answer*"))
	if err != nil || len(answers) == 0 {
		t.Fatalf("%s has no answer (%v)", folder, err)
	}
	for _, name := range answers {
		c.Answers = append(c.Answers, readAnswer(t, name))
	}
	return c
}

func readAnswer(t testing.TB, name string) Canned {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	a := Canned{Status: http.StatusOK, Body: body}
	if parts := strings.Split(filepath.Base(name), "."); len(parts) == 3 {
		if a.Status, err = strconv.Atoi(parts[1]); err != nil {
			t.Fatalf("%s: want answer.STATUS.json", name)
		}
	}
	return a
}

func moment(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func calendar(t testing.TB, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run asks, and writes down all that happened.
func (c Case) run(t testing.TB, g Golden) string {
	t.Helper()
	var out strings.Builder
	served := 0
	client := &http.Client{Transport: RoundTrip(func(r *http.Request) (*http.Response, error) {
		address, _ := strings.CutPrefix(r.URL.String(), g.Base)
		fmt.Fprintf(&out, "> %s %s\n", r.Method, unescaped(address))
		if r.Body != nil {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(&out, ">   %s\n", body)
		}
		a := c.Answers[min(served, len(c.Answers)-1)]
		served++
		return a.Response(r), nil
	})}
	s := g.Open(t, c, client)
	c.write(&out, s)
	for _, sp := range s.Surprises() {
		fmt.Fprintf(&out, "! %s %s %s ×%d\n", sp.Feed, sp.Kind, sp.Path, sp.Count)
	}
	return out.String()
}

func (c Case) write(out *strings.Builder, s Watched) {
	ctx := context.Background()
	var err error
	switch c.Call {
	case "describe":
		var d source.Description
		if d, err = s.Describe(ctx); err == nil {
			fmt.Fprintf(out, "account %q zone %q\n", d.Account, d.Zone)
			writeDevices(out, d.Devices)
		}
	case "devices":
		var d []metric.Device
		if d, err = s.Devices(ctx); err == nil {
			writeDevices(out, d)
		}
	default:
		var b metric.Batch
		if b, err = s.Fetch(ctx, c.Request); err == nil {
			writeBatch(out, b)
		}
	}
	if err != nil {
		fmt.Fprintf(out, "error: %v\n", err)
		var e *source.Error
		if errors.As(err, &e) {
			fmt.Fprintf(out, "hint: %s\n", e.Hint)
			if !e.Until.IsZero() {
				fmt.Fprintf(out, "until: %s\n", e.Until.Format(time.RFC3339))
			}
		}
	}
}

func writeDevices(out *strings.Builder, devices []metric.Device) {
	for _, d := range devices {
		fmt.Fprintf(out, "device %s %q tracker=%v battery=%v sync=%s\n", d.ID, d.Name, d.Tracker, d.Battery, d.LastSync.Format(time.RFC3339))
	}
}

func writeBatch(out *strings.Builder, b metric.Batch) {
	fmt.Fprintf(out, "batch %s %s %s %v series=%v requests=%d", b.Person, b.Source, b.Feed, b.Span, b.Series, b.Requests)
	if !b.Final.IsZero() {
		fmt.Fprintf(out, " final=%s", b.Final.Format(time.RFC3339))
	}
	for _, odd := range b.Odd {
		fmt.Fprintf(out, " odd=%v", odd)
	}
	if b.Session != "" {
		fmt.Fprintf(out, " session=%s", b.Session)
	}
	out.WriteByte('\n')
	writeBlocks(out, "", b.Blocks)
	for _, s := range b.Sessions {
		fmt.Fprintf(out, "%s %s day=%v %s/%s offset=%d title=%q main=%v track=%v updated=%s\n", s.Kind, s.Key, s.Day, s.Start.Format(time.RFC3339), s.End.Format(time.RFC3339),
			s.Offset, s.Title, s.Main, s.HasTrack, s.Updated.Format(time.RFC3339Nano))
		writeBlocks(out, "  ", s.Blocks)
	}
}

func writeBlocks(out *strings.Builder, indent string, blocks []metric.Block) {
	cat := metric.Default()
	for _, b := range blocks {
		row := cat.Must(b.Series)
		fmt.Fprintf(out, "%s%s", indent, b.Series)
		if b.Device != "" {
			fmt.Fprintf(out, " Device=%s", b.Device)
		}
		for i, tag := range b.Tags {
			fmt.Fprintf(out, " %s=%s", row.Tags[i], tag)
		}
		out.WriteByte('\n')
		for i, t := range b.Times {
			fmt.Fprintf(out, "%s  %s", indent, time.Unix(0, t).UTC().Format(time.RFC3339Nano))
			for f, v := range b.Row(i) {
				if metric.Present(v) {
					fmt.Fprintf(out, " %s=%s", row.Fields[f].Key, strconv.FormatFloat(v, 'f', -1, 64))
				}
			}
			out.WriteByte('\n')
		}
	}
}

// RoundTrip is a service that is a function.
type RoundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Response is the answer to r.
func (a Canned) Response(r *http.Request) *http.Response {
	h := a.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.Status, Header: h, Body: io.NopCloser(strings.NewReader(string(a.Body))), Request: r}
}

// unescaped is an address as people read it, its parameters in order.
func unescaped(address string) string {
	path, query, found := strings.Cut(address, "?")
	if !found {
		return path
	}
	parts := strings.Split(query, "&")
	slices.Sort(parts)
	for i, p := range parts {
		p = strings.NewReplacer("+", " ", "%22", `"`, "%3A", ":", "%3E", ">", "%3C", "<", "%3D", "=", "%28", "(", "%29", ")", "%2C", ",").Replace(p)
		parts[i] = p
	}
	return path + "?" + strings.Join(parts, "&")
}
