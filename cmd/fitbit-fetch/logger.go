package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/advice"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// A log file is begun anew at this size, and so many old ones are kept.
const (
	logMegabytes = 10
	logFiles     = 3
)

// logger writes to standard error, and to the file that the options name; the last lines are kept for the page. The returned function closes the file.
func (c *call) logger() (*slog.Logger, func()) {
	w, end := c.stderr, func() {}
	if path := c.opts.Log.File; path != "" {
		if err := writable(path); err != nil {
			fmt.Fprintf(c.stderr, "fitbit-fetch: the log file cannot be written, logging here alone: %v\n", err)
			if forbidden(err) {
				fmt.Fprintln(c.stderr, c.wrap(ownCure(filepath.Dir(path)), "  → ", "    "))
			}
		} else {
			file := &lumberjack.Logger{Filename: path, MaxSize: logMegabytes, MaxBackups: logFiles}
			w = io.MultiWriter(c.stderr, file)
			end = func() { file.Close() }
		}
	}
	c.kept = newLogKeeper()
	o := &slog.HandlerOptions{Level: c.opts.Log.Level}
	if c.opts.InApp {
		o.ReplaceAttr = advisedAttr
	}
	return slog.New(redact.Handler(c.kept.wrap(slog.NewTextHandler(w, o)))), end
}

// advisedAttr puts the advice in a line of the log into the words of Home Assistant's app.
func advisedAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(advice.InApp(v))
	case error:
		a.Value = slog.StringValue(advice.InApp(v.Error()))
	}
	return a
}

// quietLogger is for a command that ends soon: what goes well shows in its output, unless the user wants to know more. The file
// belongs to the process that runs.
func (c *call) quietLogger() *slog.Logger {
	level := c.opts.Log.Level
	if level == slog.LevelInfo {
		level = slog.LevelWarn
	}
	return slog.New(redact.Handler(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level})))
}

// writable makes the folder where it is missing, and finds out whether a file can be written there.
func writable(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
