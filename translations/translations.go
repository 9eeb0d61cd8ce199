// Package translations holds the words that people read, one file per language: the labels of the options (which go generate also
// writes to the app's folder, as Home Assistant wants them) and the names of the sensors.
package translations

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:generate go test -run TestAppTranslations ../internal/appcheck -update

//go:embed *.yaml
var files embed.FS

// English is the language that has every word.
const English = "en"

// Languages returns the codes of the languages there are, as Home Assistant writes them, English first.
func Languages() []string { return []string{English, "de", "fr", "es", "it", "nl", "pl", "pt-BR"} }

// An Option is what Home Assistant's form says of one option, or of a section of them.
type Option struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description"`
	Fields      map[string]Option `yaml:"fields,omitempty"` // of a section
}

// file is one language's file.
type file struct {
	Configuration map[string]Option `yaml:"configuration"`
	Sensors       map[string]string `yaml:"sensors"`
}

func load(lang string) (file, error) {
	var f file
	data, err := files.ReadFile(lang + ".yaml")
	if err != nil {
		return f, err
	}
	if err := yaml.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("words of %s: %w", lang, err)
	}
	return f, nil
}

// Words is one language. The zero value knows nothing.
type Words struct {
	lang     string
	own      file
	fallback file
}

// Lookup returns the words of a language, given as Home Assistant does (de, de-CH, pt-BR). One that is not there is English.
func Lookup(lang string) Words {
	en, err := load(English)
	if err != nil {
		panic(err) // embedded, and tested
	}
	found := match(lang)
	own, err := load(found)
	if err != nil {
		panic(err)
	}
	return Words{lang: found, own: own, fallback: en}
}

// match returns the language that is there for the one that is wanted: itself, or one with the same first part.
func match(lang string) string {
	lang = strings.ReplaceAll(lang, "_", "-")
	all := Languages()
	if i := slices.IndexFunc(all, func(l string) bool { return strings.EqualFold(l, lang) }); i >= 0 {
		return all[i]
	}
	base, _, _ := strings.Cut(lang, "-")
	if i := slices.IndexFunc(all, func(l string) bool { b, _, _ := strings.Cut(l, "-"); return strings.EqualFold(b, base) }); i >= 0 {
		return all[i]
	}
	return English
}

// Language returns the code of the language the words are of.
func (w Words) Language() string { return w.lang }

// Text returns the text with that key, such as the name of the sensor steps; in English where the language has none, and the key
// itself where there is none at all.
func (w Words) Text(key string) string {
	for _, f := range []file{w.own, w.fallback} {
		if s := f.Sensors[key]; s != "" {
			return s
		}
	}
	return key
}

// Keys returns the keys of all texts, sorted.
func (w Words) Keys() []string {
	var out []string
	for k := range w.fallback.Sensors {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Options returns what Home Assistant's form says of each option.
func (w Words) Options() map[string]Option { return w.own.Configuration }
