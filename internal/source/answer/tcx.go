package answer

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
	points []point
	odd    int // points that could not be read, or not wholly
}

// mark is how far the track was at a time.
type mark struct {
	at  time.Time
	far float64 // metres; NaN where unknown
}

// trail is where the track was last, and before that: what stands twice has no speed since itself.
type trail struct{ last, before mark }

// speed goes on to where it is now and returns the mean since the time before, in km/h; absent where it is not known. A point that does not
// tell how far it is costs the next one nothing.
func (t *trail) speed(now mark) float64 {
	if !metric.Present(now.far) {
		return metric.Absent()
	}
	if now.at.After(t.last.at) {
		t.before = t.last
	}
	t.last = now
	elapsed := now.at.Sub(t.before.at).Seconds()
	if t.before.at.IsZero() || elapsed <= 0 {
		return metric.Absent()
	}
	return (now.far - t.before.far) / elapsed * 3.6
}

// point is one trackpoint; what it lacks is NaN.
type point struct {
	at                                 time.Time
	lat, lon, altitude, far, heartbeat float64
	odd                                bool // something in it cannot be read
}

// leftAlone are the members of a trackpoint that no field has.
var leftAlone = []string{"Cadence", "SensorState", "Extensions"}

// ReadTCX reads a document Trackpoint by Trackpoint and calls next behind each. A document without any is a track without samples,
// one that is no TCX, or none of whose points can be read, is an error. A point without a time is left out, and so is what cannot be
// read in a point; odd is how many there were of both.
func ReadTCX(r io.Reader, row metric.Series, next func()) (block metric.Block, odd int, err error) {
	t := track{row: row}
	err = t.read(r, next)
	if block = t.block(); err == nil && t.odd > 0 && block.Len() == 0 {
		err = fmt.Errorf("%w: none of the track's points can be read", ErrShape)
	}
	return block, t.odd, err
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
	var text strings.Builder
	leaf := false // nothing has ended in the element that began last
	for {
		token, err := dec.Token()
		if err != nil {
			return p, xmlError(err)
		}
		switch el := token.(type) {
		case xml.StartElement:
			path, leaf = append(path, el.Name.Local), true
			text.Reset()
		case xml.EndElement:
			if len(path) == 0 {
				return p, nil
			}
			if leaf && !slices.Contains(leftAlone, path[0]) {
				p.set(strings.Join(path, "/"), strings.TrimSpace(text.String()))
			}
			path, leaf = path[:len(path)-1], false
		case xml.CharData:
			text.Write(el)
		}
	}
}

// set takes in a member. One that is not known may be one that was renamed.
func (p *point) set(path, value string) {
	var to *float64
	switch path {
	case "Time":
		at, err := time.Parse(time.RFC3339Nano, value)
		if err == nil && at.Year() >= 1700 && at.Year() <= 2250 { // beyond these a time does not fit into nanoseconds
			p.at = at
		}
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
	default:
		p.odd = true
		return
	}
	f, ok := Number([]byte(value))
	switch { // what no place and no way can be
	case !ok, to == &p.lat && math.Abs(f) > 90, to == &p.lon && math.Abs(f) > 180, to == &p.far && f < 0:
		p.odd = true
		return
	}
	*to = f
}

// add takes in a point; one without a time has no place in the track.
func (t *track) add(p point) {
	if p.at.IsZero() {
		t.odd++
		return
	}
	t.points = append(t.points, p)
}

// block is the track in the order of time. The speed is that since the point before. Of one with a place it is that since the last one
// with a place, as the Python project reckoned it, which leaves out all others. It counts the points that are odd.
func (t *track) block() metric.Block {
	out := metric.Block{Series: t.row.ID, Values: make([][]float64, len(t.row.Fields))}
	slices.SortStableFunc(t.points, func(a, b point) int { return a.at.Compare(b.at) })
	var all, placed trail
	row := make([]float64, len(t.row.Fields))
	for _, p := range t.points {
		here := mark{p.at, p.far}
		speed := all.speed(here)
		if metric.Present(p.lat) {
			speed = placed.speed(here)
		}
		values := map[string]float64{"lat": p.lat, "lon": p.lon, "altitude": p.altitude, "distance": p.far, "speed_kph": speed, "heart_rate": math.Round(p.heartbeat)}
		any, odd := false, p.odd
		for i, field := range t.row.Fields {
			row[i] = values[field.Key]
			if metric.Present(row[i]) && !field.Possible(row[i]) {
				row[i] = metric.Absent()
				odd = odd || field.Key != "speed_kph" // which is reckoned here
			}
			any = any || metric.Present(row[i])
		}
		if odd {
			t.odd++
		}
		if any {
			out.Append(p.at.UnixNano(), row...)
		}
	}
	return out
}
