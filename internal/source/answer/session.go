package answer

import (
	"cmp"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Unnamed is the name of a workout that has none, as the Python project wrote it.
const Unnamed = "Unknown-Activity"

// LevelAwake is the level of being awake, as the Python project wrote it.
const LevelAwake = 3.0

// shortestNight is how long a sleep is that is taken for the main one though the service does not call it so.
const shortestNight = 3 * time.Hour

// Keep adds a session, or replaces the one of the same key: the last one read stays.
func Keep(sessions []metric.Session, s metric.Session) []metric.Session {
	if i := slices.IndexFunc(sessions, func(o metric.Session) bool { return o.Key == s.Key }); i >= 0 {
		sessions[i] = s
		return sessions
	}
	return append(sessions, s)
}

// InOrder sorts sessions by their start.
func InOrder(sessions []metric.Session) []metric.Session {
	slices.SortFunc(sessions, func(a, b metric.Session) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Key, b.Key)) })
	return sessions
}

// MainTag is the value of the tag isMainSleep, as the Python project wrote it.
func MainTag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// ChooseMain makes the longest sleep of a day its main one, where the service does not say which it is; told reports of a key whether it
// does.
func ChooseMain(all []metric.Session, told func(key string) bool) {
	for i := range all {
		s := &all[i]
		if s.Main || told(s.Key) || s.End.Sub(s.Start) < shortestNight {
			continue
		}
		longer := func(o metric.Session) bool {
			return o.Day == s.Day && o.Key != s.Key && (o.Main || !told(o.Key) && cmp.Or(cmp.Compare(o.End.Sub(o.Start), s.End.Sub(s.Start)), s.Start.Compare(o.Start)) > 0)
		}
		if slices.ContainsFunc(all, longer) {
			continue
		}
		s.Main = true
		for b := range s.Blocks {
			s.Blocks[b].Tags = []string{MainTag(true)}
		}
	}
}
