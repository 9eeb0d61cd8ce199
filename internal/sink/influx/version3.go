package influx

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
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

// leaveOut returns what is still to be sent after lines were refused. InfluxDB 3 never rewrites what it holds, so samples that it
// has taken are not sent again: only those that had a field of the wrong type, without it. It keeps the types per measurement, so
// all samples with that field were refused, named or not. It returns false where the lines named are none of ours.
func (s *Sink) leaveOut(parts []part, v verdict, refused *refusals) ([]part, bool) {
	named := s.namedSamples(parts, v.lines)
	wrong := map[string]uint64{} // fields by measurement
	reason := map[string]string{}
	for at, said := range named {
		p := parts[at.part]
		row := s.row(p)
		m := columnText.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		f := slices.IndexFunc(row.Fields, func(f metric.Field) bool { return lineproto.Clean(f.Key) == m[1] })
		if f >= 0 && p.omit&(1<<f) == 0 {
			key := row.Measurement + "\x00" + row.Fields[f].Key
			wrong[key], reason[key] = 1<<f, said
			delete(named, at)
		}
	}
	all := len(v.lines) >= maxNamed // others may have been refused besides
	var rest []part
	done := len(wrong) + len(named)
	for i, p := range parts {
		row := s.row(p)
		omit := uint64(0)
		for f, field := range row.Fields {
			key := row.Measurement + "\x00" + field.Key
			if wrong[key] == 0 || p.omit&(1<<f) != 0 {
				continue
			}
			omit |= 1 << f
			r := sink.Rejection{Series: row.ID, Field: field.Key, Reason: withoutLines(reason[key]),
				Hint: s.dialect.words.conflict(s.cfg, verdict{measurement: row.Measurement, field: field.Key})}
			for j := p.from; j < p.to; j++ {
				if lineproto.Storable(field.Kind, p.Block.Values[f][j]) {
					include(&r, p.Block.Times[j])
				}
			}
			if r.Count > 0 {
				refused.add(r)
			}
		}
		for j := p.from; j < p.to; j++ {
			if said, lost := named[spot{i, j}]; lost {
				r := sink.Rejection{Series: row.ID, Reason: withoutLines(said), Hint: unreadableHint}
				include(&r, p.Block.Times[j])
				refused.add(r)
				continue
			}
			if !all && !has(row, p, j, omit) {
				continue // it is in
			}
			again := p
			again.from, again.to, again.omit = j, j+1, p.omit|omit
			if n := len(rest); n > 0 && rest[n-1].Block == p.Block && rest[n-1].to == j && rest[n-1].omit == again.omit {
				rest[n-1].to = j + 1
			} else {
				rest = append(rest, again)
			}
		}
	}
	return rest, done > 0
}

// has reports whether a sample holds one of the fields.
func has(row metric.Series, p part, sample int, fields uint64) bool {
	for f, field := range row.Fields {
		if fields&(1<<f) != 0 && lineproto.Storable(field.Kind, p.Block.Values[f][sample]) {
			return true
		}
	}
	return false
}

// spot is a sample of the parts.
type spot struct{ part, sample int }

// namedSamples finds the samples of the lines named: one without any field made no line.
func (s *Sink) namedSamples(parts []part, lines []namedLine) map[spot]string {
	said := map[int]string{}
	for _, l := range lines {
		said[l.Number] = l.Message
	}
	out := map[spot]string{}
	number := 0
	for i, p := range parts {
		row := s.row(p)
		for j := p.from; j < p.to; j++ {
			if !has(row, p, j, ^p.omit) {
				continue
			}
			number++
			if text, ok := said[number]; ok {
				out[spot{i, j}] = text
			}
		}
	}
	return out
}
