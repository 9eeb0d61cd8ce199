// Package stack reads the repository's compose.yml for tests, with the library that Docker Compose itself reads it with.
package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Names of the services.
const (
	Program  = "fitbit-fetch-data"
	Files    = "grafana-files"
	Grafana  = "grafana"
	InfluxDB = "influxdb"
	Broker   = "mosquitto"
)

// Text returns compose.yml for a version of InfluxDB, made from the one in the repository as its own comment says.
func Text(t testing.TB, version string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(), "compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if version == "1" {
		return text
	}
	told := regexp.MustCompile(`(?m)^# +(sed .*) compose\.yml$`).FindSubmatch(text)
	if told == nil {
		t.Fatal("compose.yml does not say how to take another version of InfluxDB")
	}
	copied := filepath.Join(t.TempDir(), "compose.yml")
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sed := strings.Replace(string(told[1]), "#2", "#"+version, 1) + " " + copied
	if out, err := exec.Command("sh", "-c", sed).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", sed, err, out)
	}
	if text, err = os.ReadFile(copied); err != nil {
		t.Fatal(err)
	}
	return text
}

// Load reads a compose.yml with what stands in .env.
func Load(t testing.TB, text []byte, env map[string]string, profiles ...string) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{{Filename: "compose.yml", Content: text}}, Environment: env,
	}, loader.WithProfiles(profiles))
}

// Environment is what a service finds in its environment.
func Environment(s types.ServiceConfig) map[string]string {
	out := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			out[name] = *value
		}
	}
	return out
}

// Root is the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
