package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// errForbidden is behind the error for a statement that the user has no right to.
var errForbidden = errors.New("not allowed")

// ask runs InfluxQL statements, joined by semicolons, and returns a result for each. The client package knows no context: when
// ctx ends first, the request is left to its own timeout.
func (s *Sink) ask(ctx context.Context, statements ...string) ([]client.Result, error) {
	type answer struct {
		resp *client.Response
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := s.client.Query(client.NewQueryWithRP(strings.Join(statements, ";"), s.cfg.Database, s.cfg.RetentionPolicy, "ns"))
		got <- answer{resp, err}
	}()
	var a answer
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a = <-got:
	}
	err := a.err
	if err == nil {
		err = a.resp.Error()
	}
	if err != nil {
		return nil, s.queryError(err)
	}
	if len(a.resp.Results) != len(statements) {
		return nil, s.queryError(fmt.Errorf("%d results for %d statements", len(a.resp.Results), len(statements)))
	}
	return a.resp.Results, nil
}

var statusText = regexp.MustCompile(`status(?: code|:) (\d{3})`)

// queryError gives a failed query its status, where its text tells, and its hint.
func (s *Sink) queryError(err error) error {
	text := err.Error()
	header := http.Header{}
	status := 0
	switch m := statusText.FindStringSubmatch(text); {
	case m != nil: // not InfluxDB's own words
		status, _ = strconv.Atoi(m[1])
		text, _, _ = strings.Cut(text, "response body")
	case strings.Contains(text, "authorization failed"), strings.Contains(text, "unable to parse authentication credentials"):
		status = http.StatusUnauthorized
	case strings.Contains(text, "not authorized"), strings.Contains(text, "forbidden"), strings.Contains(text, "create admin user"), strings.Contains(text, "requires admin privilege"):
		status = http.StatusForbidden
		return &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: fmt.Errorf("InfluxDB: %s: %w", text, errForbidden)}
	case strings.Contains(text, "results for"), strings.Contains(text, "decode json"), strings.Contains(text, "database not found"):
	default:
		if isNetwork(err) {
			return s.unreachable(err)
		}
		header.Set("X-Influxdb-Version", "1") // its own words
	}
	return &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: errors.New("InfluxDB: " + withoutLines(text))}
}

// create makes the database.
func (s *Sink) create(ctx context.Context) error {
	if _, err := s.ask(ctx, "CREATE DATABASE "+quoteName(s.cfg.Database)); err != nil {
		return err
	}
	s.cfg.Log.Info("created the InfluxDB database", "database", s.cfg.Database)
	return nil
}

// quoteName quotes an identifier: a database, measurement, tag or field.
func quoteName(s string) string { return quote(s, `"`) }

// quoteText quotes a string.
func quoteText(s string) string { return quote(s, `'`) }

// quote escapes what would end the quotes, or be read as an escape.
func quote(s, mark string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	s = strings.ReplaceAll(s, mark, `\`+mark)
	return mark + strings.ReplaceAll(s, "\n", `\n`) + mark
}

// where names one sample exactly: its instant and every tag of its row, absent ones as empty.
func (s *Sink) where(p sink.Points, t int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "time = %d", t)
	s.metric.Tags(p.Person, p.Block, func(key, value string) {
		fmt.Fprintf(&b, " AND %s = %s", quoteName(key), quoteText(value))
	})
	return b.String()
}

// from names the measurement of the block as it stands in the database.
func (s *Sink) from(p sink.Points) string {
	return quoteName(lineproto.Clean(s.cfg.Catalogue.Must(p.Block.Series).Measurement))
}

// isNetwork reports whether err says that there was no answer.
func isNetwork(err error) bool {
	var network interface{ Timeout() bool }
	return errors.As(err, &network)
}
