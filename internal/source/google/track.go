package google

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/go-json-experiment/json/jsontext"
)

// fetchTrack reads the track of one workout. A workout that is gone at the service has an empty one.
func fetchTrack(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	if req.Session == nil || !plainID(req.Session.Key) {
		return &source.Error{Kind: source.Bad, Feed: f.Feed.ID, Hint: hintReport, Err: errors.New("a track needs the id of its workout")}
	}
	batch.Kind, batch.Session, batch.Updated = cmp.Or(req.Session.Kind, f.Feed.Kind), req.Session.Key, req.Session.Updated
	path := points(f.Type) + "/%s:exportExerciseTcx"
	q := question{Feed: f.Feed.ID, Method: http.MethodGet, Path: fmt.Sprintf(path, req.Session.Key), Shown: fmt.Sprintf(path, "{id}"),
		Query: url.Values{"alt": {"media"}}, Scope: f.Scope}
	var track metric.Block
	cost, err := s.ask(ctx, q, func(b *answer.Body) error {
		r, err := s.tcx(b, f.Feed.ID)
		if err != nil {
			return err
		}
		var odd int
		if track, odd, err = answer.ReadTCX(r, f.series[0], b.Next); odd > 0 {
			s.surprises.Add(f.Feed.ID, answer.PointOdd, "Trackpoint", odd, s.cfg.Now())
		}
		return err
	})
	batch.Requests += cost
	var e *source.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && e.Reason == "NOT_FOUND" {
		return nil
	}
	if err != nil {
		return err
	}
	track.Tags = []string{answer.ActivityID(*req.Session)}
	batch.Blocks = metric.Tidied([]metric.Block{track})
	return nil
}

// plainID reports whether key can stand in an address: the service's ids are digits.
func plainID(key string) bool { return key != "" && answer.Identifier([]byte("x"+key)) }

// tcx returns the document, which may come as it is, as base64, or as either of them in {"tcxData":"…"}.
func (s *Source) tcx(b *answer.Body, feed string) (io.Reader, error) {
	c, r, err := b.First()
	switch {
	case err != nil:
		return nil, err
	case c == '<' && answer.IsHTML(b.Head):
		return nil, answer.ErrHTML
	case c == '<':
		return r, nil
	case c == '[':
		return nil, fmt.Errorf("%w: the track is a list", answer.ErrShape)
	case c != '{':
		return base64.NewDecoder(base64.StdEncoding, r), nil
	}
	dec := jsontext.NewDecoder(r)
	form := newForm()
	data := form.text("tcxData")
	w := walker{dec: dec, rec: form.record(), notes: &answer.Notes{}}
	defer func() { w.notes.Hand(&s.surprises, feed, s.cfg.Now()) }()
	if err := w.object(form.root); err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(w.rec.texts[data], "\uFEFF")
	if text == "" {
		return nil, fmt.Errorf("%w: no tcxData in it", answer.ErrShape)
	}
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return strings.NewReader(text), nil
	}
	document, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: tcxData is neither XML nor base64", answer.ErrShape)
	}
	return bytes.NewReader(document), nil
}
