package appcheck

import (
	"slices"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// TestSensorsHaveNames: every sensor of the catalogue and every entity has a name, and no name is without one of them. The English
// name is that of the table of entities.
func TestSensorsHaveNames(t *testing.T) {
	var want []string
	english := translations.Lookup(translations.English)
	for _, e := range homeassistant.Entities() {
		want = append(want, e.Key)
		if got := english.Text(e.Key); got != e.Name {
			t.Errorf("%s is %q in English, %q in the table of entities", e.Key, got, e.Name)
		}
	}
	for _, s := range metric.Default() {
		for _, f := range s.Fields {
			if f.Sensor != "" && !slices.Contains(want, f.Sensor) {
				want = append(want, f.Sensor)
			}
		}
	}
	slices.Sort(want)
	if got := english.Keys(); !slices.Equal(got, want) {
		t.Errorf("names of %q\nwant  %q", got, want)
	}
	for _, lang := range translations.Languages() {
		words, seen := translations.Lookup(lang), map[string]string{}
		for _, key := range want {
			name := words.Text(key)
			if other, twice := seen[name]; twice {
				t.Errorf("%s: %s and %s have the same name %q", lang, key, other, name)
			}
			seen[name] = key
			if len([]rune(name)) > 50 {
				t.Errorf("%s: the name of %s is long: %q", lang, key, name)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for in, want := range map[string]string{
		"en": "en", "de": "de", "de-CH": "de", "DE": "de", "pt-BR": "pt-BR", "pt_br": "pt-BR", "pt": "pt-BR", "en-GB": "en", "zh-Hans": "en", "": "en", "nb": "en",
	} {
		if got := translations.Lookup(in).Language(); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	w := translations.Lookup("de")
	if w.Text("steps") != "Schritte" || w.Text("nothing_of_the_kind") != "nothing_of_the_kind" {
		t.Errorf("%q", w.Text("steps"))
	}
}
