// Package advice puts what the program tells its user to do into the words of the place where it runs. All texts are written for a
// terminal; in Home Assistant's app there is none, and no file or environment variable that the user could reach: there the same is
// done on the page and on the tabs of the app.
package advice

import (
	"regexp"
	"strings"
)

// quote is a quotation mark, also as it stands in HTML.
const quote = `(?:"|&#34;|&quot;)`

// where the page of the app does what a command does.
const (
	connect = "under Set up on the page of this app"
	refill  = "press “Refill” under Status → Refill a database on the page of this app"
)

// inApp are the forms in which a text names a command, a file or a variable, and what stands there in the app.
var inApp = []struct {
	form *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`on the page,? or with: fitbit-fetch [a-z]+`), "on the page of this app"},
	{regexp.MustCompile(`run ` + quote + `fitbit-fetch authorize` + quote + ` or use the page`), connect},
	{regexp.MustCompile(`run: fitbit-fetch replay`), refill},
	{regexp.MustCompile(`or by: fitbit-fetch replay`), "or " + refill},
	{regexp.MustCompile(`please send a report with ` + quote + `fitbit-fetch diagnose` + quote), "please send a report, which “Download” makes under Status → Diagnostics on the page of this app"},
	{regexp.MustCompile(`fitbit-fetch options lists them`), "they stand on the Configuration tab of this app, and under Set up on its page"},
	{regexp.MustCompile(`docs/configuration\.md lists them`), "the Documentation tab of this app lists them"},
	{regexp.MustCompile(`docs/schema\.md lists them`), "Status → Export on the page of this app lists them"},
	{regexp.MustCompile(` \(fitbit-fetch resume\)`), " on the page of this app"},
	{regexp.MustCompile(`: authorize with fitbit-fetch authorize`), ": authorize " + connect},
	{regexp.MustCompile(`\(README\.md, ` + quote + `Set it up` + quote + `\)`), "(Set up on the page of this app says how)"},
	{regexp.MustCompile(` \((?:HEALTH_API_PROVIDER|LOCAL_TIMEZONE)\)`), ""},
}

// marks are what every such text holds: most hold none of them.
var marks = []string{"fitbit-fetch ", "README.md", "docs/", "HEALTH_API_PROVIDER", "LOCAL_TIMEZONE"}

// InApp returns a text, or HTML, as it reads in Home Assistant's app.
func InApp(text string) string {
	marked := false
	for _, m := range marks {
		marked = marked || strings.Contains(text, m)
	}
	if !marked {
		return text
	}
	for _, r := range inApp {
		text = r.form.ReplaceAllString(text, r.by)
	}
	return text
}
