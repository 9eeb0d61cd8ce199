package answer

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// ActivityID is the tag of a track, as the Python project made it.
func ActivityID(s metric.SessionRef) string {
	layout := "2006-01-02T15:04:05"
	if s.Start.Nanosecond()/1000 != 0 {
		layout = "2006-01-02T15:04:05.000000"
	}
	return s.Start.UTC().Format(layout) + "+00:00-" + s.Title
}

// IsHTML reports whether a document begins as a web page does.
func IsHTML(head []byte) bool {
	start := strings.ToLower(string(bytes.TrimSpace(head[:min(len(head), 64)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// A track gathers trackpoints.
type track struct {
	row    metric.Series
	block  metric.Block
	odd    int  // points that could not be read, or not wholly
	before mark // the point before
	placed mark // the last one before that has a place
}

// mark is how far the track was at a time.
type mark struct {
	at  time.Time
	far float64 // metres; NaN where unknown
}

// speed is the mean since then, in km/h; absent where it is not known.
func (m mark) speed(now mark) float64 {
	elapsed := now.at.Sub(m.at).Seconds()
	if m.at.IsZero() || elapsed <= 0 {
		return metric.Absent()
	}
	return (now.far - m.far) / elapsed * 3.6
}

// point is one trackpoint; what it lacks is NaN.
type point struct {
	time                               string
	lat, lon, altitude, far, heartbeat float64
	odd                                bool // something in it cannot be read
}

// ReadTCX reads a document Trackpoint by Trackpoint and calls next behind each. A document without any is a track without samples,
// one that is no TCX, or none of whose points can be read, is an error. A point without a time is left out, and so is what cannot be
// read in a point; odd is how many there were of both.
func ReadTCX(r io.Reader, row metric.Series, next func()) (block metric.Block, odd int, err error) {
	t := track{row: row, block: metric.Block{Series: row.ID, Values: make([][]float64, len(row.Fields))}}
	if err = t.read(r, next); err == nil && t.odd > 0 && t.block.Len() == 0 {
		err = fmt.Errorf("%w: none of the track's points can be read", ErrShape)
	}
	return t.block, t.odd, err
}

func (t *track) read(r io.Reader, next func()) error {
	dec := xml.NewDecoder(r)
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
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
			return fmt.Errorf("%w: the track is no TCX", ErrShape)
		case !known:
			known = true
		case name == "Trackpoint":
			p, err := readPoint(dec)
			if err != nil {
				return err
			}
			t.add(p)
			next()
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
		return fmt.Errorf("%w: the track is broken XML in line %d", ErrShape, syntax.Line)
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
			p.set(strings.Join(path, "/"), strings.TrimSpace(string(el)))
		}
	}
}

func (p *point) set(path, value string) {
	var to *float64
	switch path {
	case "Time":
		p.time += value
		return
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
		return
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		p.odd = true
		return
	}
	*to = f
}

// add appends a point. Its speed is that since the point before. Of one with a place it is that since the last one with a place, as
// the Python project reckoned it, which leaves out all others.
func (t *track) add(p point) {
	now, err := time.Parse(time.RFC3339Nano, p.time)
	untimed := err != nil || now.Year() < 1700 || now.Year() > 2250 // beyond these a time does not fit into nanoseconds
	if untimed || p.odd {
		t.odd++
	}
	if untimed {
		return
	}
	here := mark{now, p.far}
	speed := t.before.speed(here)
	if metric.Present(p.lat) {
		speed = t.placed.speed(here)
		t.placed = here
	}
	t.before = here
	values := map[string]float64{"lat": p.lat, "lon": p.lon, "altitude": p.altitude, "distance": p.far, "speed_kph": speed, "heart_rate": math.Round(p.heartbeat)}
	any := false
	for i, field := range t.row.Fields {
		v := values[field.Key]
		if metric.Present(v) && !field.Possible(v) {
			v = metric.Absent()
		}
		t.block.Values[i] = append(t.block.Values[i], v)
		any = any || metric.Present(v)
	}
	if any {
		t.block.Times = append(t.block.Times, now.UnixNano())
		return
	}
	for i := range t.block.Values {
		t.block.Values[i] = t.block.Values[i][:len(t.block.Times)]
	}
}
