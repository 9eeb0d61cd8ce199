package metric

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// A ZoneOrigin says who told a zone.
type ZoneOrigin string

// The origins, the surest last. An entry without one was written by an earlier version.
const (
	ZoneAssumed ZoneOrigin = "assumed" // nobody told any: UTC
	ZoneMachine ZoneOrigin = "machine" // the zone of the machine, or of Home Assistant
	ZoneOffset  ZoneOrigin = "offset"  // the service told no zone that is known, but its offset from UTC, which knows no summer time
	ZoneService ZoneOrigin = "service"
	ZoneOption  ZoneOrigin = "option"
)

var zoneOrigins = []ZoneOrigin{ZoneAssumed, ZoneMachine, ZoneOffset, ZoneService, ZoneOption}

// Surer reports whether o is told on better grounds than p. The service and the options are as good as each other.
func (o ZoneOrigin) Surer(p ZoneOrigin) bool {
	return p.Provisional() && slices.Index(zoneOrigins, o) > slices.Index(zoneOrigins, p)
}

// Provisional reports whether the zone stands in for one that is not known: once it is, the days dated by it are dated anew.
func (o ZoneOrigin) Provisional() bool {
	return o == ZoneAssumed || o == ZoneMachine || o == ZoneOffset
}

// A ZoneEntry says in which zone a person lives from a day on. A person's zones are a list of them: past days never move, unless
// what they were dated by was provisional.
type ZoneEntry struct {
	From Day
	Name string     // as LoadZone takes it
	By   ZoneOrigin // who told it
}

// Zones is a person's dated list of zones, oldest first. The zero value is UTC.
type Zones []ZoneEntry

// On returns the zone in force on that day; days before the first entry take the first.
func (z Zones) On(d Day) *time.Location {
	name := "UTC"
	for i, e := range z {
		if i == 0 || e.From <= d {
			name = e.Name
		}
	}
	loc, err := LoadZone(name)
	if err != nil {
		return time.UTC // names are checked when they enter the list
	}
	return loc
}

// LoadZone returns the zone of an IANA name, or of an offset from UTC, as in "UTC+05:30".
func LoadZone(name string) (*time.Location, error) {
	if seconds, ok := fixedOffset(name); ok {
		return time.FixedZone(name, seconds), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone", name)
	}
	return time.LoadLocation(name)
}

// ZoneName returns the zone that a service says: by its name where that is known here, else by its offset from UTC in seconds, which may be
// NaN for not said. It is empty where neither tells.
func ZoneName(name string, offset float64) string {
	if _, fixed := fixedOffset(name); !fixed {
		if _, err := LoadZone(name); err == nil {
			return name
		}
	}
	if math.Abs(offset) <= FarthestOffset && offset == math.Trunc(offset) {
		sign := '+'
		if offset < 0 {
			sign, offset = '-', -offset
		}
		minutes := int(offset) / 60
		return fmt.Sprintf("UTC%c%02d:%02d", sign, minutes/60, minutes%60)
	}
	if seconds, ok := fixedOffset(name); ok {
		return ZoneName("", float64(seconds))
	}
	return ""
}

// IsOffset reports whether a zone is only an offset from UTC: it knows no summer time.
func IsOffset(name string) bool {
	_, ok := fixedOffset(name)
	return ok
}

// FarthestOffset is how many seconds a zone can be from UTC.
const FarthestOffset = 18 * 3600

var offsetName = regexp.MustCompile(`^(?:UTC|GMT)([+-])(\d{1,2})(?::?(\d\d))?$`)

// fixedOffset reads "UTC+05:30", "GMT+8" and the like as seconds east of UTC.
func fixedOffset(name string) (seconds int, ok bool) {
	m := offsetName.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	hours, _ := strconv.Atoi(m[2]) // they are digits
	minutes, _ := strconv.Atoi(m[3])
	seconds = hours*3600 + minutes*60
	if m[1] == "-" {
		seconds = -seconds
	}
	return seconds, minutes < 60 && seconds >= -FarthestOffset && seconds <= FarthestOffset
}

// Now returns the newest zone.
func (z Zones) Now() *time.Location {
	if len(z) == 0 {
		return time.UTC
	}
	return z.On(z[len(z)-1].From)
}

// Midnight returns the instant at which that day begins for the person.
func (z Zones) Midnight(d Day) time.Time { return d.In(z.On(d)).UTC() }

// Bounds returns a span of that axis as instants: on the axis Days, from the midnight of its first day to the one after its last.
func (z Zones) Bounds(axis Axis, s Span) Span {
	if axis == Instants || s.Empty() {
		return s
	}
	first, last := s.Days()
	return Span{z.Midnight(first), z.Midnight(last + 1)}
}
