package dashboard

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
)

// The provisioning files make the data source that the dashboards begin with, and a rule on it that is paused.
func TestProvisioning(t *testing.T) {
	root := filepath.Join("..", "..", "Grafana_Dashboard", "provisioning")
	for version, uid := range map[string]string{"influxdb1": sourceInfluxQL, "influxdb2": sourceFlux, "influxdb3": sourceInfluxQL} {
		var sources struct {
			APIVersion  int `yaml:"apiVersion"`
			Datasources []struct{ UID, Type, Access, URL string }
		}
		provisioned(t, filepath.Join(root, version, "datasources"), &sources)
		if sources.APIVersion != 1 || len(sources.Datasources) != 1 || sources.Datasources[0].UID != uid || sources.Datasources[0].Type != "influxdb" || sources.Datasources[0].Access != "proxy" {
			t.Errorf("%s: another data source than the dashboards begin with", version)
		}
		var providers struct {
			APIVersion int `yaml:"apiVersion"`
			Providers  []struct {
				Folder, Type string
				Options      struct{ Path string }
			}
		}
		provisioned(t, filepath.Join(root, version, "dashboards"), &providers)
		if len(providers.Providers) != 1 || providers.Providers[0].Type != "file" || providers.Providers[0].Options.Path == "" {
			t.Errorf("%s: no folder of dashboards", version)
		}
		var rules struct {
			Groups []struct {
				Folder string
				Rules  []struct {
					UID      string
					IsPaused bool `yaml:"isPaused"`
					Data     []struct {
						DatasourceUID string `yaml:"datasourceUid"`
						Model         struct{ Query string }
					}
				}
			}
		}
		provisioned(t, filepath.Join(root, version, "alerting"), &rules)
		r := rules.Groups[0].Rules[0]
		if !r.IsPaused || r.Data[0].DatasourceUID != uid || rules.Groups[0].Folder != providers.Providers[0].Folder {
			t.Errorf("%s: the alert rule is not paused, or asks elsewhere", version)
		}
		if q := r.Data[0].Model.Query; q == "" || strings.Contains(q, "$") {
			t.Errorf("%s: %q has a $ that Grafana would take for a variable of its environment", version, q)
		}
	}
}

// The provisioning files are what the program writes, but for the folder of the dashboards.
func TestProvisioningIsGenerated(t *testing.T) {
	for version := 1; version <= 3; version++ {
		files, err := grafana.Provisioning(version, "/etc/grafana/dashboards/fitbit-fetch")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			is, err := os.ReadFile(filepath.Join("..", "..", "Grafana_Dashboard", "provisioning", fmt.Sprintf("influxdb%d", version), f.Name))
			if err != nil || !bytes.Equal(is, f.Data) {
				t.Errorf("%s of InfluxDB %d: run make generate (%v)", f.Name, version, err)
			}
		}
	}
}

// provisioned reads the one file of a folder.
func provisioned(t *testing.T, dir string, into any) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 || slices.Contains([]string{"config.yaml", "config.yml", "config.json"}, filepath.Base(files[0])) {
		t.Fatalf("%s holds %v (%v), want one file", dir, files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", files[0], err)
	}
}
