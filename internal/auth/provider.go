// Package auth keeps a person's authorization at a service: the way to get one (Flow), the file it lives in (File), the tokens
// that are refreshed ahead of time (TokenSource), the requests that carry them (Transport), and the warning before it dies (State).
//
// No token, code, verifier or client secret ever reaches a log, an error or a formatted value of this package.
package auth

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// A Provider is a service that authorizes. It is a value: change its addresses with At.
type Provider struct {
	Name      string // as in the configuration and in the token file
	Title     string // as people call it
	AuthURL   string // where the person consents
	TokenURL  string
	RevokeURL string
	Style     oauth2.AuthStyle  // how a client tells its id and secret; one without a secret tells its id alone, in the form
	Params    map[string]string // of the consent page, beyond those of every service
	Scopes    []Scope
	Prefixes  Prefixes
	Cures     Cures
}

// A Scope is one right that is asked for.
type Scope struct {
	ID      string
	Unlocks string // the data it opens, to follow "without it: no …"
}

// Prefixes tell apart what people paste; an empty one is not known.
type Prefixes struct {
	Code, Refresh, Access, Secret string
	IDSuffix                      string
}

// Cures are the service's own words of advice.
type Cures struct {
	Denied    string // the consent was refused: most often the person is not a test user
	Ended     string // the refresh token was rejected
	SevenDays string // the refresh token has an end
	Client    string // the client id or secret is wrong
	Type      string // the client is of the wrong type
	Redirect  string // the redirect address is not registered
	Disconn   string // where a person takes the right back
}

// Google returns the Google Health API's authorization (facts of November 2026).
func Google() Provider {
	const scope = "https://www.googleapis.com/auth/googlehealth."
	return Provider{
		Name:      "google",
		Title:     "Google",
		AuthURL:   "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL:  "https://oauth2.googleapis.com/token",
		RevokeURL: "https://oauth2.googleapis.com/revoke",
		Style:     oauth2.AuthStyleInParams,
		// Without offline there is no refresh token, without consent only the first time. include_granted_scopes stays out: old
		// Google Fit grants mixed in have made every request fail.
		Params: map[string]string{"access_type": "offline", "prompt": "consent"},
		Scopes: []Scope{
			{scope + "activity_and_fitness.readonly", "steps, distance, floors, calories, active minutes, active zone minutes, VO2max, workouts"},
			{scope + "health_metrics_and_measurements.readonly", "heart rate, resting heart rate, HRV, blood oxygen, breathing rate, skin temperature, weight, body fat"},
			{scope + "sleep.readonly", "sleep and its stages"},
			{scope + "settings.readonly", "time zone, devices, their battery and last sync"},
			{scope + "location.readonly", "GPS tracks of workouts"},
		},
		Prefixes: Prefixes{Code: "4/", Refresh: "1//", Access: "ya29.", Secret: "GOCSPX-", IDSuffix: ".apps.googleusercontent.com"},
		Cures: Cures{
			Denied: "If you did not refuse yourself: in the Google Cloud console, Google Auth Platform, page Audience, add your Google address as a test user " +
				"or publish the app, then authorize again.",
			Ended: "Authorize again, on the page or with: fitbit-fetch authorize. If this happens every 7 days, publish the app first (Google Cloud console, Google Auth Platform, page Audience, Publish app).",
			SevenDays: "The app is still in testing, so Google ends its authorizations after 7 days: publish it (Google Cloud console, Google Auth Platform, " +
				"page Audience, Publish app), then authorize again.",
			Client: "Compare client id and client secret with the page Clients of Google Auth Platform in the Google Cloud console; a secret that was reset there is dead here.",
			Type:   "create a client of the type Desktop app or Web application, enter its id and secret, and authorize again.",
			Redirect: "In the Google Cloud console, Google Auth Platform, page Clients, add exactly this address to the client's authorized redirect URIs, " +
				"or use a client of the type Desktop app, which needs none.",
			Disconn: "myaccount.google.com/connections",
		},
	}
}

// Fitbit returns the Fitbit Web API's authorization. Its refresh tokens are used once: the answer to a refresh brings the next one. A
// repeated refresh gets the same answer for two minutes, so that a program killed before it saved the answer asks again.
func Fitbit() Provider {
	return Provider{
		Name:      "fitbit",
		Title:     "Fitbit",
		AuthURL:   "https://www.fitbit.com/oauth2/authorize",
		TokenURL:  "https://api.fitbit.com/oauth2/token",
		RevokeURL: "https://api.fitbit.com/oauth2/revoke",
		Style:     oauth2.AuthStyleInHeader,
		Params:    map[string]string{"prompt": "consent"},
		Scopes: []Scope{
			{"activity", "steps, distance, floors, calories, active minutes, active zone minutes, workouts"},
			{"heartrate", "heart rate, resting heart rate, heart zones, HRV"},
			{"sleep", "sleep and its stages"},
			{"oxygen_saturation", "blood oxygen"},
			{"respiratory_rate", "breathing rate"},
			{"temperature", "skin temperature"},
			{"cardio_fitness", "VO2max"},
			{"weight", "weight, body mass index, body fat"},
			{"settings", "devices, their battery and last sync"},
			{"profile", "the account and its time zone"},
			{"location", "GPS tracks of workouts"},
		},
		Cures: Cures{
			Denied:    "Authorize again and allow what is asked for.",
			Ended:     "Authorize again, on the page or with: fitbit-fetch authorize. A refresh token of Fitbit is used once: if another program uses this authorization too, give each its own.",
			SevenDays: "Authorize again, on the page or with: fitbit-fetch authorize.",
			Client:    "Compare client id and client secret with the page of your application at dev.fitbit.com, Manage my apps.",
			Type:      "at dev.fitbit.com, Manage my apps, set the OAuth 2.0 application type to Personal, and authorize again.",
			Redirect:  "At dev.fitbit.com, Manage my apps, enter exactly this address as redirect URL of your application.",
			Disconn:   "www.fitbit.com/settings/applications",
		},
	}
}

// title is what people call the provider of that name; empty for one that is not known here.
func title(name string) string {
	for _, p := range []Provider{Google(), Fitbit()} {
		if p.Name == name {
			return p.Title
		}
	}
	return ""
}

// At returns the provider at other addresses; an empty one stays.
func (p Provider) At(authURL, tokenURL, revokeURL string) Provider {
	for _, a := range []struct {
		to   *string
		from string
	}{{&p.AuthURL, authURL}, {&p.TokenURL, tokenURL}, {&p.RevokeURL, revokeURL}} {
		if a.from != "" {
			*a.to = a.from
		}
	}
	return p
}

// Split tells which of the wanted scopes are granted and which are missing.
func (p Provider) Split(granted []string) (has, missing []Scope) {
	for _, s := range p.Scopes {
		if slices.Contains(granted, s.ID) {
			has = append(has, s)
		} else {
			missing = append(missing, s)
		}
	}
	return has, missing
}

// Short is the scope's name without what all of them share.
func (s Scope) Short() string {
	short := s.ID[strings.LastIndex(s.ID, "/")+1:]
	_, short, ok := strings.Cut(short, ".")
	if !ok {
		return strings.ReplaceAll(s.ID, "_", " ")
	}
	return strings.TrimSuffix(short, ".readonly")
}

func (p Provider) scopeIDs() []string {
	out := make([]string, len(p.Scopes))
	for i, s := range p.Scopes {
		out[i] = s.ID
	}
	return out
}

// options of the consent page, in a fixed order.
func (p Provider) options() []oauth2.AuthCodeOption {
	var out []oauth2.AuthCodeOption
	for _, k := range slices.Sorted(maps.Keys(p.Params)) {
		out = append(out, oauth2.SetAuthURLParam(k, p.Params[k]))
	}
	return out
}
