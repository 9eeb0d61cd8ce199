// Most scripts are one command after the other: without the race detector, which would take five times as long.

//go:build !race

package main

import (
	"regexp"
	"testing"
)

var startsServer = regexp.MustCompile(`(?m)^(influx|database|broker)\b`)

// TestScripts runs all scripts; with -short those that start no server.
func TestScripts(t *testing.T) {
	scripts(t, func(text []byte) bool { return !testing.Short() || !startsServer.Match(text) })
}
