package grafana

import (
	"encoding/json"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// What a Grafana gets by files is what it gets by its API: the same data source but for where the database is, the same rule, the same
// dashboards.
func TestFilesAreWhatIsInstalled(t *testing.T) {
	for version, secret := range map[int]string{1: "password: $INFLUXDB_PASSWORD", 2: "token: $INFLUXDB_TOKEN", 3: "httpHeaderValue1: Token $INFLUXDB_V3_ACCESS_TOKEN"} {
		files, err := Provisioning(version, "/where")
		if err != nil || len(files) != 3 {
			t.Fatalf("version %d: %d files, %v", version, len(files), err)
		}
		db := Database{Version: version, URL: "x", Name: "x", User: "x", Password: "x", Org: "x", Token: "x"}
		all := map[string]map[string]any{}
		for _, f := range files {
			kind, _, _ := strings.Cut(f.Name, "/")
			var v map[string]any
			if err := yaml.Unmarshal(f.Data, &v); err != nil || v["apiVersion"] != 1 {
				t.Fatalf("%s: %v, %v", f.Name, v["apiVersion"], err)
			}
			all[kind] = v
			if kind == "datasources" && !strings.Contains(string(f.Data), secret+"\n") {
				t.Errorf("version %d: no %q in\n%s", version, secret, f.Data)
			}
		}
		source := all["datasources"]["datasources"].([]any)[0].(map[string]any)
		want := db.source()
		settings, _ := source["jsonData"].(map[string]any)
		if source["uid"] != want.UID || source["name"] != want.Name || source["url"] != "$INFLUXDB_URL" || len(settings) != len(want.JSON) {
			t.Errorf("version %d: another data source than is installed: %v", version, source)
		}
		rules, err := json.Marshal(all["alerting"]["groups"].([]any)[0].(map[string]any)["rules"].([]any)[0])
		if err != nil {
			t.Fatal(err)
		}
		rule := db.rule()
		for _, name := range []string{"ruleGroup", "folderUID", "orgID"} {
			delete(rule, name)
		}
		if installed, err := json.Marshal(rule); err != nil || string(installed) != string(rules) {
			t.Errorf("version %d: another rule than is installed\n%s\n%s", version, rules, installed)
		}
		boards, err := Boards(version)
		if err != nil {
			t.Fatal(err)
		}
		installed, err := bundled(db.dialect())
		if err != nil || len(boards) != len(installed) {
			t.Fatalf("version %d: %d dashboards, %v", version, len(boards), err)
		}
		for i, b := range boards {
			var v struct{ UID string }
			if err := json.Unmarshal(b.Data, &v); err != nil || v.UID != installed[i].UID {
				t.Errorf("%s: %q, %v", b.Name, v.UID, err)
			}
		}
		if boards[0].Name != BoardsDir+"/fitbit-fetch.json" {
			t.Errorf("version %d begins with %s", version, boards[0].Name)
		}
	}
	if _, err := Provisioning(4, "/where"); err == nil {
		t.Error("files for an InfluxDB that nobody knows")
	}
}
