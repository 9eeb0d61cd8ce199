package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// secrets are one of each shape, made up; without is what may stand in their place in the text.
var secrets = map[string]string{
	"bearer":    "Bearer Zm9vYmFyYmF6cXV4",
	"google":    "ya29.a0AfB_byCmadeup-0123456789",
	"refresh":   "1//0gmadeupmadeup-0123456789",
	"client":    "GOCSPX-madeup0123456789",
	"jwt":       "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIyMyJ9.c2lnbmF0dXJl",
	"form":      "grant_type=refresh_token&refresh_token=0123456789abcdef0123",
	"json":      `{"access_token":"0123456789abcdef0123"}`,
	"in words":  "limit of the user with the access token 0123456789abcdef0123",
	"link":      "https://user:pa55w0rd@db.example/write?db=x&p=pa55w0rd",
	"password":  `password=pa55w0rd`,
	"attribute": `token="madeup0123456789" user=x`,
	"address":   "http://localhost:8080/?code=4/0Amadeup0123456789&scope=x",
	"code":      "the code 4/0Amadeup0123456789",
	"by name":   "the-Name-of-a-Secret+1",
	"encoded":   "the-Name-of-a-Secret%2B1",
	"two lines": "ya29.first-0123456789 and 1//0second-0123456789",
}

var parts = []string{"Zm9vYmFyYmF6cXV4", "a0AfB_byCmadeup", "0gmadeup", "madeup0123456789", "eyJzdWIi", "0123456789abcdef", "pa55w0rd", "the-Name-of-a-Secret", "ya29.first", "0second"}

func leaks(text string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

func init() {
	Secret("the-Name-of-a-Secret+1", "short", "", "homeassistant", "123-made-up.apps.googleusercontent.com")
}

func TestText(t *testing.T) {
	for name, s := range secrets {
		if !leaks(s) {
			t.Fatalf("%s holds no secret", name)
		}
		if got := Text("before " + s + " behind"); leaks(got) || !strings.Contains(got, mark) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " behind") {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, plain := range []string{"renewing the access token was refused", "The refresh token has been used up. Authorize again.", "homeassistant and short", "at http://db.example:8086/write?db=fitbit",
		"access token: not accepted", "feed steps: retry (HTTP 429)", "10.5//2 of 20", "client_id=123-made-up.apps.googleusercontent.com&x", "the InfluxDB user \"fitbit\" may not write", "tokens are renewed", "denied (HTTP 403 ACCESS_TOKEN_SCOPE_INSUFFICIENT)", "http://localhost:8080/?code=…", "a token of the other service is kept aside"} {
		if got := Text(plain); got != plain {
			t.Errorf("%q became %q", plain, got)
		}
	}
}

// Only lines with a clue are looked at: in a long text the same is found as in each alone.
func TestLongText(t *testing.T) {
	var text, want strings.Builder
	filler := strings.Repeat("<td>an ordinary line of a page</td>\n", 40)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		text.WriteString(filler + strings.ToUpper("É") + secrets[name] + "\n")
		want.WriteString(filler + strings.ToUpper("É") + Text(secrets[name]) + "\n")
	}
	if got := Text(text.String()); got != want.String() || leaks(got) {
		t.Errorf("a long text became %q", strings.ReplaceAll(got, filler, "…"))
	}
	if got, want := Text("Authorization: Bearer\n  abcdefgh12345678 and more"), "Authorization: Bearer "+mark+" and more"; got != want {
		t.Errorf("over a line's end: %q", got)
	}
	if plain := strings.Repeat("a token\n", 1000); Text(plain) != plain {
		t.Error("a text without a secret changed")
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	text := "a line with " + secrets["google"] + "\n"
	if n, err := Writer(&out).Write([]byte(text)); n != len(text) || err != nil || leaks(out.String()) {
		t.Errorf("%d, %v: %q", n, err, out.String())
	}
}

func TestHandler(t *testing.T) {
	for name, s := range secrets {
		var out bytes.Buffer
		log := slog.New(Handler(slog.NewTextHandler(&out, nil))).With("with", s).WithGroup("group")
		log.Info("message "+s, "text", s, "error", fmt.Errorf("wrapped: %w", errors.New(s)), "any", struct{ S string }{s}, slog.Group("in", "text", s))
		if leaks(out.String()) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

// Tokens are forgotten where they have long been replaced; what the options say is not, however many tokens come.
func TestOldTokensAreForgotten(t *testing.T) {
	token := func(i int) string { return fmt.Sprintf("Token-number-%06d", i) }
	Secret("Password-of-the-options")
	for i := range 4 * most {
		Token(token(i), "Refresh-token-that-stays")
	}
	if len(tokens) != most {
		t.Errorf("%d are known, want %d", len(tokens), most)
	}
	for _, s := range []string{token(4*most - 1), "Refresh-token-that-stays", "Password-of-the-options"} {
		if got := Text(s); got != mark {
			t.Errorf("%q left", got)
		}
	}
	if got := Text(token(0)); got != token(0) {
		t.Errorf("the oldest is %q", got)
	}
}

// A secret is known however it is written, and one that begins as another does goes as a whole.
func TestForms(t *testing.T) {
	const s = "It's \"Made&up+<secret>/ä\\"
	Secret("abcd.efgh", s, "abcd.efgh.ijkl")
	var page bytes.Buffer
	if err := template.Must(template.New("").Parse("<p title='{{.}}'>{{.}}</p>")).Execute(&page, s); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"x": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{s, page.String(), string(text), fmt.Sprintf("%q", s), url.Values{"p": {s}}.Encode(), "x/" + url.PathEscape(s), "of abcd.efgh.ijkl"} {
		if got := Text(written); strings.Contains(got, "Made") || strings.Contains(got, "ijkl") || !strings.Contains(got, mark) {
			t.Errorf("%q became %q", written, got)
		}
	}
}

func BenchmarkText(b *testing.B) {
	for range 20 {
		Secret(fmt.Sprintf("Another-secret-%d-0123456789", b.N))
	}
	for b.Loop() {
		Text("the device synced at 15:04; asking for heart rate since 14:02")
	}
}
