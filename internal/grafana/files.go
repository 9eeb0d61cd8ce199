package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// A File is one of those that Grafana reads at its start; its name is relative to Grafana's folder of provisioning files.
type File struct {
	Name string
	Data []byte
}

// Where Grafana has its provisioning files, as a package and in its image; and where the dashboards lie among them.
const (
	ProvisioningDir = "/etc/grafana/provisioning"
	BoardsDir       = "dashboards/fitbit"
)

// Provisioning returns the files that give a Grafana what Install gives it by its API, but for the dashboards themselves, which lie in
// the folder boards, as Grafana sees it. Where the database is, and as whom to ask it, stands in them as variables of Grafana's
// environment, under the names that our own options have: no secret is in a file, and both programs can be told at once.
func Provisioning(version int, boards string) ([]File, error) {
	db := Database{Version: version, URL: "$INFLUXDB_URL", Name: "$INFLUXDB_DATABASE"}
	switch version {
	case 1:
		db.User, db.Password = "$INFLUXDB_USERNAME", "$INFLUXDB_PASSWORD"
	case 2:
		db.Org, db.Name, db.Token = "$INFLUXDB_ORG", "$INFLUXDB_BUCKET", "$INFLUXDB_TOKEN"
	case 3:
		db.Token = "$INFLUXDB_V3_ACCESS_TOKEN"
	default:
		return nil, fmt.Errorf("InfluxDB %d is not known", version)
	}
	provider := providerYAML{Name: "Fitbit Fetch", Type: "file", Folder: folderTitle, FolderUID: folderUID, Every: 60}
	provider.Options.Path = boards
	rule := db.rule()
	for _, name := range []string{"ruleGroup", "folderUID", "orgID"} { // these say where it belongs, which a file says of a group
		delete(rule, name)
	}
	var out []File
	for _, f := range []struct {
		kind, comment string
		content       any
	}{
		{"datasources", "A data source for the dashboards of Fitbit Fetch; lies in Grafana's folder provisioning/datasources. What begins with $ comes from the\n# environment of Grafana.",
			map[string]any{"datasources": []sourceJSON{db.source()}}},
		{"dashboards", "The dashboards of Fitbit Fetch; lies in Grafana's folder provisioning/dashboards.",
			map[string]any{"providers": []providerYAML{provider}}},
		{"alerting", "An alert after 24 hours without heart rate; lies in Grafana's folder provisioning/alerting. It is paused: with isPaused: false it rings.",
			map[string]any{"groups": []groupYAML{{1, "fitbit-fetch", folderTitle, "10m", []map[string]any{rule}}}}},
	} {
		text := bytes.NewBufferString("# " + f.comment + "\napiVersion: 1\n")
		enc := yaml.NewEncoder(text)
		enc.SetIndent(2)
		if err := enc.Encode(f.content); err != nil {
			return nil, fmt.Errorf("provisioning files of Grafana: %w", err)
		}
		out = append(out, File{f.kind + "/fitbit-fetch.yaml", text.Bytes()})
	}
	return out, nil
}

// Boards returns the dashboards of a version of InfluxDB as files in BoardsDir. The first is the one to begin with.
func Boards(version int) ([]File, error) {
	all, err := bundled(Database{Version: version}.dialect())
	if err != nil {
		return nil, err
	}
	var out []File
	for _, b := range all {
		name := strings.TrimSuffix(b.UID, "-flux") // the same name in both languages: Grafana's home page is chosen by it
		var text bytes.Buffer
		if err := json.Indent(&text, b.JSON, "", "  "); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.UID, err)
		}
		text.WriteByte('\n')
		out = append(out, File{path.Join(BoardsDir, name+".json"), text.Bytes()})
	}
	return out, nil
}

// The other files of Grafana as far as we write them, in the order in which a person would.

type providerYAML struct {
	Name      string `yaml:"name"`
	Type      string `yaml:"type"`
	Folder    string `yaml:"folder"`
	FolderUID string `yaml:"folderUid"`
	Every     int    `yaml:"updateIntervalSeconds"`
	UIUpdates bool   `yaml:"allowUiUpdates"`
	Options   struct {
		Path string `yaml:"path"`
	} `yaml:"options"`
}

type groupYAML struct {
	OrgID    int              `yaml:"orgId"`
	Name     string           `yaml:"name"`
	Folder   string           `yaml:"folder"`
	Interval string           `yaml:"interval"`
	Rules    []map[string]any `yaml:"rules"`
}
