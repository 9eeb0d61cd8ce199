package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

const maxPages = 500

// The names of the array of points in an answer.
const (
	dataPoints   = "dataPoints"
	rollUpPoints = "rollupDataPoints"
)

// errPaging is a list that does not end.
var errPaging = errors.New("the list of pages does not end")

// A listing reads all pages of one question, point by point.
type listing struct {
	s      *Source
	feed   string
	form   *form
	name   string                                       // of the array of points in the answer
	each   func(*record) (where metric.Span, fate fate) // takes a point, and says where it is, in case it is not understood
	batch  *metric.Batch                                // told where; nil for nobody
	span   metric.Span                                  // what is asked for: where points are that do not tell their time
	done   func(again bool) bool                        // where set: the rest of the pages is not needed; again says that the next one has been read
	first  question
	token  func(*question, string) // puts the token of the next page into the question
	mask   string                  // partial-response mask; empty for none
	cost   int                     // requests made
	points int
	seen   int // points that carried their value
	lost   int // points of which nothing could be read
}

// fate is what could be made of a point.
type fate uint8

const (
	understood fate = iota
	impossible      // something in it could not be read, or has a value that it cannot have: that is left out
	unreadable      // it is another thing than we know
)

// run reads page by page until there is none left. Points of which none can be read are no answer.
func (l *listing) run(ctx context.Context) error {
	if err := l.runMasked(ctx); err != nil {
		return err
	}
	return noneReadable(l.feed, l.points, l.lost)
}

// noneReadable is the error where none of the points can be read.
func noneReadable(feed string, points, lost int) error {
	if points == 0 || lost < points {
		return nil
	}
	return &source.Error{Kind: source.Bad, Status: http.StatusOK, Feed: feed, Hint: hintReport, Err: fmt.Errorf("%w: none of %d points can be read", answer.ErrShape, points)}
}

// runMasked reads with the mask, if there is one. A mask that the service does not take is dropped for good.
func (l *listing) runMasked(ctx context.Context) error {
	if l.mask == "" || l.s.unmasked.Load() {
		return l.read(ctx, l.first)
	}
	masked := l.first
	masked.Query = cloned(masked.Query)
	masked.Query.Set("fields", l.mask)
	before := []metric.Span(nil)
	if l.batch != nil {
		before = l.batch.Odd
	}
	err := l.read(ctx, masked)
	if l.seen > 0 {
		l.s.masks.Store(true)
	}
	refused := refusedMask(err)
	if !refused && (err != nil || l.points == 0 || l.seen > 0 || l.name != dataPoints && l.s.masks.Load()) {
		if l.batch != nil {
			l.batch.Masked = true
		}
		return err
	}
	// Of what has another name now, nothing is left by the mask.
	l.points, l.seen, l.lost = 0, 0, 0
	if l.batch != nil {
		l.batch.Odd = before
	}
	if err := l.read(ctx, l.first); err != nil {
		return err
	}
	if refused || l.seen > 0 && !l.s.masks.Load() {
		l.s.unmasked.Store(true)
		l.s.cfg.Log.Info("the service does not take masks: whole answers are asked from now on", "feed", l.feed)
	}
	return nil
}

// refusedMask reports whether err may be the refusal of a mask. Nothing has been read then.
func refusedMask(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && e.Kind != source.Auth
}

func (l *listing) read(ctx context.Context, q question) error {
	page := pageReader{listing: l, w: walker{rec: l.form.record(), notes: &answer.Notes{}}}
	defer func() { page.w.notes.Hand(&l.s.surprises, l.feed, l.s.cfg.Now()) }()
	used := map[string]bool{}
	for range maxPages {
		cost, err := l.s.ask(ctx, q, page.read)
		l.cost += cost
		if err != nil {
			return err
		}
		if page.token == "" || l.done != nil && l.done(used[page.token]) {
			return nil
		}
		if used[page.token] {
			return l.endless("a page's token came again")
		}
		used[page.token] = true
		l.token(&q, page.token)
	}
	return l.endless(fmt.Sprintf("more than %d pages", maxPages))
}

func (l *listing) endless(why string) error {
	return &source.Error{Kind: source.Bad, Feed: l.feed, Hint: hintReport, Err: fmt.Errorf("%w: %s", errPaging, why)}
}

// A pageReader reads one page.
type pageReader struct {
	*listing
	w     walker
	token string
}

// read takes {"<name>":[…],"nextPageToken":"…"}. An answer that holds something else instead of the list is not an empty one.
func (p *pageReader) read(b *answer.Body) error {
	dec, err := b.JSON("{")
	if err != nil {
		return err
	}
	p.w.dec, p.token = dec, ""
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	list, before, other, elsewhere := false, p.points, "", false // elsewhere: what should be in the list may be in another member
	for dec.PeekKind() != '}' {
		name, err := p.w.memberName()
		if err != nil {
			return err
		}
		switch string(name) {
		case p.name:
			list = true
			err = p.array(b, dec)
		case "nextPageToken":
			p.token, err = p.w.optionalText()
		default:
			other = string(name)
			if paging.Match(name) { // what comes behind this page would be lost
				return fmt.Errorf("%w: a page names the next one in another way", answer.ErrShape)
			}
			p.w.notes.Add(answer.MemberUnknown, "", name)
			var value jsontext.Value
			if value, err = dec.ReadValue(); err == nil {
				elsewhere = elsewhere || filled.Match(value) || other == "error" && value.Kind() != 'n'
			}
		}
		if err != nil {
			return err
		}
		b.Next()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if other != "" && (!list || elsewhere && p.points == before) { // an empty list beside what may be the list now is not "no data"
		return fmt.Errorf("%w: no %s in it", answer.ErrShape, p.name)
	}
	if elsewhere && p.batch != nil {
		p.batch.Odd = metric.Union(p.batch.Odd, p.span)
	}
	return b.End()
}

// array reads the points.
func (p *pageReader) array(b *answer.Body, dec *jsontext.Decoder) error {
	switch k := dec.PeekKind(); k {
	case '[':
	case 0:
		_, err := dec.ReadToken()
		return err
	default:
		return fmt.Errorf("%w: %s is %s, not an array", answer.ErrShape, p.name, kindWord(k))
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	rec := p.w.rec
	for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
		rec.clear()
		where, fate := p.span, unreadable
		if kind == '{' {
			if err := p.w.object(p.form.root); err != nil {
				return err
			}
			where, fate = p.each(rec)
		} else if err := p.w.odd(p.form.root); err != nil {
			return err
		}
		p.points++
		if rec.seen {
			p.seen++
		}
		if fate != understood {
			p.misread(rec, where, fate)
		}
		b.Next()
	}
	_, err := dec.ReadToken()
	return err
}

// misread counts a point that was not understood, and tells where that is.
func (p *pageReader) misread(rec *record, where metric.Span, fate fate) {
	switch {
	case fate == unreadable && !rec.seen:
		p.w.notes.Add(answer.PointEmpty, p.name, nil)
	case !rec.noted: // otherwise it is counted where it was read
		p.w.notes.Add(answer.PointOdd, p.name, nil)
	}
	if fate == unreadable {
		p.lost++
	}
	if p.batch != nil {
		p.batch.Odd = metric.Union(p.batch.Odd, where)
	}
}

// filled is a list that holds something.
var filled = regexp.MustCompile(`^\[\s*[^\s\]]`)

// paging is what a member is called that leads to the next page.
var paging = regexp.MustCompile(`(?i)next|page|token`)

// optionalText reads a string.
func (w *walker) optionalText() (string, error) {
	switch k := w.dec.PeekKind(); k {
	case '"', 0:
		t, err := w.dec.ReadToken()
		if err != nil {
			return "", err
		}
		return t.String(), nil
	default:
		return "", fmt.Errorf("%w: a page's token is %s", answer.ErrShape, kindWord(k))
	}
}

func cloned(v url.Values) url.Values {
	out := make(url.Values, len(v)+1)
	for k, s := range v {
		out[k] = s
	}
	return out
}

// points is the address of a data type's points.
func points(typ string) string { return "/v4/users/me/dataTypes/" + typ + "/dataPoints" }

// get is a question by list or reconcile. An empty filter asks for everything.
func (f *feed) get(op Operation, filter string, size int) question {
	path := points(f.Type)
	if op == Reconcile {
		path += ":reconcile"
	}
	q := url.Values{"pageSize": {strconv.Itoa(size)}, "prettyPrint": {"false"}}
	if filter != "" {
		q.Set("filter", filter)
	}
	return question{Feed: f.Feed.ID, Method: http.MethodGet, Path: path, Shown: path, Query: q, Scope: f.Scope}
}

func getToken(q *question, token string) {
	q.Query = cloned(q.Query)
	q.Query.Set("pageToken", token)
}

// A rollUpBody is the request of rollUp and dailyRollUp.
type rollUpBody struct {
	Range struct {
		Start     *civil `json:"start,omitempty"`
		End       *civil `json:"end,omitempty"`
		StartTime string `json:"startTime,omitempty"`
		EndTime   string `json:"endTime,omitempty"`
	} `json:"range"`
	WindowSize     string `json:"windowSize,omitempty"`
	WindowSizeDays int    `json:"windowSizeDays,omitempty"`
	PageSize       int    `json:"pageSize"`
	Family         string `json:"dataSourceFamily,omitempty"`
	PageToken      string `json:"pageToken,omitempty"`
}

type civil struct {
	Date struct {
		Year  int `json:"year"`
		Month int `json:"month"`
		Day   int `json:"day"`
	} `json:"date"`
}

func civilOf(t time.Time) *civil {
	c := &civil{}
	c.Date.Year, c.Date.Month, c.Date.Day = t.Year(), int(t.Month()), t.Day()
	return c
}

// post is a question by rollUp or dailyRollUp, and what puts a page's token into it.
func (f *feed) post(span metric.Span, size int, family string) (question, func(*question, string)) {
	body := rollUpBody{PageSize: size}
	if f.Op == DailyRollUp {
		body.Range.Start, body.Range.End = civilOf(span.Start), civilOf(span.End)
		body.WindowSizeDays, body.Family = 1, family
	} else {
		// Windows begin where the range does, so it begins with a minute.
		body.Range.StartTime, body.Range.EndTime = rfc3339(minuteFrom(span.Start)), rfc3339(minuteFrom(span.End))
		body.WindowSize = "60s"
	}
	path := points(f.Type) + ":" + f.Op.String()
	q := question{Feed: f.Feed.ID, Method: http.MethodPost, Path: path, Shown: path, Query: url.Values{"prettyPrint": {"false"}},
		Body: encode(body), Scope: f.Scope}
	return q, func(q *question, token string) {
		body.PageToken = token
		q.Body = encode(body)
	}
}

func encode(body rollUpBody) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // numbers and strings only
	}
	return text
}

// minuteFrom is the first whole minute at or after t.
func minuteFrom(t time.Time) time.Time {
	return t.Add(time.Minute - 1).Truncate(time.Minute)
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
