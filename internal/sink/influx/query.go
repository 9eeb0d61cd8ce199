package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// errForbidden is behind the error for a statement that the user has no right to, errAbsent behind that for a database which is
// not there.
var (
	errForbidden = errors.New("not allowed")
	errAbsent    = errors.New("not there")
)

// ask runs InfluxQL statements and returns a result for each.
func (s *Sink) ask(ctx context.Context, statements ...string) ([]client.Result, error) {
	if s.dialect.read.narrow {
		var out []client.Result
		for _, one := range statements {
			results, err := s.run(ctx, one)
			if err != nil {
				return nil, err
			}
			out = append(out, results...)
		}
		return s.counted(out, len(statements))
	}
	results, err := s.run(ctx, strings.Join(statements, ";"))
	if err != nil {
		return nil, err
	}
	return s.counted(results, len(statements))
}

func (s *Sink) counted(results []client.Result, want int) ([]client.Result, error) {
	if len(results) != want {
		return nil, s.queryError(fmt.Errorf("%d results for %d statements", len(results), want))
	}
	return results, nil
}

// run runs InfluxQL and returns the results that the server gives: InfluxDB 2 has none for what changes something.
func (s *Sink) run(ctx context.Context, text string) ([]client.Result, error) {
	where, err := s.dialect.read.find(s, ctx)
	if err != nil {
		return nil, err
	}
	resp, err := s.dialect.read.ask(s, ctx, where, text)
	if err == nil {
		err = resp.Error()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, s.queryError(err)
	}
	return resp.Results, nil
}

// named is the scope of a database that goes by the name in the settings.
func (s *Sink) named(context.Context) (scope, error) {
	return scope{s.cfg.Database, s.cfg.RetentionPolicy}, nil
}

// askByClient has the database's client package ask. It knows no context: when ctx ends first, the request is left to its own
// timeout.
func (s *Sink) askByClient(ctx context.Context, where scope, text string) (*client.Response, error) {
	type answer struct {
		resp *client.Response
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := s.client.Query(client.NewQueryWithRP(text, where.database, where.policy, "ns"))
		got <- answer{resp, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-got:
		return a.resp, a.err
	}
}

// askByGet asks in the form that InfluxDB 3 documents, which the client package of InfluxDB 1 does not use.
func (s *Sink) askByGet(ctx context.Context, where scope, text string) (*client.Response, error) {
	status, header, body, err := s.get(ctx, "/query?"+url.Values{"db": {where.database}, "q": {text}, "epoch": {"ns"}}.Encode())
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		said, _ := message(header, body)
		return nil, &statusError{status, header, said}
	}
	var resp client.Response
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&resp); err != nil {
		return nil, fmt.Errorf("decode json: %w", err)
	}
	return &resp, nil
}

// get reads the answer to a GET below the address of the server.
func (s *Sink) get(ctx context.Context, path string) (status int, header http.Header, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.String()+path, nil)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("asking %s: %w", s.dialect.title, err)
	}
	req.Header.Set("User-Agent", userAgent)
	s.dialect.login(s.cfg, req)
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, resp.Header, body, err
}

// statusError is an answer to a query that is no result.
type statusError struct {
	status int
	header http.Header
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status code %d: %s", e.status, orElse(e.text, http.StatusText(e.status)))
}

var statusText = regexp.MustCompile(`status(?: code|:) (\d{3})`)

// queryError gives a failed query its status, where its text tells, and its hint.
func (s *Sink) queryError(err error) error {
	text := err.Error()
	own := http.Header{"X-Influxdb-Version": {string(s.cfg.Version)}}
	header := own
	status := 0
	var cause error
	var answer *statusError
	switch {
	case errors.As(err, &answer):
		status, header, text = answer.status, answer.header, orElse(answer.text, http.StatusText(answer.status))
		switch {
		case status == http.StatusNotFound:
			cause = errAbsent
		case status == http.StatusForbidden, status == http.StatusBadRequest, status == http.StatusMethodNotAllowed, strings.Contains(text, "file limit"):
			cause = errForbidden // what will not be answered must not keep anything from being written
		}
	case statusText.MatchString(text): // the client package's words
		status, _ = strconv.Atoi(statusText.FindStringSubmatch(text)[1])
		text, _, _ = strings.Cut(text, "response body")
		if status != http.StatusUnauthorized && status != http.StatusForbidden {
			header = http.Header{}
		}
	case contains(text, "authorization failed", "unable to parse authentication credentials"):
		status = http.StatusUnauthorized
	case contains(text, "not authorized", "forbidden", "create admin user", "requires admin privilege", "insufficient permissions"):
		status, cause = http.StatusForbidden, errForbidden
	case contains(text, "database not found", "not executed"): // asked for several things at once, 1.x says that none was executed
		cause = errAbsent
		s.found.Store(nil)
	case contains(text, "results for", "decode json"):
		header = http.Header{}
	case isNetwork(err):
		return s.unreachable(err)
	}
	out := &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: fmt.Errorf("%s: %s", s.dialect.title, withoutLines(text))}
	if cause != nil {
		out.Err = fmt.Errorf("%w: %w", out.Err, cause)
	}
	return out
}

func contains(text string, any ...string) bool {
	for _, a := range any {
		if strings.Contains(text, a) {
			return true
		}
	}
	return false
}

// createDatabase makes the database.
func (s *Sink) createDatabase(ctx context.Context) error {
	_, err := s.ask(ctx, "CREATE DATABASE "+quoteName(s.cfg.Database))
	return err
}

// listUsers is an administrator's right, as is creating databases: asking for it changes nothing.
func (s *Sink) listUsers(ctx context.Context) error {
	_, err := s.ask(ctx, "SHOW USERS")
	return err
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

// at asks for all that a measurement holds at one instant. The tags are compared here: not every version takes a tag that a
// measurement never had for an empty one.
func (s *Sink) at(p sink.Points, t int64) string {
	return fmt.Sprintf("SELECT * FROM %s WHERE time = %d", s.from(p), t)
}

// ours returns the row of a result that has exactly the tags of p, by column.
func (s *Sink) ours(r client.Result, p sink.Points) (map[string]any, bool) {
	want := map[string]string{}
	s.metric.Tags(p.Person, p.Block, func(key, value string) { want[key] = value })
	for _, row := range rowsOf(r) {
		if same(row, want) {
			return row, true
		}
	}
	return nil, false
}

// rowsOf returns the rows of a result by column. What is empty is not in them.
func rowsOf(r client.Result) []map[string]any {
	var out []map[string]any
	for _, table := range r.Series {
		for _, values := range table.Values {
			row := map[string]any{}
			for i, column := range table.Columns {
				if values[i] != nil && values[i] != "" {
					row[column] = values[i]
				}
			}
			out = append(out, row)
		}
	}
	return out
}

func same(row map[string]any, tags map[string]string) bool {
	for key, value := range tags {
		if text, _ := row[key].(string); text != value {
			return false
		}
	}
	return true
}

// isNetwork reports whether err says that there was no answer.
func isNetwork(err error) bool {
	var network interface{ Timeout() bool }
	return errors.As(err, &network)
}
