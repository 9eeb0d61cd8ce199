package auth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// pasted is what a person brought back from the consent page.
type pasted struct {
	code    string
	state   string // empty where only the code was pasted
	refresh string // a refresh token instead of a code
}

const maxPaste = 8 << 10

// parse understands the whole address (with or without scheme, in quotes, broken over lines by a terminal), its query, the bare
// code, or a refresh token. Every error has a Hint for the mistake that was made, and quotes nothing of the input but a host.
func (c Client) parse(in string) (pasted, error) {
	if len(in) > maxPaste {
		return pasted{}, mistake("this is too long to be an address", c.expected())
	}
	s := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, in)
	s = strings.Trim(s, "\"'<>`„“”‘’")
	s, _, _ = strings.Cut(s, "#")
	if s == "" {
		return pasted{}, mistake("nothing was pasted", c.expected())
	}
	if err := c.notACode(s); err != nil {
		return pasted{}, err
	}
	if p := c.Provider.Prefixes.Refresh; p != "" && strings.HasPrefix(s, p) {
		if checkToken(s) != nil {
			return pasted{}, mistake("this refresh token is damaged", "Copy it whole and nothing else.")
		}
		return pasted{refresh: s}, nil
	}
	if host, query, ok := c.address(s); ok {
		return c.fromAddress(host, query)
	}
	if strings.Contains(s, "%") {
		if plain, err := url.QueryUnescape(s); err == nil {
			s = plain
		}
	}
	if strings.ContainsAny(s, "?&= ") || checkToken(s) != nil {
		return pasted{}, mistake("this is neither an address nor a code", c.expected())
	}
	return pasted{code: s}, nil
}

// notACode recognises the other secrets of the set-up pages.
func (c Client) notACode(s string) error {
	is := func(part string, has func(string, string) bool) bool { return part != "" && has(s, part) }
	p := c.Provider.Prefixes
	switch {
	case is(p.Access, strings.HasPrefix):
		return mistake("this is an access token, which lives for an hour only", "Paste the refresh token that stood beside it, or the address you were sent to.")
	case is(p.Secret, strings.HasPrefix):
		return mistake("this is the client secret", "It goes with the client, not here. "+c.expected())
	case is(p.IDSuffix, strings.HasSuffix) && !strings.Contains(s, "="):
		return mistake("this is the client id", "It goes with the client, not here. "+c.expected())
	}
	return nil
}

// address splits an address into host and query; ok is false where s is none.
func (c Client) address(s string) (host string, query url.Values, ok bool) {
	scheme := strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
	redirect, err := url.Parse(c.Redirect)
	bare := err == nil && redirect.Host != "" && strings.HasPrefix(s, redirect.Host)
	part := strings.HasPrefix(s, "?") || strings.HasPrefix(s, "/?") || strings.HasPrefix(s, "code=") || strings.HasPrefix(s, "state=") || strings.HasPrefix(s, "error=")
	switch {
	case scheme:
	case bare:
		s = redirect.Scheme + "://" + s
	case part:
		_, rest, found := strings.Cut(s, "?")
		if !found {
			rest = s
		}
		s = "?" + rest
	default:
		return "", nil, false
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", url.Values{}, true
	}
	return u.Host, u.Query(), true
}

func (c Client) fromAddress(host string, query url.Values) (pasted, error) {
	if word := query.Get("error"); word != "" {
		return pasted{}, c.refused(word)
	}
	if code := query.Get("code"); code != "" {
		if checkToken(code) != nil {
			return pasted{}, mistake("the code in the address is damaged", "Copy the whole address again.")
		}
		return pasted{code: code, state: query.Get("state")}, nil
	}
	if auth, err := url.Parse(c.Provider.AuthURL); err == nil && host == auth.Host {
		return pasted{}, mistake(fmt.Sprintf("this is the address of %s's own page, before the end of the consent", c.Provider.Title),
			"Go on there until the browser stands at "+c.Redirect+" (it may say that it cannot connect: that is right), then copy the address from there.")
	}
	return pasted{}, mistake(fmt.Sprintf("there is no code in this address (%s)", short(host, 60)), c.expected())
}

// refused turns the error word of the consent page into advice.
func (c Client) refused(word string) error {
	word = short(word, 60)
	e := &source.Error{Kind: source.Auth, Reason: word, Err: errors.New("the consent page answered with an error")}
	if _, hint, known := c.verdict(word); known {
		e.Hint = hint
	} else {
		e.Hint = "Begin again. If it stays: " + c.Provider.Cures.Denied
	}
	return e
}

func (c Client) expected() string {
	return fmt.Sprintf("Paste the whole address the browser stood at after the consent; it begins with %s and holds code=…", c.Redirect)
}

// mistake is an error in what was pasted.
func mistake(what, hint string) error {
	return &source.Error{Kind: source.Bad, Reason: "paste", Err: errors.New(what), Hint: hint}
}
