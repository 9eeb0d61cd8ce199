package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// route is one address: what it answers to GET and to POST.
type route struct {
	get, post func(s *Server, w http.ResponseWriter, r *request)
	open      bool // also for those who have not signed in

	resend *resending                           // what may be sent once more where the form was out of date; nil for nothing
	keep   func(s *Server, r *request, n *note) // what stays filled in then, where nothing may
}

// request is a request that was let in.
type request struct {
	*http.Request
	identity string // empty for nobody, on open routes
}

// routes are all addresses. They stand on one level, so that a relative address is right wherever ingress puts the page. A path is
// one of these to the letter or nothing: nothing is cleaned, decoded twice or looked up on a disk.
func (s *Server) routes() http.Handler {
	table := s.addresses()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.in(r).answer(w, r, table) })
}

// addresses are what routes are made of.
func (s *Server) addresses() map[string]route {
	table := map[string]route{
		"/":            {get: (*Server).today},
		"/history":     {get: (*Server).history},
		"/series":      {get: (*Server).series},
		"/status":      {get: (*Server).showStatus},
		"/setup":       {get: (*Server).setup},
		"/dashboards":  {get: (*Server).dashboards},
		"/qr":          {get: (*Server).qr},
		"/confirm":     {get: (*Server).confirm},
		"/events":      {get: (*Server).stream},
		"/pieces":      {get: (*Server).pieces},
		"/download":    {get: (*Server).download},
		"/client":      {post: (*Server).client, keep: (*Server).keepClient},
		"/begin":       {post: (*Server).begin, resend: &resending{title: "step_connect"}},
		"/finish":      {post: (*Server).finish},
		"/database":    {post: (*Server).database, keep: (*Server).keepDatabase},
		"/install":     {post: (*Server).install, keep: (*Server).keepGrafana},
		"/sync":        {post: (*Server).sync, resend: &resending{title: "sync_title"}},
		"/pause":       {post: (*Server).pause, resend: &resending{title: "pause_title", fields: []string{"do", "length"}}},
		"/export":      {post: (*Server).export, resend: &resending{title: "export_title", fields: []string{"first", "last", "format", "series", "everybody"}, download: true}},
		"/snapshot":    {post: (*Server).snapshot, resend: &resending{title: "snapshot_title"}},
		"/backfill":    {post: (*Server).backfill, resend: &resending{title: "backfill_title", fields: []string{"first", "last", "again"}}},
		"/replay":      {post: (*Server).replay, resend: &resending{title: "replay_title", fields: []string{"sink"}}},
		"/check":       {post: (*Server).check, resend: &resending{title: "check_title"}},
		"/diagnose":    {post: (*Server).diagnose, resend: &resending{title: "diagnose_title", fields: []string{"ask"}, download: true}},
		"/deauthorize": {post: (*Server).deauthorize},
		"/erase":       {post: (*Server).erase},
		"/sensors":     {post: (*Server).sensors},
	}
	if s.cfg.Password != "" && !s.cfg.Ingress {
		table["/login"] = route{get: (*Server).showLogin, post: (*Server).login, open: true}
		table["/logout"] = route{post: (*Server).logout}
	}
	for name, a := range s.assets() {
		table["/static/"+name] = route{get: a.serve, open: true}
	}
	return table
}

// answer lets a request in, or refuses it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, table map[string]route) {
	s.header(w)
	if !s.welcome(r) {
		w.Header().Set("Connection", "close")
		s.cfg.Log.Debug("a visitor was refused", "peer", peerOf(r).String())
		s.refuse(w, http.StatusForbidden, "refused_peer")
		return
	}
	at, ok := table[r.URL.Path]
	if !ok || r.URL.RawPath != "" {
		s.turnAway(w, r, http.StatusNotFound, "refused_path")
		return
	}
	handle, changes := at.get, false
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		handle, changes = at.post, true
	default:
		handle = nil
	}
	if handle == nil {
		w.Header().Set("Allow", allowed(at))
		s.turnAway(w, r, http.StatusMethodNotAllowed, "refused_method")
		return
	}
	in := &request{Request: r}
	if in.identity, ok = s.identity(r); !ok && !at.open {
		s.needLogin(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if r.URL.Path == "/events" { // lives long and has a limit of its own
		handle(s, w, in)
		return
	}
	wait := time.NewTimer(maxWaiting)
	defer wait.Stop()
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-wait.C:
		w.Header().Set("Retry-After", "10")
		s.turnAway(w, r, http.StatusServiceUnavailable, "refused_busy")
		return
	case <-r.Context().Done():
		return
	}
	if changes && !s.mayChange(w, in) {
		return
	}
	ctx, leave, err := s.gate.enter(r.Context(), maxWaiting)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		s.turnAway(w, r, http.StatusServiceUnavailable, "refused_busy")
		return
	}
	defer leave()
	in.Request = in.WithContext(ctx)
	if changes && !s.sessions.checkToken(in.identity, in.PostForm.Get("token")) {
		s.stale(w, in, at)
		return
	}
	handle(s, w, in)
}

func allowed(at route) string {
	switch {
	case at.post == nil:
		return "GET, HEAD"
	case at.get == nil:
		return "POST"
	}
	return "GET, HEAD, POST"
}

// mayChange checks a POST: where it comes from, its size and form. The session's token is checked inside the gate: what is said of a
// wrong one asks the program.
func (s *Server) mayChange(w http.ResponseWriter, r *request) bool {
	if !s.fromHere(r.Request) {
		s.refuse(w, http.StatusForbidden, "refused_site")
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		s.turnAway(w, r.Request, http.StatusUnsupportedMediaType, "refused_form")
		return false
	}
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			s.turnAway(w, r.Request, http.StatusRequestEntityTooLarge, "refused_size")
		} else {
			s.turnAway(w, r.Request, http.StatusBadRequest, "refused_form")
		}
		return false
	}
	return true
}

// header sets what every answer carries.
func (s *Server) header(w http.ResponseWriter) {
	ancestors := "'none'"
	if s.cfg.Ingress {
		ancestors = "'self'" // Home Assistant shows the page in a frame of its own origin
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "+ancestors)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the browser hide the origin of our own forms
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
}

// refuse answers with one sentence and nothing of the request.
func (s *Server) refuse(w http.ResponseWriter, status int, key string) {
	http.Error(w, s.word(key), status)
}

// needLogin sends a browser to the form, and stops everything else.
func (s *Server) needLogin(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != "/events" && r.URL.Path != "/pieces" {
		redirect(w, "login")
		return
	}
	if r.Method == http.MethodPost && readsPages(r) { // its session has ended, maybe with the process that made the form
		s.render(w, &request{Request: r}, "login", http.StatusUnauthorized, view{Title: "login_title", Notes: []note{{Title: s.word("stale_title"), Hint: s.word("stale_login")}}})
		return
	}
	s.refuse(w, http.StatusUnauthorized, "refused_login")
}

// redirect sends the browser to a page. http.Redirect would make the address absolute, which is wrong behind ingress.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// back returns to the page that a form stood on.
func (s *Server) back(w http.ResponseWriter, r *request) { redirect(w, backTo(r)) }

// backTo is the relative address of the page that a form stood on.
func backTo(r *request) string {
	page := here(r.PostForm.Get("back"))
	q := url.Values{}
	if id := r.PostForm.Get("person"); id != "" {
		q.Set("person", id)
	}
	if step := r.PostForm.Get("step"); page == "setup" && slices.Contains(steps, step) {
		q.Set("step", step)
	}
	if len(q) > 0 {
		page += "?" + q.Encode()
	}
	return page
}

// asset is a file of the page.
type asset struct {
	kind   string
	data   []byte
	packed []byte // the same for those who take gzip
	sum    string // in the address, so that it can be kept for ever
}

func (s *Server) assets() map[string]asset {
	list, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	out := map[string]asset{}
	for _, f := range list {
		data, err := fs.ReadFile(files, "static/"+f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		kind := map[string]string{".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}[path.Ext(f.Name())]
		out[f.Name()] = asset{kind: kind + "; charset=utf-8", data: data, packed: pack(data), sum: hex.EncodeToString(sum[:6])}
	}
	return out
}

func (a asset) serve(_ *Server, w http.ResponseWriter, r *request) {
	if r.URL.RawQuery == "v="+a.sum {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Vary", "Accept-Encoding")
	if !takesGzip(r.Request) {
		w.Write(a.data)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Write(a.packed)
}

// takesGzip is about files alone: a page holds the session's token, and packed together with what a visitor may choose, its length
// could tell of it.
func takesGzip(r *http.Request) bool {
	for _, v := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		if name, q, _ := strings.Cut(strings.TrimSpace(v), ";"); name == "gzip" {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(data)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // nothing can fail in memory
	}
	return b.Bytes()
}

func (s *Server) showLogin(w http.ResponseWriter, r *request) {
	if r.identity != "" {
		redirect(w, "./")
		return
	}
	s.render(w, r, "login", http.StatusOK, view{Title: "login_title", Notes: s.sessions.takeNotes("")})
}

func (s *Server) login(w http.ResponseWriter, r *request) {
	peer := peerOf(r.Request)
	if !s.sessions.mayGuess(peer) {
		w.Header().Set("Retry-After", "30")
		s.render(w, r, "login", http.StatusTooManyRequests, view{Title: "login_title", Notes: []note{{Title: s.word("login_often")}}})
		return
	}
	if !samePassword(r.PostForm.Get("password"), s.cfg.Password) {
		s.cfg.Log.Warn("a wrong password was given on the page", "peer", peer.String())
		s.render(w, r, "login", http.StatusForbidden, view{Title: "login_title", Notes: []note{{Title: s.word("login_wrong")}}})
		return
	}
	s.setCookie(w, r.Request, s.sessions.begin(), int(sessionLife.Seconds()))
	redirect(w, "./")
}

func (s *Server) logout(w http.ResponseWriter, r *request) {
	s.sessions.end(strings.TrimPrefix(r.identity, "signed in "))
	s.setCookie(w, r.Request, "", -1)
	redirect(w, "login")
}
