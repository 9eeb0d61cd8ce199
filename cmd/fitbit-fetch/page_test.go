package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// onPage says where the page does what a command does, or why it need not: those who have no shell must not miss anything.
var doneOnPage = map[string]string{
	"run": "it runs", "demo": "it is for those without an account", "authorize": "setup?step=connect", "deauthorize": "deauthorize", "backfill": "backfill", "plan": "status: what comes next",
	"check": "check", "pause": "pause", "resume": "pause", "export": "export", "replay": "replay", "snapshot": "snapshot", "status": "status", "diagnose": "diagnose", "erase": "erase",
	"dashboards":  "dashboards",
	"healthcheck": "it is for the container", "simulate": "it is for developers", "options": "Home Assistant's form and setup have them", "version": "status",
}

func TestEveryCommandIsOnThePage(t *testing.T) {
	for _, c := range commands() {
		if doneOnPage[c.name] == "" {
			t.Errorf("what %s does cannot be done on the page", c.name)
		}
		delete(doneOnPage, c.name)
	}
	if len(doneOnPage) > 0 {
		t.Errorf("there are no commands %v", sortedKeys(doneOnPage))
	}
}

// Every trouble of a database that is told apart has its section in the page's help.
func TestDatabaseTrouble(t *testing.T) {
	answer := func(status int, text string) error { return &sink.Error{Status: status, Err: errors.New(text)} }
	for want, err := range map[string]error{
		"host":     &sink.Error{Err: fmt.Errorf("InfluxDB: %w", &net.DNSError{Name: "nas"})},
		"silent":   context.DeadlineExceeded,
		"tls":      &sink.Error{Err: fmt.Errorf("asking: %w", x509.UnknownAuthorityError{})},
		"user":     answer(401, "authorization failed"),
		"rights":   answer(403, "not authorized"),
		"database": answer(404, `database not found: "x"`),
		"org":      answer(404, `organization name "x" not found`),
		"trouble":  answer(503, "starting"),
		"other":    answer(404, "page not found"),
	} {
		if got := databaseTrouble(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
		for _, c := range databaseChoices {
			if web.HelpOn(web.DatabaseReason(c.ID, want), false) == "" && (want != "org" || c.ID == "2") {
				t.Errorf("the page has no help on %s of %s", want, c.Title)
			}
		}
	}
	if got := databaseTrouble(fmt.Errorf("asking: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")})); got != "silent" {
		t.Errorf("nobody there is %s", got)
	}
}

// What cannot be chosen says why, and what can be chosen is supported.
func TestChoices(t *testing.T) {
	for _, c := range providerChoices {
		if translations.Lookup(translations.English).Page("provider_"+c.ID) == "" {
			t.Errorf("the page does not say what %s is", c.ID)
		}
	}
	for _, c := range providerChoices {
		in := config.Inputs{Abs: filepath.Abs, ReadFile: os.ReadFile, Env: func(name string) string {
			return map[string]string{"HEALTH_API_PROVIDER": c.ID, "FITBIT_FETCH_DATA_DIR": t.TempDir()}[name]
		}}
		if o, err := config.Load(in); err != nil || o.Provider != c.ID {
			t.Errorf("%s: %v", c.Title, err)
		}
	}
	for _, c := range databaseChoices {
		a := &app{catalogue: metric.Default(), log: slog.New(slog.DiscardHandler)}
		if s, err := a.newInflux(config.InfluxDB{Version: c.ID, URL: "http://127.0.0.1:1", Database: "db", Org: "org"}); err != nil {
			t.Errorf("%s: %v", c.Title, err)
		} else {
			s.Close()
		}
	}
}
