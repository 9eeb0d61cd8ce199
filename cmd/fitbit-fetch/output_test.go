package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// A text of a service may repeat a token. It leaves by none of the doors: not by the log, by what of it is kept for the page, by what
// commands print, or by the report.
func TestNoSecretLeaves(t *testing.T) {
	const token = "ya29.a0AfB_byCmadeup-0123456789"
	text := "limit of the user with the access token " + token
	var out, said bytes.Buffer
	c := &call{stdout: &out, stderr: &said}
	log, end := c.logger()
	defer end()
	log.Warn("a request failed", "error", errors.New(text), "hint", text)
	for _, part := range c.kept.list() {
		for _, l := range part.lines {
			fmt.Fprintln(&said, l.text)
		}
	}
	c.quietLogger().Warn(text)
	words := reporting(func(_ context.Context, c *call) error {
		_, err := fmt.Fprintln(c.stdout, text)
		return err
	})
	if err := words(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if all := out.String() + said.String(); strings.Contains(all, token) || strings.Count(all, "***") < 4 {
		t.Error(all)
	}
	if c.stdout != &out {
		t.Error("standard output is another one behind the command")
	}
	var report bytes.Buffer
	z := zip.NewWriter(&report)
	if err := errors.Join(writeJSON(z, "status.json", map[string]any{"error": text, "more": []string{`<"` + token + `">`}}), z.Close()); err != nil {
		t.Fatal(err)
	}
	packed, err := zip.NewReader(bytes.NewReader(report.Bytes()), int64(report.Len()))
	if err != nil {
		t.Fatal(err)
	}
	told, err := fs.ReadFile(packed, "status.json")
	if err != nil || strings.Contains(string(told), token) || strings.Count(string(told), "***") != 2 || !json.Valid(told) {
		t.Errorf("the report has %s, %v", told, err)
	}
	for _, cmd := range commands() {
		if raw := map[string]bool{"export": true, "diagnose": true, "simulate": true, "demo": true, "authorize": true}; cmd.raw != raw[cmd.name] {
			t.Errorf("%s: what it prints is raw: %v", cmd.name, cmd.raw)
		}
	}
}
