// Command generate writes the dashboards into the folder Grafana_Dashboard of the tree that its argument names.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fitbit-fetch/fitbit-fetch/internal/dashboard"
)

func main() {
	if err := write(filepath.Join(os.Args[1], "Grafana_Dashboard")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir string) error {
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
