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

// announced is what the sensors are announced with beside their values: names in a language, and the address of our page. The language is that
// of the options, or else Home Assistant's. Both may be known only later, and may change; until there is an answer the last known counts.
type announced struct {
	news broadcast

	mu    sync.Mutex
	lang  string
	words translations.Words
	path  string // of our page in Home Assistant's interface
}

// language returns the language and its words; an empty one, with English words, before it is known.
func (n *announced) language() (string, translations.Words) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lang == "" {
		return "", translations.Lookup(translations.English)
	}
	return n.lang, n.words
}

func (n *announced) setLanguage(lang string) {
	n.mu.Lock()
	n.lang, n.words = lang, translations.Lookup(lang)
	n.mu.Unlock()
	n.news.fire()
}

// link is the address of our page for a device; empty while it is not known.
func (n *announced) link() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.path == "" {
		return ""
	}
	return supervisor.Link(n.path)
}

func (n *announced) setPage(path string) {
	n.mu.Lock()
	n.path = path
	n.mu.Unlock()
	n.news.fire()
}

// sensorName is the name of an entity in the user's language; empty for the English one.
func (a *app) sensorName(key string) string {
	_, words := a.announced.language()
	if text := words.Text(key); text != key {
		return text
	}
	return ""
}

// recallLanguage takes the language of the options, or the one that Home Assistant had last. Nobody is asked, so nothing waits.
func (a *app) recallLanguage(ctx context.Context) {
	if a.opts.Language != "" {
		a.announced.setLanguage(a.opts.Language)
		return
	}
	if lang, _ := a.announced.language(); lang != "" {
		return // Home Assistant was faster
	}
	kept, err := a.archive.State(ctx, "", languageKey)
	if err != nil {
		a.log.Warn("Home Assistant's last language could not be read", "err", err)
	}
	a.announced.setLanguage(cmp.Or(string(kept), translations.English))
}

// hearLanguage takes the language of an answer of Home Assistant, and keeps it for the next start.
func (a *app) hearLanguage(ctx context.Context, core supervisor.Core) {
	if a.opts.Language != "" || core.Language == "" {
		return
	}
	was, _ := a.announced.language()
	if was != core.Language {
		a.announced.setLanguage(core.Language)
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
