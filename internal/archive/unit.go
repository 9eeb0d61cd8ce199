package archive

import (
	"encoding/json"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const dayNanos = int64(24 * time.Hour)

// unitOf returns the unit span an instant belongs to, as days since 1970: for daily series the first day of the UTC month, for
// others the UTC day. The unit of a session's samples is the session's day instead.
func unitOf(row metric.Series, t int64) int {
	d := t / dayNanos
	if t%dayNanos < 0 {
		d--
	}
	if row.Sampling != metric.Daily {
		return int(d)
	}
	c := metric.Day(d).Civil()
	return int(metric.DayOf(time.Date(c.Year(), c.Month(), 1, 0, 0, 0, 0, time.UTC)))
}

func unitStart(u int) int64 { return int64(u) * dayNanos }

// unitEnd returns the first instant behind the unit.
func unitEnd(row metric.Series, u int) int64 {
	if row.Sampling != metric.Daily {
		return unitStart(u + 1)
	}
	return metric.Day(u).Civil().AddDate(0, 1, 0).UnixNano()
}

// packTags writes tag values as they are stored: a JSON array without empty values at its end, nothing for no tags.
func packTags(tags []string) string {
	for len(tags) > 0 && tags[len(tags)-1] == "" {
		tags = tags[:len(tags)-1]
	}
	if len(tags) == 0 {
		return ""
	}
	text, _ := json.Marshal(tags) // strings always can
	return string(text)
}

// unpackTags returns tag values as a block has them: one for each tag of the row.
func unpackTags(row metric.Series, packed string) []string {
	if len(row.Tags) == 0 {
		return nil
	}
	var tags []string
	if packed != "" {
		json.Unmarshal([]byte(packed), &tags) // written by packTags; what is unreadable is no tag
	}
	for len(tags) < len(row.Tags) {
		tags = append(tags, "")
	}
	return tags
}
