package dashboard

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
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
