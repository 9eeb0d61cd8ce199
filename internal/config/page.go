package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
)

// pageName is the file in the data folder that keeps what was given on the page.
const pageName = "page.json"

// pageGroups are the options that can be given on the page. What stands together counts together: a password given on the page is
// not sent to an address, or with a name, that another place says beside it.
var pageGroups = [][]string{
	{"provider"},
	{"client_id", "client_secret"},
	{"influxdb.version"},
	{"influxdb.url", "influxdb.host", "influxdb.port"},
	{"influxdb.database"},
	{"influxdb.username", "influxdb.password"},
	{"influxdb.token"},
	{"influxdb.org"},
	{"influxdb.bucket"},
}

// PageFile is where what is given on the page is kept.
func (o Options) PageFile() string { return filepath.Join(o.DataDir, pageName) }

// Remember returns inputs whose files, but for the page's, are read once: a program that is built anew in its process takes over
// what the page has changed, and nothing by accident.
func (in Inputs) Remember() Inputs {
	type answer struct {
		data []byte
		err  error
	}
	seen, read := map[string]answer{}, in.ReadFile
	in.ReadFile = func(path string) ([]byte, error) {
		if filepath.Base(path) == pageName {
			return read(path)
		}
		a, ok := seen[path]
		if !ok {
			a.data, a.err = read(path)
			seen[path] = a
		}
		return a.data, a.err
	}
	return in
}

// Change returns the options as they are when the page's file says values beside what it says already, and that file's new content.
// An empty value takes an option out. Its error tells what is wrong with them; nothing is written.
func Change(in Inputs, o Options, values map[string]string) (Options, []byte, error) {
	kept, _ := in.page(o.PageFile()) // one that cannot be read is moved aside when it is written
	if kept == nil {
		kept = map[string]string{}
	}
	var problems Problems
	for _, path := range sorted(values) {
		text := strings.TrimSpace(values[path])
		where, given := o.Given[path]
		switch {
		case !slices.Contains(slices.Concat(pageGroups...), path):
			problems.add(path, "cannot be given on the page")
		case given && text != "":
			problems.add(path, "is given elsewhere (%s); change it there", where)
		case text == "":
			delete(kept, path)
		default:
			kept[path] = text
		}
	}
	if len(problems) > 0 {
		return o, nil, problems
	}
	data, err := json.MarshalIndent(nested(kept), "", "  ")
	if err != nil {
		return o, nil, fmt.Errorf("writing the page's options: %w", err)
	}
	l := load(in, nil)
	maps.DeleteFunc(kept, func(path, _ string) bool { return l.opts.Given[path] != "" })
	given := l.opts.Given
	l = load(in, kept)
	l.opts.Given = given
	if len(l.problems) > 0 {
		return o, nil, l.problems
	}
	return l.opts, data, nil
}

// WritePage keeps what Change returned. A file that could not be read is moved aside; now is part of its name then.
func WritePage(o Options, data []byte, now time.Time) error {
	path := o.PageFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating the data folder: %w", err)
	}
	if _, err := (Inputs{ReadFile: os.ReadFile}).page(path); err != nil && !errors.Is(err, fs.ErrPermission) {
		if _, err := atomicfile.Aside(path, now); err != nil {
			return err
		}
	}
	return atomicfile.Write(path, data, 0o600)
}

// page reads the page's file: the options it says by their paths, nothing where there is none.
func (in Inputs) page(path string) (map[string]string, error) {
	data, err := in.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err != nil && notFolder(err) {
		return nil, nil
	}
	if err != nil {
		return nil, cause(err)
	}
	var problems Problems
	root := fromJSON(data, pageName, &problems)
	if root == nil || root.kind != mapping || len(problems) > 0 {
		return nil, errors.New("it is no file of options")
	}
	out := map[string]string{}
	root.flatten("", out)
	return out, nil
}

// flatten collects the single values below n by their paths.
func (n *node) flatten(path string, into map[string]string) {
	if n.kind == scalar && n.text != "" {
		into[path] = n.text
	}
	for i, key := range n.keys {
		n.kids[i].flatten(join(path, key), into)
	}
}

// nested is flatten undone.
func nested(values map[string]string) map[string]any {
	out := map[string]any{}
	for path, text := range values {
		section, name, ok := strings.Cut(path, ".")
		if !ok {
			out[path] = text
			continue
		}
		if out[section] == nil {
			out[section] = map[string]any{}
		}
		out[section].(map[string]any)[name] = text
	}
	return out
}

// given tells where what the page could give is said already. What Home Assistant's form starts with counts as not said: it stands
// in options.json whether the user has seen it or not.
func (l *loader) given() map[string]string {
	out := map[string]string{}
	for _, group := range pageGroups {
		where := ""
		for _, path := range group {
			if w, said := l.said[path]; said && !l.preset[path] {
				where = w
			}
		}
		for _, path := range group {
			if own := l.said[path]; where != "" {
				out[path] = where
				if own != "" && !l.preset[path] {
					out[path] = own
				}
			}
		}
	}
	return out
}

// paged applies what the page gives, before any other place.
func (l *loader) paged() {
	for _, path := range sorted(l.page) {
		at := slices.IndexFunc(l.rows, func(r row) bool { return r.path == path })
		if at < 0 {
			continue
		}
		l.set(l.rows[at], l.main(), path+" in "+pageName, l.page[path])
	}
}

// pageSays returns what the page's file says of options that no other place says. A broken one is told: it must not keep the
// page from starting, where it can be given again.
func (l *loader) pageSays() map[string]string {
	if l.opts.DataDir == "" {
		return nil
	}
	all, err := l.in.page(l.opts.PageFile())
	if err != nil {
		l.opts.Notes = append(l.opts.Notes, fmt.Sprintf("%s is left aside: %v; what was given on the page has to be given there again", l.opts.PageFile(), err))
	}
	out := map[string]string{}
	for path, text := range all {
		if _, elsewhere := l.opts.Given[path]; !elsewhere && slices.Contains(slices.Concat(pageGroups...), path) {
			out[path] = text
		}
	}
	return out
}
