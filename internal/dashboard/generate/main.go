// Command generate writes the dashboards into the folder Grafana_Dashboard of the tree that its argument names, and all of them in
// one for the program to embed.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fitbit-fetch/fitbit-fetch/internal/dashboard"
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
			path := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, f.JSON, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
