package google

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// fetchTrack reads the track of one workout. A workout that is gone at the service has an empty one.
func fetchTrack(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	if req.Session == nil || !plainID(req.Session.Key) {
		return &source.Error{Kind: source.Bad, Feed: f.Feed.ID, Hint: hintReport, Err: errors.New("a track needs the id of its workout")}
	}
	batch.Kind, batch.Session, batch.Updated = cmp.Or(req.Session.Kind, f.Feed.Kind), req.Session.Key, req.Session.Updated
	path := points(f.Type) + "/%s:exportExerciseTcx"
	q := question{feed: f.Feed.ID, method: http.MethodGet, path: fmt.Sprintf(path, req.Session.Key), shown: fmt.Sprintf(path, "{id}"),
		query: url.Values{"alt": {"media"}}, scope: f.Scope}
	var t track
	cost, err := s.ask(ctx, q, func(b *body) error {
		t = track{row: f.series[0], block: f.blocks("", metric.Span{})[0]}
		t.block.Tags = []string{activityID(*req.Session)}
		r, err := tcx(b)
		if err != nil {
			return err
		}
		return t.read(r, b)
	})
	batch.Requests += cost
	var e *source.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && e.Reason == "NOT_FOUND" {
		return nil
	}
	if err != nil {
		return err
	}
	batch.Blocks = tidied([]metric.Block{t.block})
	return nil
}

// plainID reports whether key can stand in an address: the service's ids are digits.
func plainID(key string) bool { return key != "" && identifier([]byte("x"+key)) }

// activityID is the tag of a track, as the Python project made it.
func activityID(s metric.SessionRef) string {
	layout := "2006-01-02T15:04:05"
	if s.Start.Nanosecond()/1000 != 0 {
		layout = "2006-01-02T15:04:05.000000"
	}
	return s.Start.UTC().Format(layout) + "+00:00-" + s.Title
}

// tcx returns the document, which may come as it is, as base64, or as either of them in {"tcxData":"…"}.
func tcx(b *body) (io.Reader, error) {
	c, r, err := b.first()
	switch {
	case err != nil:
		return nil, err
	case c == '<' && isHTML(b.head):
		return nil, errHTML
	case c == '<':
		return r, nil
	case c != '{':
		return base64.NewDecoder(base64.StdEncoding, r), nil
	}
	dec := b.dec
	dec.Reset(r)
	form := newForm()
	data := form.text("tcxData")
	w := walker{dec: dec, rec: form.record(), notes: &notes{}}
	if err := w.object(form.root); err != nil {
		return nil, err
	}
	text := w.rec.texts[data]
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return strings.NewReader(text), nil
	}
	document, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: tcxData is neither XML nor base64", errShape)
	}
	return bytes.NewReader(document), nil
}

// isHTML reports whether a document begins as a web page does.
func isHTML(head []byte) bool {
	start := strings.ToLower(string(bytes.TrimSpace(head[:min(len(head), 64)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// A track gathers trackpoints.
type track struct {
	row   metric.Series
	block metric.Block
	at    time.Time // of the point before
	far   float64   // metres, of the point before; NaN where unknown
}

// point is one trackpoint; what it lacks is NaN.
type point struct {
	time                               string
	lat, lon, altitude, far, heartbeat float64
}

// read reads Trackpoint by Trackpoint; a document without any is a track without samples, one that is no TCX is an error.
func (t *track) read(r io.Reader, b *body) error {
	dec := xml.NewDecoder(r)
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	t.far = metric.Absent()
	known := false
	for {
		token, err := dec.Token()
		switch {
		case err == io.EOF && known:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return xmlError(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := start.Name.Local; {
		case !known && name != "TrainingCenterDatabase":
			return fmt.Errorf("%w: the track is no TCX", errShape)
		case !known:
			known = true
		case name == "Trackpoint":
			p, err := readPoint(dec)
			if err != nil {
				return err
			}
			if err := t.add(p); err != nil {
				return err
			}
			b.next()
		}
	}
}

// xmlError tells a document that is cut off from one that is broken.
func xmlError(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		if strings.Contains(syntax.Msg, "unexpected EOF") {
			return fmt.Errorf("reading a track: %w", io.ErrUnexpectedEOF)
		}
		return fmt.Errorf("%w: the track is broken XML in line %d", errShape, syntax.Line)
	}
	return err
}

// readPoint reads one Trackpoint to its end.
func readPoint(dec *xml.Decoder) (point, error) {
	nan := metric.Absent()
	p := point{lat: nan, lon: nan, altitude: nan, far: nan, heartbeat: nan}
	var path []string
	for {
		token, err := dec.Token()
		if err != nil {
			return p, xmlError(err)
		}
		switch el := token.(type) {
		case xml.StartElement:
			path = append(path, el.Name.Local)
		case xml.EndElement:
			if len(path) == 0 {
				return p, nil
			}
			path = path[:len(path)-1]
		case xml.CharData:
			if err := p.set(strings.Join(path, "/"), strings.TrimSpace(string(el))); err != nil {
				return p, err
			}
		}
	}
}

func (p *point) set(path, value string) error {
	var to *float64
	switch path {
	case "Time":
		p.time += value
		return nil
	case "Position/LatitudeDegrees":
		to = &p.lat
	case "Position/LongitudeDegrees":
		to = &p.lon
	case "AltitudeMeters":
		to = &p.altitude
	case "DistanceMeters":
		to = &p.far
	case "HeartRateBpm/Value":
		to = &p.heartbeat
	}
	if to == nil || value == "" {
		return nil
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%w: a trackpoint's %s is no number", errShape, path)
	}
	*to = f
	return nil
}

// add appends a point. Its speed is that since the point before, as the Python project reckoned it.
func (t *track) add(p point) error {
	ns, ok := parseInstant([]byte(p.time))
	if !ok {
		return fmt.Errorf("%w: a trackpoint has no time", errShape)
	}
	now, speed := at(ns), metric.Absent()
	if elapsed := now.Sub(t.at).Seconds(); !t.at.IsZero() && elapsed > 0 {
		speed = (p.far - t.far) / elapsed * 3.6
	}
	t.at, t.far = now, p.far
	values := map[string]float64{"lat": p.lat, "lon": p.lon, "altitude": p.altitude, "distance": p.far, "speed_kph": speed, "heart_rate": whole(p.heartbeat)}
	any := false
	for i, field := range t.row.Fields {
		v := values[field.Key]
		t.block.Values[i] = append(t.block.Values[i], v)
		any = any || metric.Present(v)
	}
	if any {
		t.block.Times = append(t.block.Times, ns)
		return nil
	}
	for i := range t.block.Values {
		t.block.Values[i] = t.block.Values[i][:len(t.block.Times)]
	}
	return nil
}
