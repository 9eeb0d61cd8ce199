package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func TestTokenFileForms(t *testing.T) {
	tests := []struct {
		name, in string
		want     Token
	}{
		{"Python's older form", `{"access_token": "a", "refresh_token": "r"}`, Token{Access: "a", Refresh: "r"}},
		{"Python's newer form", `{"access_token": "a", "refresh_token": "r", "provider": "google", "saved_at_utc": "2026-11-23T06:30:00.250000+00:00", "expires_in": 3599}`,
			Token{Provider: "google", Access: "a", Refresh: "r", SavedAt: day.Add(-30*time.Minute + 250*time.Millisecond), Expiry: day.Add(29*time.Minute + 59250*time.Millisecond)}},
		{"time without zone, number as text", `{"refresh_token":"r","saved_at_utc":"2026-11-23 06:30:00","expires_in":"3600"}`,
			Token{Refresh: "r", SavedAt: day.Add(-30 * time.Minute), Expiry: day.Add(30 * time.Minute)}},
		{"odd values beside good tokens", `{"refresh_token":"r","expires_in":[1],"saved_at_utc":7,"scopes":"x","expiry":"soon","provider":null}`, Token{Refresh: "r"}},
		{"only an access token", `{"access_token":"a"}`, Token{Access: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeToken([]byte(tt.in))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("%#v, %v; want %#v", got, err, tt.want)
			}
		})
	}
}

// TestTokenFileForThePythonProject: what is written here is what its newer version writes, and more: it can go on with it.
func TestTokenFileForThePythonProject(t *testing.T) {
	data, err := encodeToken(full())
	if err != nil {
		t.Fatal(err)
	}
	var form map[string]any
	if err := json.Unmarshal(data, &form); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"access_token": "SECRET-a", "refresh_token": "SECRET-r", "provider": "google",
		"saved_at_utc": "2026-11-23T07:00:00+00:00", "expires_in": 3600.0} {
		if form[key] != want {
			t.Errorf("%s is not as there", key)
		}
	}
}

func full() Token {
	return Token{Provider: "google", Account: "1234567890", Access: "SECRET-a", Refresh: "SECRET-r", Expiry: day.Add(time.Hour), Scopes: []string{"x", "y"},
		RefreshExpires: day.Add(168 * time.Hour), Authorized: day.Add(-time.Hour), SavedAt: day}
}

func TestTokenFileRoundTrip(t *testing.T) {
	f := NewFile(filepath.Join(t.TempDir(), "deep", "token.json"))
	if err := f.Save(full(), day); err != nil {
		t.Fatal(err)
	}
	if f.Changed() {
		t.Fatal("our own save counts as a change")
	}
	got, err := NewFile(f.Path()).Load(day)
	if err != nil || !reflect.DeepEqual(got.Token, full()) || got.Report != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	for path, mode := range map[string]fs.FileMode{f.Path(): 0o600, filepath.Dir(f.Path()): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Fatalf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	next := full()
	next.Refresh = "SECRET-next"
	if err := f.Save(next, day); err != nil {
		t.Fatal(err)
	}
	if old, err := f.read(f.previous()); err != nil || old.Refresh != "SECRET-r" {
		t.Fatalf("previous: %v, %v", old, err)
	}
	if info, _ := os.Stat(f.previous()); info.Mode().Perm() != 0o600 {
		t.Fatalf("previous has mode %v", info.Mode())
	}
}

func TestNoFile(t *testing.T) {
	got, err := NewFile(filepath.Join(t.TempDir(), "none")).Load(day)
	if err != nil || !got.Token.Empty() || got.Report != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestTornFile cuts the file at every byte: it is moved aside and the previous one takes its place.
func TestTornFile(t *testing.T) {
	whole, err := encodeToken(full())
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:len(whole)-1] // without the closing line
	for _, cut := range []int{0, 1, len(whole) / 3, len(whole) / 2, len(whole) - 1} {
		dir := t.TempDir()
		path := filepath.Join(dir, "token.json")
		previous, _ := encodeToken(Token{Refresh: "SECRET-before"})
		for name, data := range map[string][]byte{path: whole[:cut], path + ".previous": previous} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := NewFile(path).Load(day)
		if err != nil || got.Token.Refresh != "SECRET-before" {
			t.Fatalf("cut at %d: %+v, %v", cut, got, err)
		}
		report := strings.Join(got.Report, "\n")
		if !strings.Contains(report, "token.json.unreadable-20261123T070000Z") || !strings.Contains(report, "previous") || strings.Contains(report, "SECRET") {
			t.Fatalf("report %q", report)
		}
		kept, err := os.ReadFile(path + ".unreadable-20261123T070000Z")
		if err != nil || string(kept) != string(whole[:cut]) {
			t.Fatalf("cut at %d: kept %q, %v", cut, kept, err)
		}
	}
}

func TestUnreadableIsNotOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.json")
	f := NewFile(path)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(full(), day); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(path + ".unreadable-20261123T070000Z"); err != nil || string(kept) != "precious" {
		t.Fatalf("%q, %v", kept, err)
	}
}

func TestReloadMovesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.json")
	f := NewFile(path)
	if err := os.WriteFile(path, []byte(`{"access_to`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Reload(); err == nil || !f.Changed() {
		t.Fatalf("a half written file was taken: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestOthersEyes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.json")
	if err := os.WriteFile(path, []byte(`{"refresh_token":"r"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := NewFile(path).Load(day)
	if err != nil || len(got.Report) != 1 || !strings.Contains(got.Report[0], "0644") {
		t.Fatalf("%+v, %v", got, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
}

func TestDiskRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token.json")
	if err := os.Mkdir(path, 0o700); err != nil { // a folder, as Docker makes of a missing mount
		t.Fatal(err)
	}
	if _, err := NewFile(path).Load(day); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("the folder was moved")
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	c := Client{Provider: Google(), ID: "id", Secret: "SECRET"}
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	log.Info("x", "token", full(), "client", c)
	tok := full()
	fmt.Fprintf(&b, "%v %+v %#v %s %v %+v %#v", tok, tok, tok, tok, c, c, c)
	fmt.Fprintf(&b, "%v %+v", &tok, &c)
	if strings.Contains(b.String(), "SECRET") {
		t.Fatal(b.String())
	}
	if !strings.Contains(b.String(), "12…90") {
		t.Fatal("the account is not named: " + b.String())
	}
}

func FuzzToken(f *testing.F) {
	whole, err := encodeToken(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"access_token":"a","refresh_token":"r","provider":"google","saved_at_utc":"2026-11-23T06:30:00","expires_in":1e300}`))
	f.Add([]byte(`{"refresh_token":"r","expiry":"0000-01-01T00:00:00Z","saved_at":"9999-12-31T23:59:59Z","expires_in":99999999999}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := decodeToken(data)
		if err != nil {
			return
		}
		again, err := encodeToken(tok)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		back, err := decodeToken(again)
		if err != nil || back.Refresh != tok.Refresh || back.Access != tok.Access || !back.Expiry.Equal(tok.Expiry) {
			t.Fatalf("not the same after writing: %v", err)
		}
	})
}
