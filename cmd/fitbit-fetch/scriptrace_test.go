//go:build race

package main

import (
	"regexp"
	"testing"
)

var inBackground = regexp.MustCompile(`(?m)^[^#\n]*&(\w+&)?$`)

// TestScriptsInBackground runs the scripts that leave the program running and do something to it, with the race detector: what fetches,
// delivers and publishes runs there side by side, and beside the commands. The others are one command after the other, for TestScripts.
func TestScriptsInBackground(t *testing.T) { scripts(t, inBackground.Match) }
