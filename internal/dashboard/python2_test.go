//go:build influxdb2

package dashboard

import (
	"fmt"
	"testing"
)

// On an InfluxDB 2.
func TestInfluxDB2PythonQuestions(t *testing.T) {
	theirs, ours := pythonBuckets(t)
	asks(t, Flux, fluxQuestions, theirs, ours)
}

// pythonBuckets fills an InfluxDB 2 in the ways that are compared.
func pythonBuckets(t *testing.T) (theirs database, ours map[string]database) {
	t.Helper()
	dir, program := archive(t)
	url := startInfluxDB2(t)
	lines, service := pythonMonth(t)
	bucket(t, url, "python")
	for _, text := range lines {
		write(t, url, "python", []byte(text))
	}
	ours = map[string]database{}
	for source, options := range map[string]string{"fitbit": monthArchive(t, service), "google": yearOptions(dir)} {
		name := "our-" + source
		bucket(t, url, name)
		options += fmt.Sprintf("influxdb: {version: 2, url: %q, org: home, bucket: %s, token: %s, units: python}\n", url, name, token)
		if err := run(program, optionsFile(t, options), "", "replay"); err != nil {
			t.Fatal(err)
		}
		ours[source] = fluxed{url: url, org: "home", bucket: name, token: token}
	}
	return fluxed{url: url, org: "home", bucket: "python", token: token}, ours
}
