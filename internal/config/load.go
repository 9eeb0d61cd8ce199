package config

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Inputs is where options come from. Each place overrules those before it: what was given on the page, the YAML file,
// options.json, the environment.
type Inputs struct {
	File     string                                  // YAML file as said with --config; empty: FITBIT_FETCH_CONFIG
	App      string                                  // options.json of Home Assistant's app; it need not exist
	Env      func(name string) string                // empty counts as not set
	ReadFile func(path string) ([]byte, error)       //
	Abs      func(path string) (abs string, e error) // of the paths in the options
}

// System returns the inputs of this process.
func System(file string) Inputs {
	return Inputs{File: file, App: "/data/options.json", Env: os.Getenv, ReadFile: os.ReadFile, Abs: filepath.Abs}
}

// loader is one Load.
type loader struct {
	in       Inputs
	rows     []row
	opts     Options
	first    Person            // the default person
	more     []Person          // the others
	said     map[string]string // path of an option to where it was said last
	preset   map[string]bool   // said in options.json, but only as Home Assistant's form begins
	page     map[string]string // what was given on the page and nowhere else
	problems Problems
}

// Load reads all places and returns the options. Its error is a Problems with all that is wrong.
func Load(in Inputs) (Options, error) {
	l := load(in, nil)
	if page := l.pageSays(); len(page) > 0 { // which folder it lies in is known only now
		with := load(in, page)
		with.opts.Given = l.opts.Given
		if len(with.problems) > 0 && len(l.problems) == 0 { // it was checked when it was given, but another place has changed
			l.opts.Notes = append(l.opts.Notes, "what was given on the page is left aside: "+with.problems.Error())
			return l.opts, nil
		}
		l = with
	}
	if len(l.problems) > 0 {
		return l.opts, l.problems
	}
	return l.opts, nil
}

func load(in Inputs, page map[string]string) *loader {
	l := &loader{in: in, rows: rows(), said: map[string]string{}, preset: map[string]bool{}, page: page}
	l.first.ID = FirstPerson
	for _, r := range l.rows {
		if r.def != "" {
			l.set(r, l.main(), "", r.def)
		}
	}
	l.paged()
	l.yaml()
	l.app()
	l.environment()
	l.opts.Persons = append([]Person{l.first}, l.more...)
	l.opts.Given = l.given()
	l.finish()
	l.plain()
	return l
}

// plain leaves the file out of what the app tells: its form is all that a user sees of it.
func (l *loader) plain() {
	if !l.opts.InApp {
		return
	}
	file := " in " + filepath.Base(l.in.App)
	for i := range l.problems {
		l.problems[i].Where = strings.TrimSuffix(l.problems[i].Where, file)
	}
	for i, n := range l.opts.Notes {
		l.opts.Notes[i] = strings.Replace(n, file, "", 1)
	}
}

func (l *loader) yaml() {
	path := cmp.Or(l.in.File, l.in.Env("FITBIT_FETCH_CONFIG"))
	if path == "" {
		return
	}
	data, err := l.in.ReadFile(path)
	if err != nil {
		where := "--config"
		if l.in.File == "" {
			where = "FITBIT_FETCH_CONFIG"
		}
		l.problems.add(where, "the file %s cannot be read: %v", path, cause(err))
		return
	}
	l.root(fromYAML(data, filepath.Base(path), &l.problems))
}

func (l *loader) app() {
	data, err := l.in.ReadFile(l.in.App)
	switch {
	case err == nil:
		l.opts.InApp = true
		l.root(fromJSON(data, filepath.Base(l.in.App), &l.problems))
	case !errors.Is(err, fs.ErrNotExist) && !notFolder(err):
		l.problems.add(l.in.App, "cannot be read: %v", cause(err))
	}
}

// cause is what the system says, without the path that the message names already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// notFolder is what a system says where /data is something else.
func notFolder(err error) bool { return strings.Contains(err.Error(), "not a directory") }

func (l *loader) root(n *node) {
	switch {
	case n == nil || n.kind == scalar && n.text == "":
	case n.kind != mapping:
		l.problems.add(n.where, "want options as name: value")
	default:
		l.section(n, "", l.main())
	}
}

// main is what options without further ado are about: the first person, and the first database.
func (l *loader) main() target { return target{&l.opts, &l.first, &l.opts.InfluxDB} }

// may reports whether an option can be said of t: of a further person or database only what each of them has.
func (l *loader) may(r row, t target) bool {
	switch {
	case t.person != &l.first:
		return r.person
	case t.db != &l.opts.InfluxDB:
		return r.database
	}
	return true
}

// section takes over the options of a section of a file; prefix is its path with a dot behind.
func (l *loader) section(n *node, prefix string, t target) {
	main := t == l.main()
	for i, key := range n.keys {
		kid, path := n.kids[i], prefix+key
		at := slices.IndexFunc(l.rows, func(r row) bool { return r.path == path && l.may(r, t) })
		switch {
		case at >= 0:
			l.value(l.rows[at], kid, t)
		case path == "persons" && main:
			l.persons(kid)
		case path == "more_databases" && main:
			l.databases(kid)
		case main && l.isSection(path):
			if kid.kind == mapping {
				l.section(kid, path+".", t)
			} else if kid.kind != scalar || kid.text != "" {
				l.problems.add(kid.where, "want a section with options, not %s", kid.kind)
			}
		case l.opts.InApp: // of another version, before or after this one: its form has none but its own
			l.opts.Notes = append(l.opts.Notes, kid.where+" is left aside: this version has no such option")
		default:
			l.problems.add(kid.where, "there is no such option%s", meant(key, l.known(prefix, t)))
		}
	}
}

func (l *loader) isSection(path string) bool {
	return slices.ContainsFunc(l.rows, func(r row) bool { return strings.HasPrefix(r.path, path+".") })
}

// known returns the names that may stand in a section.
func (l *loader) known(prefix string, t target) []string {
	set := map[string]bool{}
	if prefix == "" && t == l.main() {
		set["persons"], set["more_databases"] = true, true
	}
	for _, r := range l.rows {
		rest, ok := strings.CutPrefix(r.path, prefix)
		if ok && l.may(r, t) {
			first, _, _ := strings.Cut(rest, ".")
			set[first] = true
		}
	}
	return sorted(set)
}

// persons takes over the list of further persons; it replaces that of a place before.
func (l *loader) persons(n *node) {
	if n.kind == scalar && n.text == "" {
		return
	}
	if n.kind != list {
		l.problems.add(n.where, "want a list of persons, not %s", n.kind)
		return
	}
	l.more = nil
	ids := map[string]bool{FirstPerson: true}
	for _, kid := range n.kids {
		if kid.kind != mapping {
			l.problems.add(kid.where, "want a section with a person's options, not %s", kid.kind)
			continue
		}
		var p Person
		l.section(kid, "", target{&l.opts, &p, &l.opts.InfluxDB})
		p.ID = slug(p.Name)
		switch {
		case p.Name == "":
			l.problems.add(kid.where, "this person needs a name")
		case p.ID == "":
			l.problems.add(kid.where, "the name %q needs a letter or a digit", brief(p.Name))
		case ids[p.ID]:
			l.problems.add(kid.where, "the name %q is taken, or too like another one; choose another", brief(p.Name))
		}
		ids[p.ID] = true
		l.more = append(l.more, p)
	}
}

// databases takes over the list of further databases; it replaces that of a place before.
func (l *loader) databases(n *node) {
	if n.kind == scalar && n.text == "" {
		return
	}
	if n.kind != list {
		l.problems.add(n.where, "want a list of databases, not %s", n.kind)
		return
	}
	l.opts.More = nil
	for _, kid := range n.kids {
		if kid.kind != mapping {
			l.problems.add(kid.where, "want a section with a database's options, not %s", kid.kind)
			continue
		}
		db := InfluxDB{at: kid.where}
		t := target{&l.opts, &l.first, &db}
		for _, r := range l.rows {
			if r.database && r.def != "" {
				l.set(r, t, "", r.def)
			}
		}
		l.section(kid, "influxdb.", t)
		l.opts.More = append(l.opts.More, db)
	}
}

// slug makes an id of a name: it names files.
func slug(s string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return r
		}
		return '-'
	}, strings.ToLower(s))
	return strings.Trim(out, "-")
}

// value takes over one option of a file.
func (l *loader) value(r row, n *node, t target) {
	switch {
	case n.kind == scalar && n.text == "":
	case r.list && n.kind == list:
		r.clear(t)
		for _, kid := range n.kids {
			if kid.kind != scalar {
				l.problems.add(kid.where, "want a single value, not %s", kid.kind)
				continue
			}
			l.set(r, t, kid.where, kid.text)
		}
	case n.kind != scalar:
		l.problems.add(n.where, "want a single value, not %s", n.kind)
	case r.list:
		l.split(r, t, n.where, n.text)
	default:
		if t == l.main() && l.isPreset(r, n) {
			l.preset[r.path] = true
			if l.page[r.path] != "" {
				return
			}
		} else if t == l.main() {
			delete(l.preset, r.path)
		}
		l.set(r, t, n.where, n.text)
	}
}

// isPreset reports whether a value is what Home Assistant's form begins with.
func (l *loader) isPreset(r row, n *node) bool {
	return l.opts.InApp && strings.HasSuffix(n.where, " in "+filepath.Base(l.in.App)) && n.text == cmp.Or(r.app, r.def)
}

func (l *loader) split(r row, t target, where, text string) {
	r.clear(t)
	for _, s := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' }) {
		l.set(r, t, where, s)
	}
}

// set takes over one value; where is empty for a default.
func (l *loader) set(r row, t target, where, text string) {
	if err := r.set(t, text); err != nil {
		if r.secret {
			l.problems.add(where, "%v", err)
		} else {
			l.problems.add(where, "%q: %v", brief(text), err)
		}
	}
	if t == l.main() && where != "" {
		l.said[r.path] = where
	}
}

// brief keeps a message readable whatever stands in a file, and a password in an address out of it.
func brief(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 && strings.Contains(s[:at], ":") {
		s = "…" + s[at:]
	}
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// environment takes over the variables. Which of them count depends on the provider and the version of InfluxDB, so these come
// first.
func (l *loader) environment() {
	first := []string{"provider", "influxdb.version"}
	for _, path := range first {
		l.variable(l.row(path))
	}
	if l.opts.Provider == "" {
		l.opts.Provider = l.meantProvider()
	}
	for _, r := range l.rows {
		if !slices.Contains(first, r.path) {
			l.variable(r)
		}
	}
}

// googleClient is how every client id of Google ends.
const googleClient = ".apps.googleusercontent.com"

// meantProvider is the provider where none is said: google; or, as the Python project has it, fitbit where the environment names
// only a client of Fitbit's.
func (l *loader) meantProvider() string {
	id := strings.TrimSpace(l.in.Env("CLIENT_ID"))
	_, said := l.said["client_id"]
	if said || id == "" || strings.HasSuffix(id, googleClient) || strings.TrimSpace(l.in.Env("GOOGLE_CLIENT_ID")) != "" {
		return "google"
	}
	return "fitbit"
}

func (l *loader) row(path string) row {
	return l.rows[slices.IndexFunc(l.rows, func(r row) bool { return r.path == path })]
}

func (l *loader) variable(r row) {
	for _, n := range r.env {
		text := strings.TrimSpace(l.in.Env(n.name))
		if text == "" || !l.counts(n.only) {
			continue
		}
		if r.list {
			l.split(r, l.main(), n.name, text)
			l.said[r.path] = n.name
		} else {
			if r.setEnv != nil {
				r.set = r.setEnv
			}
			l.set(r, l.main(), n.name, text)
		}
		delete(l.preset, r.path)
		return
	}
}

func (l *loader) counts(only string) bool {
	switch only {
	case "google", "fitbit":
		return l.opts.Provider == only
	case "2", "3":
		return l.opts.InfluxDB.Version == only
	}
	return true
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
