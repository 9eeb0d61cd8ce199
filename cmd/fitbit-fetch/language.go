package main

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// languageKey is the archive's state that holds the language in which Home Assistant last answered.
const languageKey = "language"

// tongue is the language of the sensors' names: that of the options, or else Home Assistant's, which may be known only later, and may
// change. It is asked for as long as the program runs; until there is an answer the last known one counts.
type tongue struct {
	mu    sync.Mutex
	lang  string
	words translations.Words
	news  chan struct{}
}

// changed is closed when there is another language.
func (t *tongue) changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.news == nil {
		t.news = make(chan struct{})
	}
	return t.news
}

func (t *tongue) get() (string, translations.Words) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lang == "" {
		return "", translations.Lookup(translations.English)
	}
	return t.lang, t.words
}

func (t *tongue) set(lang string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lang, t.words = lang, translations.Lookup(lang)
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// sensorName is the name of an entity in the user's language; empty for the English one.
func (a *app) sensorName(key string) string {
	_, words := a.tongue.get()
	if text := words.Text(key); text != key {
		return text
	}
	return ""
}

// recallLanguage takes the language of the options, or the one that Home Assistant had last. Nobody is asked, so nothing waits.
func (a *app) recallLanguage(ctx context.Context) {
	if a.opts.Language != "" {
		a.tongue.set(a.opts.Language)
		return
	}
	if lang, _ := a.tongue.get(); lang != "" {
		return // Home Assistant was faster
	}
	kept, err := a.archive.State(ctx, "", languageKey)
	if err != nil {
		a.log.Warn("Home Assistant's last language could not be read", "err", err)
	}
	a.tongue.set(cmp.Or(string(kept), translations.English))
}

// hearLanguage takes the language of an answer of Home Assistant, and keeps it for the next start.
func (a *app) hearLanguage(ctx context.Context, core supervisor.Core) {
	if a.opts.Language != "" || core.Language == "" {
		return
	}
	was, _ := a.tongue.get()
	if was != core.Language {
		a.tongue.set(core.Language)
		a.log.Info("the names of the sensors follow Home Assistant's language", "language", core.Language)
	}
	kept, err := a.archive.State(ctx, "", languageKey)
	if err == nil && !slices.Equal(kept, []byte(core.Language)) {
		err = a.archive.SetState(ctx, "", languageKey, []byte(core.Language))
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("Home Assistant's language could not be kept for the next start", "err", err)
	}
}
