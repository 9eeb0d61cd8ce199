package metric

import (
	"fmt"
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

var fixedZone = regexp.MustCompile(`^(?:UTC|GMT)([+-])(\d{1,2})(?::?(\d\d))?$`)

// LoadZone returns the zone of that name: one of the time zone database, or a fixed offset such as UTC+05:30, UTC+8 or GMT-03:00. The
// name "Local", and none at all, are errors.
func LoadZone(name string) (*time.Location, error) {
	if m := fixedZone.FindStringSubmatch(name); m != nil {
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi("0" + m[3])
		seconds := hours*3600 + minutes*60
		if m[1] == "-" {
			seconds = -seconds
		}
		if fixed, ok := FixedZone(seconds); ok && minutes < 60 {
			return time.FixedZone(fixed, seconds), nil
		}
		return nil, fmt.Errorf("time zone %q: no zone is so far from UTC", name)
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("time zone %q: want a name of the time zone database such as Europe/Berlin", name)
	}
	return time.LoadLocation(name)
}

// Fixed reports whether the name is one of an offset.
func Fixed(name string) bool { return fixedZone.MatchString(name) }

// FixedZone names the zone that is so many seconds east of UTC at all times. It is false where none can be: beyond 18 hours, or not
// whole minutes.
func FixedZone(seconds int) (string, bool) {
	if seconds < -18*3600 || seconds > 18*3600 || seconds%60 != 0 {
		return "", false
	}
	sign, n := '+', seconds/60
	if n < 0 {
		sign, n = '-', -n
	}
	return fmt.Sprintf("UTC%c%02d:%02d", sign, n/60, n%60), true
}

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
