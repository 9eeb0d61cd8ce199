package appcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/stack"
)

// guides are the documents for those who have no Home Assistant, and what leads to them.
var guides = []string{"README.md", "docs/docker.md", "docs/coming-from-fitbit-grafana.md", "Grafana_Dashboard/README.md", "docs/releasing.md", "fitbit_fetch/README.md", "fitbit_fetch/DOCS.md"}

func readGuide(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestGuidesLinks: each link leads to a file that is there, and to a heading that is in it.
func TestGuidesLinks(t *testing.T) {
	n := 0
	for _, guide := range guides {
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(readGuide(t, guide), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			file, heading, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(guide), file)
			if file == "" {
				path = guide
			}
			info, err := os.Stat(filepath.Join(root, path))
			if err != nil {
				t.Errorf("%s: %v", guide, err)
				continue
			}
			if heading != "" && !info.IsDir() && !slices.Contains(anchors(readGuide(t, path)), heading) {
				t.Errorf("%s leads to #%s, which is not in %s", guide, heading, path)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d links", n)
	}
}

// anchors are the headings of a document as GitHub links to them.
func anchors(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		out = append(out, strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}

// TestGuidesCommands: what they tell to type names services of the stack and commands of the program.
func TestGuidesCommands(t *testing.T) {
	services := map[string]bool{}
	for name := range composed(t, "1", nil, "mqtt").Services {
		services[name] = true
	}
	commands := map[string]bool{}
	sources, err := filepath.Glob(filepath.Join(root, "cmd", "fitbit-fetch", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bname: "(\w+)"`).FindAllSubmatch(text, -1) {
			commands[string(m[1])] = true
		}
	}
	typed := 0
	for _, guide := range guides {
		text := readGuide(t, guide)
		for _, m := range regexp.MustCompile(`docker compose (exec|run|stop|start|logs|up)((?: --?\w+(?: [A-Z_]+=\S+)?)*)(?: ([a-z-]+))?`).FindAllStringSubmatch(text, -1) {
			typed++
			if m[3] == "" && m[1] == "up" {
				continue
			}
			if !services[m[3]] {
				t.Errorf("%s: %q names no service of compose.yml", guide, m[0])
			}
		}
		for _, m := range regexp.MustCompile("(?m)(?:^ +|`|fitbit-fetch-data )(?:bin/)?fitbit-fetch ([a-z]+)").FindAllStringSubmatch(text, -1) {
			typed++
			if !commands[m[1]] {
				t.Errorf("%s: there is no command fitbit-fetch %s", guide, m[1])
			}
		}
	}
	if typed < 30 {
		t.Errorf("%d commands", typed)
	}
}

// TestGuidesVariables: each variable that they name is known to the program, to compose.yml or to another program of the stack.
func TestGuidesVariables(t *testing.T) {
	known := variables(t)
	for _, m := range regexp.MustCompile(`\$\{([A-Z0-9_]+)|(?m)^#?\d? +([A-Z0-9_]+):`).FindAllStringSubmatch(string(readGuide(t, "compose.yml")), -1) {
		known[m[1]], known[m[2]] = true, true
	}
	known["COMPOSE_PROFILES"] = true
	for _, guide := range guides[1:3] {
		for _, m := range regexp.MustCompile(`\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b`).FindAllStringSubmatch(readGuide(t, guide), -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which nobody knows", guide, m[1])
			}
		}
	}
}

// TestComingFromFitbitGrafana: five steps.
func TestComingFromFitbitGrafana(t *testing.T) {
	text := readGuide(t, "docs/coming-from-fitbit-grafana.md")
	if n := len(regexp.MustCompile(`(?m)^\d\. `).FindAllString(text, -1)); n != 5 {
		t.Errorf("%d steps", n)
	}
	// The one line is all: with the Python project's environment, archive, token and log lie in its two folders.
	opts, err := inStack(map[string]string{
		"STATE_DIRECTORY": "/data", "FITBIT_LOG_FILE_PATH": "/app/logs/fitbit.log", "TOKEN_FILE_PATH": "/app/tokens/fitbit.token", "AUTO_DATE_RANGE": "True",
		"INFLUXDB_VERSION": "1", "INFLUXDB_HOST": stack.InfluxDB, "INFLUXDB_PORT": "8086", "INFLUXDB_USERNAME": "fitbit_user", "INFLUXDB_PASSWORD": "x", "INFLUXDB_DATABASE": "FitbitHealthStats",
		"CLIENT_ID": "23ABCD", "CLIENT_SECRET": "x", "DEVICENAME": "Charge5", "LOCAL_TIMEZONE": "Automatic",
		"HEALTH_API_PROVIDER": "google", "GOOGLE_CLIENT_ID": "1-x.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(opts.Archive) != "/app/tokens" || opts.Persons[0].TokenFile != "/app/tokens/fitbit.token" || opts.Log.File != "/app/logs/fitbit.log" || opts.InfluxDB.URL != "http://influxdb:8086" || opts.Provider != "google" || opts.Persons[0].ClientID != "1-x.apps.googleusercontent.com" {
		t.Errorf("archive %s, log %s, database %s, provider %s", opts.Archive, opts.Log.File, opts.InfluxDB.URL, opts.Provider)
	}
}
