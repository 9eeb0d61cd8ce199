package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// The setters of the kinds of options. Their errors say what is wanted; who calls them names the option and, where it is no
// secret, the value.

func text(field func(target) *string) func(target, string) error {
	return func(t target, s string) error {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("has a control character in it; write it without")
		}
		*field(t) = s
		return nil
	}
}

func secret(field func(target) *Secret) func(target, string) error {
	return func(t target, s string) error {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("has a control character in it, such as a line end; write it without")
		}
		*field(t) = NewSecret(s)
		return nil
	}
}

func choice(field func(target) *string, words ...string) func(target, string) error {
	return func(t target, s string) error {
		w := strings.ToLower(s)
		if !slices.Contains(words, w) {
			return fmt.Errorf("want %s", either(words))
		}
		*field(t) = w
		return nil
	}
}

func either(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func number(field func(target) *int, low, high int) func(target, string) error {
	return func(t target, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want a number from %d to %d", low, high)
		}
		*field(t) = n
		return nil
	}
}

func boolean(field func(target) *bool) func(target, string) error {
	return func(t target, s string) error {
		switch strings.ToLower(s) {
		case "true", "t", "yes", "y", "on", "1":
			*field(t) = true
		case "false", "f", "no", "n", "off", "0":
			*field(t) = false
		default:
			return errors.New("want yes or no")
		}
		return nil
	}
}

// autoRange takes the Python project's words for no; to it every other word is yes.
func autoRange(t target, s string) error {
	auto := !slices.Contains([]string{"False", "false", "FALSE", "f", "F", "no", "No", "NO", "0"}, s)
	t.Manual.auto = &auto
	return nil
}

func address(field func(target) *string) func(target, string) error {
	return func(t target, s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("want an address such as http://host:8080, without user, password, query or fragment")
		}
		*field(t) = strings.TrimRight(s, "/")
		return nil
	}
}

// machine takes the name or address of a machine, without scheme and port.
func machine(field func(target) *string) func(target, string) error {
	return func(t target, s string) error {
		host := strings.Trim(s, "[]")
		if strings.ContainsAny(host, "/@? ") || strings.ContainsFunc(host, unicode.IsControl) || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return errors.New("want the name or address of a machine, such as core-mosquitto or 192.168.1.20, without scheme and port")
		}
		*field(t) = host
		return nil
	}
}

// topic takes a topic to publish below.
func topic(field func(target) *string) func(target, string) error {
	return func(t target, s string) error {
		if strings.ContainsAny(s, "+# $") || strings.ContainsFunc(s, unicode.IsControl) || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") {
			return errors.New("want a topic such as homeassistant, without +, #, $, blanks and slashes at its ends")
		}
		*field(t) = s
		return nil
	}
}

func nodeName(field func(target) *string) func(target, string) error {
	return func(t target, s string) error {
		if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return errors.New("want a name such as fitbit_fetch_2, of at most 40 small letters, digits and underscores")
		}
		*field(t) = s
		return nil
	}
}

func language(t target, s string) error {
	t.Language = ""
	if strings.EqualFold(s, "auto") {
		return nil
	}
	for _, l := range translations.Languages() {
		if strings.EqualFold(s, l) {
			t.Language = l
			return nil
		}
	}
	return fmt.Errorf("want %s", either(append([]string{"auto"}, translations.Languages()...)))
}

func zone(t target, s string) error {
	t.person.TimeZone = ""
	if strings.EqualFold(s, "automatic") {
		return nil
	}
	if _, err := metric.LoadZone(s); err != nil {
		return errors.New("want Automatic or a name of the time zone database such as Europe/Berlin")
	}
	t.person.TimeZone = s
	return nil
}

type dayField metric.Day

func date(field func(target) *dayField) func(target, string) error {
	return func(t target, s string) error {
		d, err := metric.ParseDay(s)
		if err != nil || d < firstDay {
			return errors.New("want a day as YYYY-MM-DD, not before 2009-01-01")
		}
		*field(t) = dayField(d)
		return nil
	}
}

func backfill(t target, s string) error {
	if strings.EqualFold(s, "all") {
		t.Backfill = Start{All: true}
		return nil
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= 36500 {
		t.Backfill = Start{Days: n}
		return nil
	}
	d, err := metric.ParseDay(s)
	if err != nil || d < firstDay {
		return errors.New("want a day as YYYY-MM-DD (not before 2009-01-01), a number of days, or all")
	}
	t.Backfill = Start{Date: d}
	return nil
}

func leaveOut(t target, s string) error {
	_, err := addSeries(&t.LeaveOut, s)
	return err
}

func takeIn(t target, s string) error {
	row, err := addSeries(&t.TakeIn, s)
	if err == nil && !row.Optional {
		return errors.New("this series is fetched anyway")
	}
	return err
}

// addSeries adds the series with that id to a list, once.
func addSeries(to *[]metric.ID, id string) (metric.Series, error) {
	c := metric.Default()
	row, ok := c.Lookup(metric.ID(id))
	if !ok {
		var ids []string
		for _, row := range c {
			ids = append(ids, string(row.ID))
		}
		return row, fmt.Errorf("there is no such series%s; docs/schema.md lists them", meant(id, ids))
	}
	if !slices.Contains(*to, row.ID) {
		*to = append(*to, row.ID)
	}
	return row, nil
}

func version(t target, s string) error {
	words := []string{"1", "2", "3", VictoriaMetrics, "off"}
	w := strings.ToLower(s)
	if !slices.Contains(words, w) {
		return fmt.Errorf("want %s", either(words))
	}
	t.db.Version = strings.TrimPrefix(w, "off")
	return nil
}

func level(t target, s string) error {
	l, ok := map[string]slog.Level{"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warning": slog.LevelWarn, "warn": slog.LevelWarn, "error": slog.LevelError, "critical": slog.LevelError}[strings.ToLower(s)]
	if !ok {
		return errors.New("want trace, debug, info, warning or error")
	}
	t.Log.Level = l
	return nil
}

func simulated(t target, s string) error {
	c, err := clock.Parse(s)
	if err != nil {
		return errors.New("want START@SPEED, such as 2026-11-20T07:00:00Z@60")
	}
	t.Clock = c
	return nil
}

// loopback reports whether an address leads to this machine.
func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// meant suggests the nearest of the known names; empty where none is near.
func meant(s string, known []string) string {
	best, distance := "", len(s)/2+1
	for _, k := range known {
		if d := edits(strings.ToLower(s), k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", but there is " + best
}

// edits counts the letters to change, add, drop or swap with their neighbour to get from a to b.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
