package endtoend

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// eavesdropper hears every secret that passes between the program and the service.
type eavesdropper struct {
	mu    sync.Mutex
	heard map[string]string // what it is, by secret
}

func (e *eavesdropper) note(what, secret string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if secret != "" {
		e.heard[secret] = what
	}
}

func (e *eavesdropper) front(rw http.ResponseWriter, r *http.Request, service http.Handler) {
	e.note("an access token", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if r.URL.Path != simulate.PathToken {
		service.ServeHTTP(rw, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	for _, k := range []string{"code", "refresh_token", "code_verifier", "client_secret"} {
		e.note(k, form.Get(k))
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	rec := httptest.NewRecorder()
	service.ServeHTTP(rec, r)
	var answer struct{ Access_token, Refresh_token string }
	json.Unmarshal(rec.Body.Bytes(), &answer) // an error has none
	e.note("an access token", answer.Access_token)
	e.note("a refresh token", answer.Refresh_token)
	relay(rw, rec)
}

// Whatever happens, with the log at its loudest: no token, code, password or client secret, no account, no reading of a person is
// in the log, the log file, what the commands say or the report for a bug.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const password = "p4ss-of-the-database"
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	today := day(t, "2026-06-17")
	a, b := person(600, "Europe/Berlin", "", today), person(601, "Europe/Berlin", "Pixel Watch 3", today)
	at := calm(today, 12, a, b)
	people := still([]time.Time{at}, a, b)
	w := newWorld(t, at, 240, people...)
	spy := &eavesdropper{heard: map[string]string{secret: "the client secret", password: "the database's password"}}
	w.before(spy.front)
	h := newHome(t, w, today-2, db.URL)
	h.level = "trace"
	log := filepath.Join(h.dir, "log")
	h.more = fmt.Sprintf("log_file: %s\n", log)
	h.db += fmt.Sprintf("\n  username: someone\n  password: %s", password)
	if err := os.Remove(filepath.Join(h.dir, "token.json")); err != nil {
		t.Fatal(err)
	}

	// Things go wrong, too: each way in which an answer could end up in a message.
	wrong := map[string]*simulate.Fault{"/weight/": {Junk: true}, "/steps/dataPoints:rec": {Cut: 200}, "/distance/": {HTML: true}, "/sleep/": {Cut: 900},
		"/daily-vo2-max/": {Status: 400}, "/floors/": {Status: 403}, "/altitude/": {Status: 500, Body: `{"altitude": {"gainMillimetersSum": "123454321"}}`}}
	w.google.Script(func(r *http.Request) *simulate.Fault {
		for part, f := range wrong {
			if strings.Contains(r.URL.Path, part) {
				return f
			}
		}
		return nil
	})
	run := h.run()
	h.await(run, "the program to run", func(s status) bool { return s.Running })
	said := map[string]string{"authorize": h.consent(t)}
	h.await(run, "data of both", func(s status) bool {
		failed := 0
		for _, p := range s.People {
			for _, f := range p.Collect.Feeds {
				if f.Error != "" {
					failed++
				}
			}
		}
		return len(s.People) == 2 && failed >= 2*len(wrong)-1 && s.Archive.Samples > 100_000
	})
	db.Kill()
	h.await(run, "the database's absence to be noticed", func(status) bool {
		h.do("replay")
		s, _ := h.status()
		return len(s.Sinks) == 1 && s.Sinks[0].Status.Error != ""
	})
	db.Start()
	for _, c := range [][]string{{"status"}, {"status", "--json"}, {"plan"}, {"check"}, {"diagnose", "--ask", "-o", "report.zip"}, {"authorize", "--paste", "http://localhost:8080/?code=4/0Awrong&state=x"}} {
		_, said[strings.Join(c, " ")] = h.do(c...)
	}
	run.Stop()
	said["output"] = run.Out.String()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	said["log file"] = string(text)
	unzip(t, filepath.Join(h.dir, "report.zip"), said)

	want := readings(people[0], truthOf(people[0], "", today-2, at).points)
	for where, text := range said {
		for s, what := range spy.heard {
			if strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s)) {
				t.Errorf("%s is in %s: …%s…", what, where, around(text, s))
			}
		}
		for _, p := range people {
			if strings.Contains(text, p.Account()) || strings.Contains(text, p.LegacyAccount()) {
				t.Errorf("the account is in %s: …%s…", where, around(text, p.Account()))
			}
		}
		timeless := times.ReplaceAllString(text, "")
		for what, v := range want {
			if strings.Contains(timeless, v) {
				t.Errorf("%s (%s) is in %s: …%s…", v, what, where, around(timeless, v))
			}
		}
		for _, s := range []string{"HeartRate_Intraday,", `"beatsPerMinute":"`, "bpm=", "Bearer ya29", "123454321"} {
			if strings.Contains(text, s) {
				t.Errorf("%q is in %s: …%s…", s, where, around(text, s))
			}
		}
	}
	if len(spy.heard) < 6 || len(want) < 20 || len(said["log file"])+len(said["output"]) < 10_000 || len(said) < 12 {
		t.Errorf("too little to say anything: %d secrets, %d readings, %d bytes of log, %d texts", len(spy.heard), len(want), len(said["log file"])+len(said["output"]), len(said))
	}
	t.Logf("%d secrets and %d readings looked for in %d texts, %d bytes of log", len(spy.heard), len(want), len(said), len(said["log file"]))
}

// times are instants and durations: their digits may happen to be those of a place.
var times = regexp.MustCompile(`\d{2}:\d{2}:\d{2}\.\d+|\b(\d+h)?(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)\b`)

// readings are values so long that they stand for nothing else.
func readings(p *simulate.Person, all points) map[string]string {
	out := map[string]string{}
	for key, s := range all {
		for _, v := range s {
			if text := strconv.FormatFloat(v, 'f', -1, 64); len(text) >= 8 && len(out) < 3000 {
				out[key+" "+text] = text
			}
		}
	}
	for d := p.Start; d < p.Start+420; d++ {
		if _, grams, _, ok := p.Weighing(d); ok && d >= p.Start+397 {
			out["weight of "+d.String()] = fmt.Sprintf("weightGrams\":%g", grams)
		}
	}
	return out
}

func unzip(t *testing.T, path string, into map[string]string) {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		into["report/"+f.Name] = string(text)
	}
}

func around(text, s string) string {
	i := strings.Index(text, s)
	if i < 0 {
		return ""
	}
	return text[max(0, i-60):min(len(text), i+len(s)+20)]
}
