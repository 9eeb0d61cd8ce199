package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// A Token is one person's authorization. It prints without its secrets.
type Token struct {
	Provider       string
	Account        string // the person's stable id at the service; empty where not known
	Access         string
	Refresh        string
	Expiry         time.Time // of Access; zero where not known
	Scopes         []string  // nil where not known
	RefreshExpires time.Time // of Refresh; zero where no end is known
	Authorized     time.Time // when the person consented; zero where not known
	SavedAt        time.Time // when these tokens were received
}

// Empty reports whether there is nothing to ask with.
func (t Token) Empty() bool { return t.Access == "" && t.Refresh == "" }

// LogValue tells what may stand in a log.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("provider", t.Provider),
		slog.String("account", metric.Mask(t.Account)),
		slog.Bool("access", t.Access != ""),
		slog.Bool("refresh", t.Refresh != ""),
		slog.Time("expiry", t.Expiry),
		slog.Time("refresh_expires", t.RefreshExpires),
	)
}

// String implements fmt.Stringer without the secrets.
func (t Token) String() string { return "auth.Token" + t.LogValue().String() }

// GoString implements fmt.GoStringer without the secrets.
func (t Token) GoString() string { return t.String() }

// life returns how long Access lives from its arrival; 0 where not known.
func (t Token) life() time.Duration {
	if t.Expiry.IsZero() || t.SavedAt.IsZero() {
		return 0
	}
	return t.Expiry.Sub(t.SavedAt)
}

// tokenForm is the token file. The first five keys are the Python project's, so that it can go on with our file.
type tokenForm struct {
	AccessToken    string    `json:"access_token"`
	RefreshToken   string    `json:"refresh_token"`
	Provider       string    `json:"provider,omitempty"`
	SavedAtUTC     string    `json:"saved_at_utc,omitempty"` // to the second, as Python's older versions can read it
	ExpiresIn      int64     `json:"expires_in,omitempty"`
	Account        string    `json:"account,omitempty"`
	Expiry         time.Time `json:"expiry,omitzero"`
	Scopes         []string  `json:"scopes,omitempty"`
	RefreshExpires time.Time `json:"refresh_expires,omitzero"`
	Authorized     time.Time `json:"authorized,omitzero"`
	SavedAt        time.Time `json:"saved_at,omitzero"`
}

func encodeToken(t Token) ([]byte, error) {
	redact.Token(t.Access, t.Refresh)
	savedAt := ""
	if !t.SavedAt.IsZero() {
		savedAt = t.SavedAt.UTC().Format("2006-01-02T15:04:05+00:00")
	}
	b, err := json.MarshalIndent(tokenForm{
		SavedAtUTC: savedAt, ExpiresIn: int64(t.life().Seconds()),
		AccessToken: t.Access, RefreshToken: t.Refresh, Provider: t.Provider, Account: t.Account,
		Expiry: t.Expiry.UTC(), Scopes: t.Scopes, RefreshExpires: t.RefreshExpires.UTC(),
		Authorized: t.Authorized.UTC(), SavedAt: t.SavedAt.UTC(),
	}, "", "  ")
	if err != nil {
		return nil, errors.New("encoding the token file: a time is out of range")
	}
	return append(b, '\n'), nil
}

// decodeToken reads our own form and both forms of the Python project: {"access_token","refresh_token"}, and the newer one with
// provider, saved_at_utc and expires_in beside them. Only the two tokens have to be right: a refresh token is worth more than a
// well-formed date. Its errors quote nothing of the file.
func decodeToken(data []byte) (Token, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return Token{}, errors.New("not a JSON object")
	}
	t := Token{
		Provider: text(m["provider"]), Account: text(m["account"]),
		Access: text(m["access_token"]), Refresh: text(m["refresh_token"]),
		Expiry: instant(m["expiry"]), RefreshExpires: instant(m["refresh_expires"]),
		Authorized: instant(m["authorized"]), SavedAt: instant(m["saved_at"]),
	}
	json.Unmarshal(m["scopes"], &t.Scopes)
	if t.SavedAt.IsZero() {
		t.SavedAt = instant(m["saved_at_utc"])
	}
	if in := seconds(m["expires_in"]); t.Expiry.IsZero() && in > 0 && !t.SavedAt.IsZero() {
		t.Expiry = t.SavedAt.Add(in)
	}
	redact.Token(t.Access, t.Refresh)
	if t.Empty() {
		return Token{}, errors.New("neither an access token nor a refresh token in it")
	}
	for _, s := range []string{t.Access, t.Refresh} {
		if err := checkToken(s); err != nil {
			return Token{}, err
		}
	}
	if t.Provider == "" {
		t.Provider = providerOf(t.Refresh)
	}
	return t, nil
}

// providerOf tells by its form whose a refresh token is, where the file does not say: the Python project's older files do not. Empty
// where the form is not known.
func providerOf(refresh string) string {
	hex := len(refresh) == 64 && strings.Trim(refresh, "0123456789abcdef") == ""
	switch {
	case strings.HasPrefix(refresh, Google().Prefixes.Refresh):
		return Google().Name
	case hex:
		return Fitbit().Name
	}
	return ""
}

// checkToken refuses what cannot be sent in a header.
func checkToken(s string) error {
	if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("a token with a character that cannot be sent, at position %d", i)
	}
	return nil
}

func text(raw json.RawMessage) string {
	var s string
	json.Unmarshal(raw, &s)
	return s
}

// instant reads a time with or without zone; without one it is UTC.
func instant(raw json.RawMessage) time.Time {
	s := text(raw)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 9000 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// seconds reads a number, as such or as a string; 0 where it is none or absurd.
func seconds(raw json.RawMessage) time.Duration {
	var v any
	json.Unmarshal(raw, &v)
	return secondsOf(v)
}

func secondsOf(v any) time.Duration {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case string:
		f, _ = strconv.ParseFloat(v, 64)
	}
	const tenYears = 10 * 366 * 86400
	if math.IsNaN(f) || f <= 0 {
		return 0
	}
	return time.Duration(min(f, tenYears) * float64(time.Second))
}
