//go:build grafana && influxdb2 && !race

package dashboard

import (
	"os/exec"
	"slices"
	"testing"
)

// The dashboards in Flux, over an InfluxDB 2. It takes its time over each query, so fewer look, and by one version: what the data source
// makes of an answer is the same for all.
func TestGrafanaFlux(t *testing.T) {
	dir, program := archive(t)
	url := startInfluxDB2(t)
	export := exec.Command(program, "--config", optionsFile(t, yearOptions(dir)), "export")
	export.Env = clean()
	lines, err := export.Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, url, "fitbit", lines)
	bucket(t, url, "stop")
	write(t, url, "stop", []byte(walk()))
	judgeAll(t, Flux, map[string]string{"url": url, "database": "fitbit", "token": token, "organization": "home"}, judges[:1], fluxViewers)
}

var fluxViewers = slices.DeleteFunc(slices.Clone(viewers), func(w who) bool {
	return w.World == "pounds" || w.Unwritten && w.Timezone == "" && w.World != "stop"
})
