package auth

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func TestManyAskOneRefreshes(t *testing.T) {
	r := newRig(t)
	got := make([]string, 100)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			tok, err := r.tokens.Token(t.Context())
			if err != nil {
				t.Error(err)
			}
			got[i] = tok
		})
	}
	wg.Wait()
	for _, tok := range got {
		if tok != got[0] || tok == "" {
			t.Fatal("different tokens were handed out")
		}
	}
	if n := r.count(); n != 1 {
		t.Fatalf("%d refreshes, want 1", n)
	}
}

func TestRenewalAheadOfTheEnd(t *testing.T) {
	r := newRig(t)
	use(t, r, 1)
	r.clock.add(54 * time.Minute)
	use(t, r, 1)
	r.clock.add(90 * time.Second)
	use(t, r, 2) // five minutes before the end
	r.change(func() { r.lives = 60 })
	r.clock.add(time.Hour)
	use(t, r, 3)
	r.clock.add(50 * time.Second)
	use(t, r, 3) // a short life is not renewed all the time
	r.clock.add(5 * time.Second)
	use(t, r, 4)
}

// use asks for a token and checks how often the service has been asked until now.
func use(t *testing.T, r *rig, refreshes int) string {
	t.Helper()
	tok, err := r.tokens.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := r.count(); n != refreshes {
		t.Fatalf("%d refreshes, want %d", n, refreshes)
	}
	return tok
}

func TestRotatingTokensAreKept(t *testing.T) {
	r := newRig(t)
	r.rotate = true
	for i := range 3 {
		use(t, r, i+1)
		r.clock.add(time.Hour)
	}
	r.open(t) // as after a restart
	use(t, r, 4)
	loaded, err := NewFile(r.file.previous()).Load(r.clock.Now())
	if err != nil || loaded.Token.Refresh == "" || loaded.Token.Refresh == r.tokens.Snapshot().Refresh {
		t.Fatalf("the previous token is not kept: %v, %v", loaded, err)
	}
}

func TestRejectedUntilReauthorized(t *testing.T) {
	r := newRig(t)
	r.change(func() { delete(r.valid, "SECRET-refresh-0") })
	changed := r.tokens.Changed()
	for range 5 {
		_, err := r.tokens.Token(t.Context())
		wantError(t, err, source.Auth, "invalid_grant", "Authorize again")
		r.clock.add(time.Hour)
	}
	if n := r.count(); n != 1 {
		t.Fatalf("%d refreshes after a rejection, want 1", n)
	}
	closed(t, changed)
	if st := r.tokens.State(r.clock.Now()); st.Standing != Dead || !strings.Contains(st.Text, "invalid_grant") {
		t.Fatalf("state %+v", st)
	}

	changed = r.tokens.Changed()
	r.change(func() { r.valid["SECRET-refresh-new"] = true })
	if err := r.tokens.Reauthorize(Token{Refresh: "SECRET-refresh-new"}); err != nil {
		t.Fatal(err)
	}
	closed(t, changed)
	use(t, r, 2)
}

func closed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	default:
		t.Fatal("no notice of the change")
	}
}

func TestAnotherProcessAuthorizes(t *testing.T) {
	r := newRig(t)
	r.change(func() { delete(r.valid, "SECRET-refresh-0") })
	if _, err := r.tokens.Token(t.Context()); err == nil {
		t.Fatal("a void refresh token was accepted")
	}
	changed := r.tokens.Changed()
	r.change(func() { r.valid["SECRET-refresh-elsewhere"] = true })
	// The Python project's older form.
	if err := os.WriteFile(r.file.Path(), []byte(`{"access_token": "SECRET-a", "refresh_token": "SECRET-refresh-elsewhere"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.tokens.guard()
	closed(t, changed)
	use(t, r, 2)
}

func TestRunNoticesTheFile(t *testing.T) {
	file := NewFile(filepath.Join(t.TempDir(), "token.json"))
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		r := &rig{log: log}
		tokens, err := New(Config{Client: Client{Provider: Google()}, File: file, Now: time.Now, Log: r.logger()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tokens.Run(ctx) }()
		changed := tokens.Changed()
		synctest.Wait()
		if err := NewFile(file.Path()).Save(Token{Refresh: "SECRET-r", RefreshExpires: time.Now().Add(73 * time.Hour)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-changed
		if waited := time.Since(start); waited > look {
			t.Errorf("noticed after %v", waited)
		}
		time.Sleep(73 * time.Hour)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		tokens.Close(t.Context())
		if n := strings.Count(log.String(), "level=WARN"); n != 3 {
			t.Errorf("%d warnings, want 3:\n%s", n, log)
		}
		for _, left := range []string{"ends in 3 days", "ends in 24 hours", "ends in 6 hours"} {
			if !strings.Contains(log.String(), left) {
				t.Errorf("no warning %q:\n%s", left, log)
			}
		}
	})
}

func TestNetworkErrorsPause(t *testing.T) {
	r := newRig(t)
	down := func(w http.ResponseWriter, _ *http.Request) bool {
		panic(http.ErrAbortHandler)
	}
	r.change(func() { r.fault = down })
	var pauses []time.Duration
	for range 12 {
		_, err := r.tokens.Token(t.Context())
		wantError(t, err, source.Retry, "", "internet connection")
		var e *source.Error
		errors.As(err, &e)
		asked := r.asked()
		if _, again := r.tokens.Token(t.Context()); again == nil || r.asked() != asked {
			t.Fatal("asked again within the pause")
		}
		pauses = append(pauses, e.Until.Sub(r.clock.Now()))
		r.clock.add(e.Until.Sub(r.clock.Now()))
	}
	if pauses[0] != firstPause || pauses[1] != 2*firstPause || pauses[11] != longPause {
		t.Fatalf("pauses %v", pauses)
	}
	r.change(func() { r.fault = nil })
	for range 2 {
		if _, err := r.tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.clock.add(24 * time.Hour)
	}
	if n := strings.Count(r.log.String(), "renewed again"); n != 1 {
		t.Errorf("that it is over was reported %d times:\n%s", n, r.log)
	}
}

func TestClockSetBackDoesNotStopForEver(t *testing.T) {
	r := newRig(t)
	r.change(func() { r.fault = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) } })
	if _, err := r.tokens.Token(t.Context()); err == nil {
		t.Fatal("no error")
	}
	r.change(func() { r.fault = nil })
	r.clock.add(-365 * 24 * time.Hour)
	if _, err := r.tokens.Renew(t.Context(), "SECRET-access-0"); err != nil {
		t.Fatal(err)
	}
}

func TestOldAccessTokenServesWhileTheServiceIsDown(t *testing.T) {
	r := newRig(t)
	first := use(t, r, 1)
	r.clock.add(56 * time.Minute)
	r.change(func() {
		r.fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }
	})
	if got, err := r.tokens.Token(t.Context()); err != nil || got != first {
		t.Fatalf("error %v while the token lives", err)
	}
	r.clock.add(5 * time.Minute)
	_, err := r.tokens.Token(t.Context())
	wantError(t, err, source.Retry, "", "")
}

func TestSavedThoughTheAskerHasGone(t *testing.T) {
	r := newRig(t)
	r.rotate = true
	ctx, cancel := context.WithCancel(t.Context())
	r.change(func() { r.fault = func(http.ResponseWriter, *http.Request) bool { cancel(); return false } })
	if _, err := r.tokens.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the context's", err)
	}
	r.tokens.Close(t.Context())
	loaded, err := NewFile(r.file.Path()).Load(r.clock.Now())
	if err != nil || !r.valid[loaded.Token.Refresh] {
		t.Fatalf("the new refresh token was lost: %v, %v", loaded.Token, err)
	}
}

func TestDiskFull(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		r := newRig(t)
		r.rotate = rotate
		write := r.file.write
		r.file.write = func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }
		_, err := r.tokens.Token(t.Context())
		if !rotate {
			if err != nil {
				t.Fatalf("the file still leads on, yet: %v", err)
			}
			continue
		}
		wantError(t, err, source.Retry, "token_not_saved", "disk must have room")
		r.clock.add(firstPause)
		r.file.write = write
		if tok := use(t, r, 1); !r.access[tok] { // saved without asking the service again
			t.Fatal("the token is not good")
		}
		loaded, _ := NewFile(r.file.Path()).Load(r.clock.Now())
		if !r.valid[loaded.Token.Refresh] {
			t.Fatal("the new refresh token is not on disk")
		}
	}
}

// TestKilledBetweenAnswerAndSave kills a process when the service has answered and nothing is written yet.
func TestKilledBetweenAnswerAndSave(t *testing.T) {
	if path := os.Getenv("AUTH_TEST_KILL"); path != "" {
		file := NewFile(path)
		file.write = func(string, []byte, fs.FileMode) error {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		c := Client{Provider: Google().At("", os.Getenv("AUTH_TEST_TOKEN_URL"), ""), ID: "client-1", Secret: "SECRET-client"}
		tokens, err := New(Config{Client: c, File: file, Now: time.Now, Log: (&rig{log: &syncBuffer{}}).logger()})
		if err != nil {
			t.Fatal(err)
		}
		tokens.Token(t.Context())
		t.Fatal("still alive")
	}
	r := newRig(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledBetweenAnswerAndSave$")
	cmd.Env = append(os.Environ(), "AUTH_TEST_KILL="+r.file.Path(), "AUTH_TEST_TOKEN_URL="+r.URL+"/token")
	out, err := cmd.CombinedOutput()
	if err == nil || err.Error() != "signal: killed" || r.count() != 1 {
		t.Fatalf("child: %v, %d refreshes\n%s", err, r.count(), out)
	}
	r.open(t)
	use(t, r, 2)
}

func TestForgetWhileRefreshing(t *testing.T) {
	r := newRig(t)
	in, out := make(chan struct{}), make(chan struct{})
	r.change(func() {
		r.fault = func(http.ResponseWriter, *http.Request) bool { close(in); <-out; return false }
	})
	done := make(chan error)
	go func() {
		_, err := r.tokens.Token(t.Context())
		done <- err
	}()
	<-in
	if err := r.tokens.Forget(); err != nil {
		t.Fatal(err)
	}
	close(out)
	wantError(t, <-done, source.Auth, "not_authorized", "fitbit-fetch authorize")
	if _, err := os.Stat(r.file.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the token came back: %v", err)
	}
}

func TestAnswersOfTheTokenService(t *testing.T) {
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		want   source.Kind
		reason string
		hint   string
	}{
		{"invalid client", 401, "application/json", `{"error":"invalid_client","error_description":"Unauthorized"}`, source.Auth, "invalid_client", "page Clients"},
		{"wrong type", 401, "application/json", `{"error":"unauthorized_client"}`, source.Auth, "unauthorized_client", "Desktop app"},
		{"secret missing", 400, "application/json", `{"error":"invalid_request","error_description":"client_secret is missing."}`, source.Auth, "invalid_request", "client secret is missing"},
		{"redirect", 400, "application/json", `{"error":"redirect_uri_mismatch"}`, source.Auth, "redirect_uri_mismatch", "http://localhost:8080"},
		{"echo", 400, "application/json", `{"error":"invalid_grant","error_description":"SECRET-refresh-0 SECRET-client"}`, source.Auth, "invalid_grant", "Authorize again"},
		{"unknown right", 400, "application/json", `{"error":"invalid_scope"}`, source.Auth, "invalid_scope", "API is enabled"},
		{"not available, as an error word", 400, "application/json", `{"error":"temporarily_unavailable"}`, source.Retry, "temporarily_unavailable", "by itself"},
		{"overload", 503, "text/html", `<html>SECRET-refresh-0`, source.Retry, "", "internet"},
		{"limit", 429, "application/json", `{}`, source.Limited, "", "by itself"},
		{"retired", 410, "text/html", `gone`, source.Gone, "", "retired"},
		{"other page", 404, "text/html", `<html>`, source.Retry, "", "address of Google's token service"},
		{"page instead of token", 200, "text/html", `<html>SECRET-refresh-0`, source.Retry, "", "internet"},
		{"no token", 200, "application/json", `{}`, source.Retry, "", "internet"},
		{"token with a line break", 200, "application/json", `{"access_token":"a\nb"}`, source.Retry, "", "internet"},
		{"redirected", 307, "text/plain", ``, source.Retry, "", "address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.change(func() {
				r.fault = func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Content-Type", tt.kind)
					w.Header().Set("Retry-After", "77")
					w.Header().Set("Location", r.URL+"/elsewhere")
					w.WriteHeader(tt.status)
					w.Write([]byte(tt.body))
					return true
				}
			})
			_, err := r.tokens.Token(t.Context())
			wantError(t, err, tt.want, tt.reason, tt.hint)
			var e *source.Error
			errors.As(err, &e)
			if waits := tt.status == 429 || tt.status == 503; waits && !e.Until.Equal(r.clock.Now().Add(77*time.Second)) {
				t.Fatalf("until %v", e.Until)
			}
		})
	}
}

// TestOtherProvidersFile: nothing of another service's token is sent, whether the file says whose it is or, as older ones of the
// Python project, does not. It counts as no authorization, is told with the cure, and is kept when there is one.
func TestOtherProvidersFile(t *testing.T) {
	for _, old := range []Token{{Provider: "fitbit", Refresh: "SECRET-refresh-0"}, {Refresh: strings.Repeat("0a", 32)}} {
		r := newRig(t, old)
		_, err := r.tokens.Token(t.Context())
		wantError(t, err, source.Auth, "other_provider", "set provider (HEALTH_API_PROVIDER) to fitbit")
		if r.count() != 0 {
			t.Fatal("another service's token was sent")
		}
		st := r.tokens.State(r.clock.Now())
		if st.Standing != Missing || !strings.Contains(st.Text, "is for Fitbit, but the provider is google") || !strings.Contains(st.Hint, "fitbit-fetch authorize") {
			t.Errorf("%+v", st)
		}
		if err := r.tokens.Reauthorize(Token{Provider: "google", Refresh: "1//r", Access: "a"}); err != nil {
			t.Fatal(err)
		}
		path := r.tokens.cfg.File.Path()
		if kept, err := r.tokens.cfg.File.read(path + ".fitbit"); err != nil || kept.Refresh != old.Refresh {
			t.Errorf("kept %v, %v", kept, err)
		}
		if st := r.tokens.State(r.clock.Now()); st.Standing != Good {
			t.Errorf("then %+v", st)
		}
	}
}
