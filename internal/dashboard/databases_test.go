package dashboard

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// influxQL asks a server in InfluxQL, as Grafana's data source does.
type influxQL struct{ url, database, token string }

func (s influxQL) ask(t testing.TB, query string) []frame {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+"/query?"+url.Values{"db": {s.database}, "epoch": {"ms"}, "q": {query}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Token "+s.token)
	}
	var answer struct {
		Results []struct {
			Series []struct {
				Name    string
				Tags    map[string]string
				Columns []string
				Values  [][]any
			}
			Error string
		}
		Error string
	}
	if err := json.Unmarshal(do(t, req, query), &answer); err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	if answer.Error != "" {
		t.Fatalf("%s\n%s", query, answer.Error)
	}
	var out []frame
	for _, r := range answer.Results {
		if r.Error != "" {
			t.Fatalf("%s\n%s", query, r.Error)
		}
		for _, x := range r.Series {
			for _, row := range x.Values {
				if x.Columns[0] == "time" {
					row[0] = time.UnixMilli(int64(row[0].(float64))).UTC()
				}
			}
			out = append(out, frame{x.Name, x.Tags, x.Columns, x.Values})
		}
	}
	return out
}

// fluxed asks InfluxDB 2 in Flux.
type fluxed struct{ url, org, bucket, token string }

func (s fluxed) ask(t testing.TB, query string) []frame {
	t.Helper()
	query = strings.NewReplacer("v.defaultBucket", strconv.Quote(s.bucket), "v.organization", strconv.Quote(s.org)).Replace(query)
	body, err := json.Marshal(map[string]any{"query": query, "type": "flux", "dialect": map[string]any{"annotations": []string{"datatype", "group", "default"}}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+"/api/v2/query?org="+s.org, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+s.token)
	req.Header.Set("Content-Type", "application/json")
	return tables(t, string(do(t, req, query)), query)
}

// tables reads InfluxDB 2's annotated CSV.
func tables(t testing.TB, text, query string) []frame {
	t.Helper()
	var out []frame
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		r := csv.NewReader(strings.NewReader(block))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%s\n%v", query, err)
		}
		var types, names []string
		table := ""
		for _, row := range rows {
			switch row[0] {
			case "#datatype":
				types, names = row, nil
				continue
			case "#group", "#default":
				continue
			}
			if names == nil {
				names = row
				if names[1] == "error" {
					t.Fatalf("%s\n%v", query, rows)
				}
				continue
			}
			if len(out) == 0 || row[2] != table || out[len(out)-1].names == nil {
				table = row[2]
				out = append(out, frame{names: names[3:]})
			}
			var values []any
			for i := 3; i < len(row); i++ {
				values = append(values, cell(t, types[i], row[i]))
			}
			out[len(out)-1].rows = append(out[len(out)-1].rows, values)
		}
	}
	return out
}

func cell(t testing.TB, kind, s string) any {
	t.Helper()
	switch {
	case kind == "string" || kind == "boolean":
		return s
	case s == "":
		return nil
	case strings.HasPrefix(kind, "dateTime"):
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%s %q: %v", kind, s, err)
	}
	return n
}

func do(t testing.TB, req *http.Request, query string) []byte {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s\nHTTP %d %s", query, resp.StatusCode, body)
	}
	return body
}
