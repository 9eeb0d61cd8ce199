package main

import (
	"fmt"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// heldHint is the cure of wrong options where they are entered in a form.
const heldHint = "Correct it on the Configuration tab of this app, press Save, and restart the app. Until then nothing is fetched, and nothing is lost."

// held reports whether the program only tells what is wrong with its options, and asks nobody: see config.Options.Held.
func (a *app) held() bool { return len(a.opts.Wrong) > 0 }

// whyHeld is what somebody gets who wants something fetched meanwhile; nil where nothing is held.
func (a *app) whyHeld() error {
	if !a.held() {
		return nil
	}
	return &source.Error{Kind: source.Bad, Err: fmt.Errorf("options are wrong: %s", oneLine(a.opts.Wrong)), Hint: heldHint}
}

// oneLine joins what is wrong, as far as a sensor's state can hold it.
func oneLine(wrong config.Problems) string {
	var all []string
	for _, w := range wrong {
		all = append(all, w.String())
	}
	return strings.Join(all, "; ")
}

// heldNotice is what Home Assistant shows of wrong options; empty for none.
func (a *app) heldNotice() string {
	if !a.held() {
		return ""
	}
	return "Options are wrong: " + oneLine(a.opts.Wrong) + ". " + heldHint
}

// mistakes are what is wrong with the options, one by one.
func (a *app) mistakes() (out []finding) {
	for _, w := range a.opts.Wrong {
		out = append(out, finding{bad: true, code: exitConfig, what: "options", text: w.String(), hints: []string{heldHint}})
	}
	return out
}
