// Package core3 is a double of InfluxDB 3 Core for tests: no real one can be had here. It speaks, and refuses, what InfluxDB's
// documents say: it is no proof that a real one takes the same.
package core3

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
)

// Token is the administrator's.
const Token = "apiv3_double+/=="

// Server is one double. It is stopped when the test ends.
type Server struct {
	URL string

	t    testing.TB
	http *httptest.Server

	mu        sync.Mutex
	databases map[string]map[string]*table
	same      int
}

// table is what v3 calls a measurement: the types of its columns never change.
type table struct {
	types map[string]string
	rows  map[string]*sinktest.Row
}

// Start runs a double.
func Start(t testing.TB) *Server {
	s := &Server{t: t, databases: map[string]map[string]*table{}}
	s.listen(fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))) // which it gets again after Stop
	s.URL = s.http.URL
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/write_lp", s.write)
	mux.HandleFunc("GET /query", s.query)
	mux.HandleFunc("GET /ping", s.ping)
	s.http = &httptest.Server{Listener: l, Config: &http.Server{Handler: s.authenticated(mux)}}
	s.http.Start()
}

// Stop ends it.
func (s *Server) Stop() { s.http.Close() }

// Start starts it again at the same address, with what it held.
func (s *Server) Start() { s.listen(strings.TrimPrefix(s.URL, "http://")) }

// Drop drops a database.
func (s *Server) Drop(database string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.databases, database)
}

// WrittenTwice is how many points were written that stood there with the same values already: each costs, because Core does not
// compact.
func (s *Server) WrittenTwice() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.same
}

// Rows returns what a table holds.
func (s *Server) Rows(database, measurement string) []sinktest.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.databases[database][measurement].all()
}

func (t *table) all() []sinktest.Row {
	if t == nil {
		return nil
	}
	var out []sinktest.Row
	for _, r := range t.rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b sinktest.Row) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return out
}

// Put writes as another program.
func (s *Server) Put(database, lines string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused := s.store(database, lines); len(refused) > 0 {
		s.t.Fatalf("put: %v", refused)
	}
}

func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if _, password, ok := r.BasicAuth(); ok {
			token = password
		}
		if scheme == "" || token != Token {
			answer(w, http.StatusUnauthorized, map[string]any{"error": "the request was not authenticated"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Influxdb-Version", "3.5.0")
	w.Header().Set("X-Influxdb-Build", "Core")
	answer(w, http.StatusOK, map[string]any{"version": "3.5.0", "revision": "double"})
}

// complaint is what InfluxDB says of a line.
type complaint string

func (c complaint) Error() string { return string(c) }

type refusal struct {
	Line    string `json:"original_line"`
	Number  int    `json:"line_number"`
	Message string `json:"error_message"`
}

func (s *Server) write(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	precisions := []string{"auto", "nanosecond", "microsecond", "millisecond", "second"}
	if q.Get("db") == "" || !slices.Contains(precisions, q.Get("precision")) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid query parameters"})
		return
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(body)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid gzip"})
			return
		}
		body = zip
	}
	text, err := io.ReadAll(body)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid gzip"})
		return
	}
	s.mu.Lock()
	refused := s.store(q.Get("db"), string(text))
	s.mu.Unlock()
	if len(refused) > 0 {
		answer(w, http.StatusBadRequest, map[string]any{"error": "partial write of line protocol occurred", "data": refused[:min(len(refused), 100)]})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// store takes the lines it can and returns the others.
func (s *Server) store(database, lines string) []refusal {
	if s.databases[database] == nil {
		s.databases[database] = map[string]*table{}
	}
	var refused []refusal
	n := 0
	for line := range strings.Lines(lines) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.storeLine(s.databases[database], line); err != nil {
			refused = append(refused, refusal{line, n, err.Error()})
		}
	}
	return refused
}

func (s *Server) storeLine(tables map[string]*table, line string) error {
	name, row, err := parse(line)
	if err != nil {
		return err
	}
	t := tables[name]
	if t == nil {
		t = &table{types: map[string]string{}, rows: map[string]*sinktest.Row{}}
	}
	types := map[string]string{}
	for key, v := range row.Fields {
		types[key] = "iox::column_type::field::" + map[string]string{"int64": "integer", "float64": "float", "string": "string"}[fmt.Sprintf("%T", v)]
		if want := t.types[key]; want != "" && want != types[key] {
			return fmt.Errorf("invalid column type for column '%s', expected %s, got %s", key, want, types[key])
		}
	}
	maps.Copy(t.types, types)
	tables[name] = t
	key := fmt.Sprint(row.Time, row.Tags)
	held := t.rows[key]
	if held == nil {
		t.rows[key] = &row
		return nil
	}
	same := true
	for k, v := range row.Fields {
		same = same && held.Fields[k] == v
		held.Fields[k] = v
	}
	if same {
		s.same++
	}
	return nil
}

// parse reads a line of numbers and plain texts.
func parse(line string) (string, sinktest.Row, error) {
	r := sinktest.Row{Tags: map[string]string{}, Fields: map[string]any{}}
	words := split(line, ' ')
	if len(words) != 3 {
		return "", r, complaint("No fields were provided")
	}
	head := split(words[0], ',')
	for _, tag := range head[1:] {
		pair := split(tag, '=')
		r.Tags[plain(pair[0])] = plain(pair[1])
	}
	for _, field := range split(words[1], ',') {
		pair := split(field, '=')
		if len(pair) != 2 {
			return "", r, complaint("Could not parse entire line")
		}
		var v any = strings.Trim(pair[1], `"`)
		var err error
		if text, ok := strings.CutSuffix(pair[1], "i"); ok {
			v, err = strconv.ParseInt(text, 10, 64)
		} else if pair[1][0] != '"' {
			v, err = strconv.ParseFloat(pair[1], 64)
		}
		if err != nil {
			return "", r, complaint("Could not parse entire line")
		}
		r.Fields[plain(pair[0])] = v
	}
	var err error
	r.Time, err = strconv.ParseInt(words[2], 10, 64)
	return plain(head[0]), r, err
}

// split cuts at a character that no backslash escapes.
func split(s string, at byte) []string {
	var out []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

func plain(s string) string {
	return strings.NewReplacer(`\,`, ",", `\ `, " ", `\=`, "=").Replace(s)
}

var selectText = regexp.MustCompile(`^SELECT \* FROM ("(?:[^"\\]|\\.)*")( WHERE time = (-?\d+))?$`)

// query answers the few statements that the program puts to it, each alone.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	tables := s.databases[q.Get("db")]
	if tables == nil {
		answer(w, http.StatusNotFound, map[string]any{"error": "the specified database does not exist"})
		return
	}
	type series struct {
		Name    string   `json:"name"`
		Columns []string `json:"columns"`
		Values  [][]any  `json:"values"`
	}
	var found []series
	m := selectText.FindStringSubmatch(q.Get("q"))
	switch {
	case q.Get("q") == "SHOW MEASUREMENTS":
		one := series{"measurements", []string{"name"}, nil}
		for name := range tables {
			one.Values = append(one.Values, []any{name})
		}
		found = append(found, one)
	case q.Get("q") == "SHOW FIELD KEYS":
		for name, t := range tables {
			one := series{name, []string{"fieldKey", "fieldType"}, nil}
			for key, typ := range t.types {
				one.Values = append(one.Values, []any{key, typ})
			}
			found = append(found, one)
		}
	case m == nil:
		answer(w, http.StatusBadRequest, map[string]any{"error": "this double does not know the statement, or it is more than one"})
		return
	case m[2] == "":
		answer(w, http.StatusInternalServerError, map[string]any{"error": "Query would scan more than 432 Parquet files, exceeding the file limit. Try specifying a narrower time range"})
		return
	default:
		name, err := strconv.Unquote(m[1])
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		for _, row := range tables[name].all() {
			if fmt.Sprint(row.Time) != m[3] {
				continue
			}
			one := series{name, []string{"time"}, [][]any{{row.Time}}}
			for k, v := range row.Tags {
				one.Columns, one.Values[0] = append(one.Columns, k), append(one.Values[0], v)
			}
			for k, v := range row.Fields {
				one.Columns, one.Values[0] = append(one.Columns, k), append(one.Values[0], v)
			}
			found = append(found, one)
		}
	}
	answer(w, http.StatusOK, map[string]any{"results": []any{map[string]any{"statement_id": 0, "series": found}}})
}
