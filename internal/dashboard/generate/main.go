// Command generate writes the dashboards and Grafana's provisioning files into the folder Grafana_Dashboard of the tree that its argument
// names, and all dashboards in one for the program to embed.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fitbit-fetch/fitbit-fetch/internal/dashboard"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(root string) error {
	bundle, err := dashboard.Bundle()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "internal", "grafana", "dashboards.json.gz"), bundle, 0o644); err != nil {
		return err
	}
	dir := filepath.Join(root, "Grafana_Dashboard")
	for _, d := range dashboard.Dialects() {
		files, err := dashboard.Files(d)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := put(filepath.Join(dir, f.Name), f.JSON); err != nil {
				return err
			}
		}
	}
	for version := 1; version <= 3; version++ {
		files, err := grafana.Provisioning(version, "/etc/grafana/dashboards/fitbit-fetch")
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := put(filepath.Join(dir, "provisioning", fmt.Sprintf("influxdb%d", version), f.Name), f.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

func put(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
