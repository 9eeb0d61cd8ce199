//go:build grafana && influxdb2 && !race

package dashboard

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// The dashboards in Flux, in the eyes of the same viewers, over an InfluxDB 2.
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
	for name, of := range map[string][]byte{"pounds": pounds(lines), "newcomer": since(t, lines, someone.Midnight(metric.DayOf(now)).UnixNano()), "stop": []byte(walk())} {
		bucket(t, url, name)
		write(t, url, name, of)
	}
	judgeAll(t, Flux, map[string]string{"url": url, "database": "fitbit", "token": token, "organization": "home"})
}

// since are the lines from an instant on.
func since(t *testing.T, lines []byte, ns int64) []byte {
	t.Helper()
	var out bytes.Buffer
	for line := range strings.Lines(string(lines)) {
		at, err := strconv.ParseInt(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 10, 64)
		if err != nil {
			t.Fatal(fmt.Errorf("%q: %w", line, err))
		}
		if at >= ns {
			out.WriteString(line)
		}
	}
	return out.Bytes()
}
