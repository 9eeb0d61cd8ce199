package influx

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// maxNamed is how many lines InfluxDB 3 names of those that it refused.
const maxNamed = 100

// namedLine is a line of a batch, counted from one, that was refused while others were taken.
type namedLine struct {
	Number  int    `json:"line_number"`
	Message string `json:"error_message"`
}

// ping3 returns the server's version.
func (s *Sink) ping3(ctx context.Context) (string, error) {
	status, header, body, err := s.get(ctx, "/ping")
	if err != nil {
		return "", s.unreachable(err)
	}
	var said struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(body, &said) == nil && said.Version != "" {
		header.Set("X-Influxdb-Version", said.Version)
	}
	if status != http.StatusOK && status != http.StatusNoContent || majorOf(header) != "3" {
		text, _ := message(header, body)
		return "", &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: errors.New(orElse(text, "no InfluxDB 3 answers the ping"))}
	}
	return strings.TrimSpace(header.Get("X-Influxdb-Version") + " " + header.Get("X-Influxdb-Build")), nil
}

// lookAround tells whether the database is there. A write of nothing could make it.
func (s *Sink) lookAround(ctx context.Context) (verdict, error) {
	_, err := s.ask(ctx, "SHOW MEASUREMENTS")
	switch {
	case errors.Is(err, errAbsent):
		return verdict{kind: noDatabase}, nil
	case err != nil:
		return verdict{}, err
	}
	return verdict{kind: stored}, nil
}

// columnText finds the field in a complaint about a type.
var columnText = regexp.MustCompile(`(?:column|field) '([^']+)'`)

// leaveOut returns what is still to be sent after lines were refused. InfluxDB 3 Core never rewrites what it holds, so samples that
// it has taken are not sent again: only those that had a field of the wrong type, without it. Types are per measurement, so all
// samples with that field were refused, named or not. It returns false where the lines named are none of ours.
func (s *Sink) leaveOut(parts []part, v verdict, refused *refusals) ([]part, bool) {
	lines := s.numbered(parts)
	wrong := map[field]string{} // and what was said
	lost := map[int]string{}    // by line
	for _, l := range v.lines {
		if l.Number < 1 || l.Number > len(lines) {
			continue
		}
		if f, ok := s.accused(lines[l.Number-1], l.Message); ok {
			wrong[f] = l.Message
		} else {
			lost[l.Number] = l.Message
		}
	}
	sure := s.sure(lines, v.lines, wrong)
	var rest []part
	for i, l := range lines {
		if said, gone := lost[i+1]; gone {
			r := sink.Rejection{Series: l.Block.Series, Reason: withoutLines(said), Hint: unreadableHint}
			include(&r, l.Block.Times[l.from])
			refused.add(r)
			continue
		}
		if bad := s.fieldsOf(l, wrong); bad != 0 {
			s.note(l, bad, wrong, refused)
			l.omit |= bad
		} else if i < sure {
			continue // it is in
		}
		if n := len(rest); n > 0 && rest[n-1].Block == l.Block && rest[n-1].to == l.from && rest[n-1].omit == l.omit {
			rest[n-1].to = l.to
		} else {
			rest = append(rest, l)
		}
	}
	return rest, len(wrong)+len(lost) > 0
}

// field is one of the catalogue, by measurement.
type field struct{ measurement, key string }

// numbered returns the samples in the order of their lines: one without any field made none.
func (s *Sink) numbered(parts []part) []part {
	var out []part
	for _, p := range parts {
		row := s.row(p)
		for j := p.from; j < p.to; j++ {
			one := p
			one.from, one.to = j, j+1
			if holding(row, one) != 0 {
				out = append(out, one)
			}
		}
	}
	return out
}

// holding returns the fields that a sample's line has.
func holding(row metric.Series, p part) (fields uint64) {
	for f := range row.Fields {
		if p.omit&(1<<f) == 0 && lineproto.Storable(row.Fields[f].Kind, p.Block.Values[f][p.from]) {
			fields |= 1 << f
		}
	}
	return fields
}

// accused finds the field that a complaint about a line names.
func (s *Sink) accused(p part, said string) (field, bool) {
	m := columnText.FindStringSubmatch(said)
	if m == nil {
		return field{}, false
	}
	row := s.row(p)
	for f := range row.Fields {
		if lineproto.Clean(row.Fields[f].Key) == m[1] && holding(row, p)&(1<<f) != 0 {
			return field{row.Measurement, row.Fields[f].Key}, true
		}
	}
	return field{}, false
}

// fieldsOf returns which fields of a sample are among the wrong ones.
func (s *Sink) fieldsOf(p part, wrong map[field]string) (fields uint64) {
	row := s.row(p)
	for f := range row.Fields {
		if _, bad := wrong[field{row.Measurement, row.Fields[f].Key}]; bad {
			fields |= 1 << f
		}
	}
	return fields & holding(row, p)
}

// note counts a sample's wrong fields among the refused.
func (s *Sink) note(p part, bad uint64, wrong map[field]string, refused *refusals) {
	row := s.row(p)
	for f := range row.Fields {
		if bad&(1<<f) == 0 {
			continue
		}
		key := row.Fields[f].Key
		r := sink.Rejection{Series: row.ID, Field: key, Reason: withoutLines(wrong[field{row.Measurement, key}]),
			Hint: s.dialect.words.conflict(s.cfg, verdict{measurement: row.Measurement, field: key})}
		include(&r, p.Block.Times[p.from])
		refused.add(r)
	}
}

// sure returns up to which line it is known what was taken: up to the end, unless so many were refused that not all are named. Then
// it is up to the last that is, if none before it is missing among the named.
func (s *Sink) sure(lines []part, named []namedLine, wrong map[field]string) int {
	if len(named) < maxNamed {
		return len(lines)
	}
	said := map[int]bool{}
	last := 0
	for _, l := range named {
		said[l.Number] = true
		last = max(last, l.Number)
	}
	for i := range lines[:min(last, len(lines))] {
		if !said[i+1] && s.fieldsOf(lines[i], wrong) != 0 {
			return 0
		}
	}
	return last
}
