package appcheck

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

var update = flag.Bool("update", false, "write the expected files")

// section lays the words out in the order of the form; each level has what Supervisor wants: name, description and fields. A
// further person's or database's options have the words that the first one's have, where it has none of its own.
func section(t *testing.T, schema *yaml.Node, words, first map[string]translations.Option) *yaml.Node {
	t.Helper()
	out := &yaml.Node{Kind: yaml.MappingNode}
	text := func(to *yaml.Node, key, value string) {
		to.Content = append(to.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
	}
	for i := 0; i < len(schema.Content); i += 2 {
		key, kind := schema.Content[i].Value, schema.Content[i+1]
		o, ok := words[key]
		if !ok {
			t.Errorf("there are no words for the option %s", key)
		}
		entry := &yaml.Node{Kind: yaml.MappingNode}
		text(entry, "name", o.Name)
		text(entry, "description", o.Description)
		fields := o.Fields
		if kind.Kind == yaml.SequenceNode {
			alike := map[string]map[string]translations.Option{"persons": first, "more_databases": first["influxdb"].Fields}
			kind, fields = kind.Content[0], maps.Clone(alike[key])
			maps.Copy(fields, o.Fields)
		}
		if kind.Kind == yaml.MappingNode {
			entry.Content = append(entry.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "fields"}, section(t, kind, fields, first))
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, entry)
	}
	return out
}

// TestAppTranslations keeps fitbit_fetch/translations what the one file of each language makes of it.
func TestAppTranslations(t *testing.T) {
	dir := filepath.Join(appDir, "translations")
	schema := readConfig(t).node(t, "schema")
	var names []string
	for _, lang := range translations.Languages() {
		words := translations.Lookup(lang).Options()
		root := &yaml.Node{Kind: yaml.MappingNode, HeadComment: "Generated from translations/" + lang + ".yaml; make generate writes it again."}
		root.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Value: "configuration"}, section(t, schema, words, words)}
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(root); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, lang+".yaml")
		names = append(names, filepath.Base(name))
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, b.Bytes()) {
			t.Errorf("%s is not current; run make generate", name)
		}
		validTranslation(t, name, got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s belongs to no language", e.Name())
		}
	}
}

// validTranslation is Supervisor's schema: a file with a level without a name is skipped as a whole.
func validTranslation(t *testing.T, name string, data []byte) {
	t.Helper()
	var f struct {
		Configuration map[string]any `yaml:"configuration"`
	}
	if err := yaml.Unmarshal(data, &f); err != nil || len(f.Configuration) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	var level func(path string, v any)
	level = func(path string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			t.Errorf("%s: %s is no section", name, path)
			return
		}
		for _, key := range []string{"name", "description"} {
			if s, ok := m[key].(string); !ok || s == "" {
				t.Errorf("%s: %s has no %s", name, path, key)
			}
		}
		if fields, ok := m["fields"].(map[string]any); ok {
			for k, v := range fields {
				level(path+"."+k, v)
			}
		}
	}
	for k, v := range f.Configuration {
		level(k, v)
	}
}

var placeholder = regexp.MustCompile(`\{[a-z_]*\}`)

// TestLanguages says that every language has the same words with the same placeholders, and none empty; and no word that nothing
// asks for, which the form and the catalogue decide.
func TestLanguages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "translations", "*.yaml"))
	if err != nil || len(files) != len(translations.Languages()) {
		t.Fatalf("%d files of words for the languages %v, %v", len(files), translations.Languages(), err)
	}
	want := flatFile(t, filepath.Join(root, "translations", "en.yaml"))
	if len(want) < 100 {
		t.Fatalf("only %d words in English", len(want))
	}
	for _, file := range files {
		got := flatFile(t, file)
		same := 0
		for key, text := range want {
			own, ok := got[key]
			if !ok || own == "" {
				t.Errorf("%s: %s is missing", file, key)
			}
			if a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(own, -1); !slices.Equal(sorted(a), sorted(b)) {
				t.Errorf("%s: %s has the placeholders %v, want %v", file, key, b, a)
			}
			if own == text {
				same++
			}
		}
		for key := range got {
			if _, ok := want[key]; !ok && !strings.HasSuffix(key, ".few") { // TestForms looks at those
				t.Errorf("%s: %s is not there in English", file, key)
			}
		}
		if filepath.Base(file) != "en.yaml" && same > len(want)/5 {
			t.Errorf("%s: %d of %d words are the English ones", file, same, len(want))
		}
	}
}

// TestForms holds the forms of words for numbers against Unicode's CLDR: each language has those that it needs, and no others.
func TestForms(t *testing.T) {
	english := translations.Lookup(translations.English).PageTexts()
	for _, lang := range translations.Languages() {
		words, tag := translations.Lookup(lang), language.MustParse(lang)
		forms := map[plural.Form]string{plural.One: "one", plural.Few: "few"} // what else there is for whole numbers is the text itself
		needed := map[string]bool{}
		for n := range 1000 {
			form := forms[plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)]
			want := words.PageTexts()["steps_count"]
			if form != "" {
				needed[form], want = true, words.PageTexts()["steps_count."+form]
			}
			if got := words.Counted("steps_count", int64(n)); got != want || got == "" {
				t.Fatalf("%s: %d is told as %q, want %q", lang, n, got, want)
			}
		}
		for key, text := range words.PageTexts() {
			base, form, counted := strings.Cut(key, ".")
			if counted && (!needed[form] || english[base] == "") {
				t.Errorf("%s: nobody asks for %s", lang, key)
			}
			if a, b := placeholder.FindAllString(english[base], -1), placeholder.FindAllString(text, -1); counted && !slices.Equal(sorted(a), sorted(b)) {
				t.Errorf("%s: %s has the placeholders %v, want %v", lang, key, b, a)
			}
		}
		for key := range english {
			base, _, counted := strings.Cut(key, ".")
			for form := range needed {
				if counted && words.PageTexts()[base+"."+form] == "" {
					t.Errorf("%s: %s.%s is missing", lang, base, form)
				}
			}
		}
	}
}

func sorted(s []string) []string { s = slices.Clone(s); slices.Sort(s); return s }

// flatFile returns all texts of a file by their path.
func flatFile(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case string:
			out[path] = v
		case map[string]any:
			for k, sub := range v {
				walk(path+"."+k, sub)
			}
		default:
			t.Errorf("%s: %s is %T, want text", name, path, v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(f)) {
		walk(k, f[k])
	}
	return out
}
