package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const account, other = "1234567890123456789", "9876543210987654321"

func begin(t *testing.T, f *Flow) Visit {
	t.Helper()
	v, err := f.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestConsentAddress(t *testing.T) {
	r := newRig(t, Token{})
	v := begin(t, r.flow("", account))
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for key, want := range map[string]string{"access_type": "offline", "prompt": "consent", "response_type": "code", "client_id": "client-1",
		"redirect_uri": "http://localhost:8080", "code_challenge_method": "S256", "scope": strings.Join(Google().scopeIDs(), " ")} {
		if q.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, q.Get(key), want)
		}
	}
	if q.Has("include_granted_scopes") || len(q.Get("state")) < 20 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("address %s", v.URL)
	}
	if !v.Expires.Equal(r.clock.Now().Add(10 * time.Minute)) {
		t.Errorf("expires %v", v.Expires)
	}
	info, err := os.Stat(pendingPath(r.file.Path()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the attempt's file: %v, %v", info, err)
	}
}

// TestFinishWithWhateverIsPasted gives the way back in every form people paste it in.
func TestFinishWithWhateverIsPasted(t *testing.T) {
	forms := map[string]func(address, code string) string{
		"whole address":     func(a, _ string) string { return a },
		"with blanks":       func(a, _ string) string { return "  " + a + "\n" },
		"broken over lines": func(a, _ string) string { return a[:30] + "\r\n  " + a[30:] },
		"in quotes":         func(a, _ string) string { return `"` + a + `"` },
		"without scheme":    func(a, _ string) string { return strings.TrimPrefix(a, "http://") },
		"only the query":    func(a, _ string) string { return a[strings.Index(a, "?"):] },
		"query, no mark":    func(a, _ string) string { return a[strings.Index(a, "?")+1:] },
		"with a fragment":   func(a, _ string) string { return a + "#_=_" },
		"other host":        func(a, _ string) string { return strings.Replace(a, "localhost:8080", "127.0.0.1:8080", 1) },
		"code":              func(_, c string) string { return c },
		"code, encoded":     func(_, c string) string { return url.QueryEscape(c) },
		"code, fragment":    func(_, c string) string { return c + "#_=_" },
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Token{})
			f := r.flow(account, account)
			address := r.consent(t, begin(t, f).URL)
			u, _ := url.Parse(address)
			g, err := r.flow(account, account).Finish(t.Context(), form(address, u.Query().Get("code")), false) // as another process would
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Granted) != 5 || len(g.Missing) != 0 || g.Account != "123…789" {
				t.Fatalf("grant %+v", g)
			}
			if _, err := r.tokens.Token(t.Context()); err != nil || r.count() != 0 {
				t.Fatalf("%v, %d refreshes", err, r.count())
			}
			if got := r.tokens.Snapshot(); got.Account != account || !got.Authorized.Equal(r.clock.Now()) {
				t.Fatalf("token %v", got)
			}
			if _, err := os.Stat(pendingPath(r.file.Path())); !os.IsNotExist(err) {
				t.Fatal("the attempt is still there")
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		name   string
		paste  func(r *rig, address string) string
		kind   source.Kind
		reason string
		hint   string
	}{
		{"nothing", func(*rig, string) string { return " \n" }, source.Bad, "paste", "begins with http://localhost:8080"},
		{"consent page", func(r *rig, _ string) string { return r.URL + "/auth?client_id=client-1" }, source.Bad, "paste", "Go on there until"},
		{"any page", func(*rig, string) string { return "https://example.com/index.html" }, source.Bad, "paste", "code="},
		{"denied", func(*rig, string) string { return "http://localhost:8080/?error=access_denied" }, source.Auth, "access_denied", "test user"},
		{"other error", func(*rig, string) string { return "http://localhost:8080/?error=interaction_required" }, source.Auth, "interaction_required", "Begin again"},
		{"redirect", func(*rig, string) string { return "http://localhost:8080/?error=redirect_uri_mismatch" }, source.Auth, "redirect_uri_mismatch", "authorized redirect URIs"},
		{"access token", func(*rig, string) string { return "ya29.SECRET" }, source.Bad, "paste", "refresh token"},
		{"client secret", func(*rig, string) string { return "GOCSPX-SECRET" }, source.Bad, "paste", "client"},
		{"client id", func(*rig, string) string { return "1-a.apps.googleusercontent.com" }, source.Bad, "paste", "client"},
		{"too long", func(*rig, string) string { return strings.Repeat("SECRET", 2000) }, source.Bad, "paste", "code="},
		{"a sentence", func(*rig, string) string { return "SECRET?" }, source.Bad, "paste", "code="},
		{"other attempt", func(_ *rig, a string) string { return strings.Replace(a, "state=", "state=x", 1) }, source.Auth, "state", "newest link"},
		{"too late", func(r *rig, a string) string { r.clock.add(10*time.Minute + time.Second); return a }, source.Auth, "expired", "Begin again"},
		{"too late, code", func(r *rig, _ string) string { r.clock.add(11 * time.Minute); return "4/SECRET" }, source.Auth, "not_begun", "Begin again"},
		{"wrong code", func(*rig, string) string { return "4/SECRET-wrong" }, source.Auth, "invalid_grant", "used once"},
		{"wrong secret", func(r *rig, a string) string { r.secret = "SECRET-other"; return a }, source.Auth, "invalid_client", "page Clients"},
		{"not registered", func(r *rig, a string) string { r.redirect = "http://localhost:1"; return a }, source.Auth, "redirect_uri_mismatch", "http://localhost:8080"},
		{"void refresh token", func(*rig, string) string { return "1//SECRET" }, source.Auth, "invalid_grant", "another client id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Token{})
			f := r.flow("", account)
			address := r.consent(t, begin(t, f).URL)
			_, err := f.Finish(t.Context(), tt.paste(r, address), false)
			wantError(t, err, tt.kind, tt.reason, tt.hint)
			if !r.tokens.Snapshot().Empty() {
				t.Fatal("authorized nevertheless")
			}
		})
	}
}

func TestReplay(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow("", account)
	address := r.consent(t, begin(t, f).URL)
	if _, err := f.Finish(t.Context(), address, false); err != nil {
		t.Fatal(err)
	}
	_, err := f.Finish(t.Context(), address, false)
	wantError(t, err, source.Auth, "state", "nothing is to be done")
	begin(t, f)
	u, _ := url.Parse(address)
	_, err = f.Finish(t.Context(), u.Query().Get("code"), false)
	wantError(t, err, source.Auth, "invalid_grant", "used once")
}

func TestTwoPagesOpened(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow("", account)
	first := begin(t, f)
	for range 3 {
		begin(t, f)
	}
	if _, err := f.Finish(t.Context(), r.consent(t, first.URL), false); err != nil {
		t.Fatal(err)
	}
}

func TestMissingScopesAndSevenDays(t *testing.T) {
	r := newRig(t, Token{})
	r.change(func() {
		r.scope = "https://www.googleapis.com/auth/googlehealth.sleep.readonly openid"
		r.sevenDays = 604799
	})
	f := r.flow("", account)
	g, err := f.Finish(t.Context(), r.consent(t, begin(t, f).URL), false)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(g.Words, "\n")
	for _, want := range []string{"Granted: sleep (sleep and its stages).", "Missing: location. Without it there is no data on: GPS tracks of workouts.", "ends in 6 days", "publish it"} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q in:\n%s", want, words)
		}
	}
	if len(g.Missing) != 4 || !g.RefreshExpires.Equal(r.clock.Now().Add(604799*time.Second)) {
		t.Errorf("grant %+v", g)
	}
	st := r.tokens.State(r.clock.Now())
	if st.Standing != Ending || st.Soon || len(st.Missing) != 4 {
		t.Errorf("state %+v", st)
	}
	r.clock.add(604799 * time.Second)
	r.change(func() { clear(r.valid) })
	_, err = r.tokens.Token(t.Context())
	wantError(t, err, source.Auth, "invalid_grant", "publish it")
}

func TestOtherAccountIsRefused(t *testing.T) {
	r := newRig(t)
	f := r.flow(account, other)
	address := r.consent(t, begin(t, f).URL)
	_, err := f.Finish(t.Context(), address, false)
	wantError(t, err, source.Auth, "other_account", "new person")
	if !strings.Contains(err.Error(), "123…789") || !strings.Contains(err.Error(), "987…321") || strings.Contains(err.Error(), account) {
		t.Fatalf("error %v", err)
	}
	if got := r.tokens.Snapshot().Refresh; got != "SECRET-refresh-0" {
		t.Fatal("the archive's own authorization is gone")
	}
	// The same address goes through once the user says so.
	if _, err := f.Finish(t.Context(), address, true); err != nil {
		t.Fatal(err)
	}
	if r.tokens.Snapshot().Account != other {
		t.Fatal("not taken over")
	}
}

func TestAccountCannotBeAsked(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow(account, account)
	ask := f.cfg.Identity
	f.cfg.Identity = func(context.Context, string) (string, error) {
		return "", &source.Error{Kind: source.Auth, Reason: "SERVICE_DISABLED", Hint: "Enable the API."}
	}
	address := r.consent(t, begin(t, f).URL)
	_, err := f.Finish(t.Context(), address, false)
	wantError(t, err, source.Auth, "SERVICE_DISABLED", "Enable the API. Then paste the same address again.")
	f.cfg.Identity = ask
	if _, err := f.Finish(t.Context(), address, false); err != nil { // without a second exchange
		t.Fatal(err)
	}

	f.cfg.Known = nil
	f.cfg.Identity = func(context.Context, string) (string, error) { return "", errors.New("off") }
	g, err := f.Finish(t.Context(), r.consent(t, begin(t, f).URL), false)
	if err != nil || !strings.Contains(strings.Join(g.Words, "\n"), "did not tell the account") {
		t.Fatalf("%v, %v", g.Words, err)
	}
}

func TestExistingRefreshToken(t *testing.T) {
	r := newRig(t, Token{})
	r.rotate = true
	f := r.flow(account, other)
	_, err := f.UseRefreshToken(t.Context(), " SECRET-refresh-0\n", false)
	wantError(t, err, source.Auth, "other_account", "new person")
	// The service has rotated it: the new one was kept, and the old one typed again finds it.
	if _, err := r.flow(account, account).UseRefreshToken(t.Context(), "SECRET-refresh-0", false); err != nil {
		t.Fatal(err)
	}
	if r.count() != 1 {
		t.Fatalf("%d refreshes, want 1", r.count())
	}
	r.clock.add(time.Hour)
	use(t, r, 2)
}

func TestRevoke(t *testing.T) {
	r := newRig(t)
	use(t, r, 1)
	f := r.flow(account, account)
	r.change(func() {
		r.fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }
	})
	wantError(t, f.Revoke(t.Context()), source.Retry, "", "connections")
	if r.tokens.Snapshot().Empty() {
		t.Fatal("deleted though not revoked")
	}
	r.change(func() { r.fault = nil })
	changed := r.tokens.Changed()
	if err := f.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(t, changed)
	if fmt.Sprint(r.revoked) != "[SECRET-refresh-0]" {
		t.Fatalf("revoked %v", r.revoked)
	}
	for _, name := range []string{r.file.Path(), r.file.previous()} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Fatalf("%s is still there", name)
		}
	}
	if st := r.tokens.State(r.clock.Now()); st.Standing != Missing {
		t.Fatalf("state %+v", st)
	}
}

// freePort returns the redirect address of a port that is free now.
func freePort(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("http://localhost:%d", proctest.FreePort(t))
}

func TestCaughtByItself(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow("", account)
	f.cfg.Client.Redirect = freePort(t)
	r.redirect = f.cfg.Client.Redirect
	if err := f.Catchable(); err != nil {
		t.Fatal(err)
	}
	address := r.consent(t, begin(t, f).URL)
	type result struct {
		address string
		caught  bool
		err     error
	}
	done := make(chan result)
	go func() {
		a, caught, err := f.Await(t.Context(), nil)
		done <- result{a, caught, err}
	}()
	get := func(u string) int {
		code := 0
		proctest.Until(t, "somebody to listen at "+u, func() bool {
			resp, err := http.Get(u)
			if err != nil {
				return false
			}
			resp.Body.Close()
			code = resp.StatusCode
			return true
		}, nil)
		return code
	}
	for u, want := range map[string]int{f.cfg.Client.Redirect + "/favicon.ico": 404, f.cfg.Client.Redirect: 404, f.cfg.Client.Redirect + "/?code=x": 400, strings.Replace(address, "/?", "/other?", 1): 404, f.cfg.Client.Redirect + "/?code=x&state=y": 400} {
		if got := get(u); got != want {
			t.Errorf("%s: %d, want %d", u, got, want)
		}
	}
	if got := get(address); got != 200 {
		t.Fatalf("status %d", got)
	}
	res := <-done
	if res.err != nil || !res.caught {
		t.Fatalf("%+v", res)
	}
	if _, err := f.Finish(t.Context(), res.address, false); err != nil {
		t.Fatal(err)
	}
	if err := f.Catchable(); err != nil {
		t.Fatalf("still listening: %v", err)
	}
}

func TestPastedWhileListening(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow("", account)
	f.cfg.Client.Redirect = freePort(t)
	paste := make(chan string, 1)
	paste <- "pasted"
	if a, caught, err := f.Await(t.Context(), paste); a != "pasted" || caught || err != nil {
		t.Fatal(a, caught, err)
	}
	atEnd := make(chan string)
	close(atEnd)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := f.Await(ctx, atEnd); !errors.Is(err, context.DeadlineExceeded) { // it goes on listening
		t.Fatal(err)
	}
	for _, redirect := range []string{"https://www.google.com", "http://example.com:8080", "http://localhost", "https://localhost:8080", "http://192.168.1.2:8080", ":"} {
		f.cfg.Client.Redirect = redirect
		if _, _, err := f.Await(t.Context(), atEnd); !errors.Is(err, ErrNothingComes) || !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", redirect, err)
		}
		if err := f.Catchable(); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", redirect, err)
		}
	}
}

func TestNoClient(t *testing.T) {
	r := newRig(t, Token{})
	f := r.flow("", account)
	f.cfg.Client.ID = ""
	_, err := f.Begin()
	wantError(t, err, source.Auth, "no_client", "client id")
}

func FuzzPaste(f *testing.F) {
	for _, s := range []string{"", "http://localhost:8080/?code=4%2Fabc&state=x", "4/abc", "%zz", "localhost:8080/?error=x", "?code=", "1//x", "1//\x8e", "ya29.", "http://[::1", "\"http://a?code=b#_=_\""} {
		f.Add(s)
	}
	c := Client{Provider: Google(), Redirect: "http://localhost:8080"}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := c.parse(s)
		if err != nil {
			var e *source.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Fatalf("%q: %v without a hint", s, err)
			}
			return
		}
		if (p.code == "") == (p.refresh == "") || checkToken(p.code) != nil || checkToken(p.refresh) != nil {
			t.Fatalf("%q: %+v", s, p)
		}
	})
}

// TestRefreshTokenIsNotUsedUpInVain: Fitbit's works once. Where its answer could not be kept, it is not sent.
func TestRefreshTokenIsNotUsedUpInVain(t *testing.T) {
	r := newRig(t, Token{})
	folder := filepath.Dir(r.file.Path())
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // no folder can be made there, by root either
		t.Fatal(err)
	}
	_, err := r.flow("", account).UseRefreshToken(t.Context(), "SECRET-refresh-0", false)
	wantError(t, err, source.Retry, "token_not_saved", "has not been used")
	if r.count() != 0 {
		t.Fatal("it was sent")
	}
}
