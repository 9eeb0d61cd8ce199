// Package translations holds the words that people read, one file per language: the labels of the options (which go generate also
// writes to the app's folder, as Home Assistant wants them), the names of the sensors, and the texts of the page.
package translations

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"
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
	Page          map[string]string `yaml:"page"`
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
	found, own := match(lang), en
	if found != English {
		if own, err = load(found); err != nil {
			panic(err)
		}
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

// Accepted returns the language that a browser asks for with its header Accept-Language; English where it asks for none of ours.
func Accepted(header string) string {
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return English
	}
	_, i, _ := accepts.Match(wanted...)
	return Languages()[i]
}

var accepts = func() language.Matcher {
	var tags []language.Tag
	for _, l := range Languages() {
		tags = append(tags, language.MustParse(l))
	}
	return language.NewMatcher(tags)
}()

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

// Page returns a text of the page. Names in braces are to be filled in; a text whose key begins with help_ is a part of HTML, all
// others are plain. A key that begins with sensor_ is the name of that sensor. Where the language has no such text it is English, and
// empty where there is none at all.
func (w Words) Page(key string) string {
	if sensor, ok := strings.CutPrefix(key, "sensor_"); ok {
		if name := w.Text(sensor); name != sensor {
			return name
		}
		return ""
	}
	return cmp.Or(w.own.Page[key], w.fallback.Page[key])
}

// Counted is Page for a text that tells a number: a key that ends in .one, or in Polish .few, is for the numbers that need another
// form of the words.
func (w Words) Counted(key string, n int64) string {
	return cmp.Or(w.own.Page[key+"."+form(w.lang, n)], w.Page(key))
}

// form names the form of words that a language has for a number, as Unicode's CLDR does; empty for that of most numbers.
func form(lang string, n int64) string {
	n = max(n, -n)
	switch {
	case n == 1, n == 0 && (lang == "fr" || lang == "pt-BR"):
		return "one"
	case lang == "pl" && n%10 >= 2 && n%10 <= 4 && (n%100 < 12 || n%100 > 14):
		return "few"
	}
	return ""
}

// PageTexts returns the texts of the page that the language has itself, by their keys.
func (w Words) PageTexts() map[string]string { return w.own.Page }

// Options returns what Home Assistant's form says of each option.
func (w Words) Options() map[string]Option { return w.own.Configuration }
