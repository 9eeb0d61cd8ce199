package simulate

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A Fault is what goes wrong with one answer. Delay comes first; of the others the first that is set counts, in the order here.
type Fault struct {
	Delay time.Duration // wait before answering

	Hang   bool          // never answer: wait until the client gives up
	Drop   bool          // close the connection without an answer
	Status int           // answer with this status and Body, in place of the real answer
	Body   string        // with Status; empty for an error of the service's own form
	Header http.Header   // with Status: more headers, e.g. Retry-After
	HTML   bool          // a page of HTML with status 200
	Junk   bool          // status 200 and bytes that are no JSON
	Huge   int64         // status 200 and a body of so many bytes
	Cut    int           // the real answer, the connection closed after so many bytes of its body; -1 for none of them
	Drip   time.Duration // the real answer, a piece of DripBytes at a time with this pause between
	Bytes  int           // of a piece of Drip; 0 for 64
}

// TooMany is a 429 with Retry-After in seconds; none for 0.
func TooMany(seconds int) *Fault {
	f := &Fault{Status: http.StatusTooManyRequests, Body: string(exhausted("Scripted").body())}
	if seconds > 0 {
		f.Header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	}
	return f
}

// Unavailable is a 503.
func Unavailable() *Fault { return &Fault{Status: http.StatusServiceUnavailable} }

// Times makes a script that lets the first n requests fail, and none after.
func Times(n int, f *Fault) func(*http.Request) *Fault {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	return func(*http.Request) *Fault {
		select {
		case <-left:
			return f
		default:
			return nil
		}
	}
}

// front is what stands before each server: it logs the requests, and lets go wrong what the script says.
type front struct {
	now     func() time.Time
	answer  func(http.ResponseWriter, *http.Request) // without faults
	problem func(status int) []byte                  // the body of an error in the service's own form
	secret  []string                                 // paths whose requests carry tokens: their bodies are not logged
	zip     zippers

	mu     sync.Mutex
	script func(*http.Request) *Fault
	log    []Logged
}

// Script sets what goes wrong from now on: asked before each request, nil for nothing. It may be called from many goroutines.
func (f *front) Script(script func(*http.Request) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

// Logged is one request that was answered.
type Logged struct {
	Time   time.Time // by the server's clock
	Method string
	Path   string
	Query  string // raw
	Body   string // of a POST to the API, at most 4 KiB
	Status int    // 0 when no answer was sent
}

// Log returns the requests so far, oldest first, the last 100,000 at most.
func (f *front) Log() []Logged {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Logged(nil), f.log...)
}

// ClearLog forgets them.
func (f *front) ClearLog() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = nil
}

const mostLogged = 100_000

// ServeHTTP answers one request, with whatever fault the script has for it.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := Logged{Time: f.now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
	if r.Method == http.MethodPost && r.Body != nil && !slices.Contains(f.secret, r.URL.Path) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		entry.Body = string(body[:min(len(body), 4096)])
	}
	seen := &statusWriter{ResponseWriter: w}
	defer func() {
		entry.Status = seen.status
		f.mu.Lock()
		if len(f.log) >= mostLogged {
			f.log = append(f.log[:0], f.log[mostLogged/2:]...)
		}
		f.log = append(f.log, entry)
		f.mu.Unlock()
	}()
	f.mu.Lock()
	script := f.script
	f.mu.Unlock()
	var wrong *Fault
	if script != nil {
		wrong = script(r)
	}
	if wrong == nil {
		f.answer(seen, r)
		return
	}
	f.faulty(seen, r, wrong)
}

func (f *front) faulty(w *statusWriter, r *http.Request, wrong *Fault) {
	if wrong.Delay > 0 && !wait(r, wrong.Delay) {
		return
	}
	switch {
	case wrong.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case wrong.Drop:
		panic(http.ErrAbortHandler)
	case wrong.Status != 0:
		for k, v := range wrong.Header {
			w.Header()[k] = v
		}
		body := []byte(wrong.Body)
		if wrong.Body == "" {
			body = f.problem(wrong.Status)
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		f.send(w, r, wrong.Status, body)
	case wrong.HTML:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		f.send(w, r, http.StatusOK, []byte("<!DOCTYPE html><title>Sign in</title><p>Please sign in to this network."))
	case wrong.Junk:
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		f.send(w, r, http.StatusOK, []byte("{\"dataPoints\":[{\"heartRate\":{\x00\xff\xfe]]}}garbage"))
	case wrong.Huge > 0:
		huge(w, wrong.Huge)
	case wrong.Cut != 0:
		f.cut(w, r, max(wrong.Cut, 0))
	case wrong.Drip > 0:
		f.drip(w, r, wrong)
	default:
		f.answer(w, r)
	}
}

func statusWord(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "INVALID_ARGUMENT"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusPreconditionFailed:
		return "FAILED_PRECONDITION"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL"
}

// wait reports false when the client went away first.
func wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// huge writes JSON that never comes to an end before n bytes.
func huge(w http.ResponseWriter, n int64) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	piece := bytes.Repeat([]byte(`{"heartRate":{"beatsPerMinute":"72"}},`), 1024)
	if _, err := fmt.Fprint(w, `{"dataPoints":[`); err != nil {
		return
	}
	for ; n > 0; n -= int64(len(piece)) {
		if _, err := w.Write(piece[:min(int64(len(piece)), n)]); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`{}]}`))
}

// cut sends the real answer's head and the first n bytes of its body.
func (f *front) cut(w *statusWriter, r *http.Request, n int) {
	rec := &recorder{header: http.Header{}}
	f.answer(rec, r)
	rec.head(w)
	_, _ = w.Write(rec.body[:min(n, len(rec.body))])
	_ = http.NewResponseController(w.ResponseWriter).Flush() // without it the client would not see the bytes
	panic(http.ErrAbortHandler)
}

func (f *front) drip(w *statusWriter, r *http.Request, slow *Fault) {
	rec := &recorder{header: http.Header{}}
	f.answer(rec, r)
	rec.head(w)
	size := slow.Bytes
	if size <= 0 {
		size = 64
	}
	for b := rec.body; len(b) > 0; b = b[min(size, len(b)):] {
		if _, err := w.Write(b[:min(size, len(b))]); err != nil {
			return
		}
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		if !wait(r, slow.Drip) {
			return
		}
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(code int) {
	if w.status == 0 {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// recorder holds an answer back.
type recorder struct {
	header http.Header
	code   int
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, b...)
	return len(b), nil
}

func (r *recorder) head(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.code)
}
