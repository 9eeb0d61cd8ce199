package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A block is what one data type holds of one day, encoded, newest first. It holds the future too: who reads it leaves out what no
// sync has brought.
type block struct {
	*enc
	list   bool // the envelope of list, with the name and the source
	phone  bool // the phone's points beside the tracker's
	row    *dataType
	now    time.Time // for what changes by the clock: sleep
	points []point
	ids    []string // of the points of an identifiable type; shorter for others
	member string
	device string // the source of the tracker's points, encoded
	mobile string // the phone's
}

// point is where one encoded point stands and when it is seen.
type point struct {
	at    int64 // ns: what filters compare; of daily types the midnight, written as UTC
	off   int32 // seconds east of UTC then
	ready int64 // ns: seen once the tracker has synced this far
	from  int32
	to    int32
}

// always is ready before any sync.
const always = math.MinInt64

func newBlock(p *Person, row *dataType, list, phone bool, keep *mask) *block {
	b := &block{enc: newEnc(p, keep), list: list, phone: phone && !p.NoPhone, row: row, member: row.camel()}
	if list {
		b.device = b.source(p.Tracker(), "FITNESS_BAND")
		b.mobile = b.source("Phone", "PHONE")
	}
	return b
}

// source encodes the dataSource of points once; empty when the mask does not keep it.
func (b *block) source(device, form string) string {
	method, platform := "PASSIVELY_MEASURED", "FITBIT"
	switch {
	case b.row.manual:
		method = "MANUAL"
	case b.row.kind == daily || b.row.kind == sleeping || b.row.name == "active-energy-burned":
		method = "DERIVED"
	case b.row.kind == session:
		method = "ACTIVELY_MEASURED"
	}
	e := newEnc(b.p, b.mask)
	if !e.open("dataSource") {
		return ""
	}
	e.str("recordingMethod", method)
	e.str("platform", platform)
	if b.row.manual {
		if e.open("application") {
			e.str("packageName", "com.fitbit.FitbitMobile")
			e.end()
		}
	} else if e.open("device") {
		e.str("displayName", device)
		e.str("formFactor", form)
		if form != "PHONE" {
			e.str("manufacturer", "Fitbit")
		}
		e.end()
	}
	e.end()
	return string(e.b)
}

// begin opens a point and its value; the value's members follow, then finish. It reports false when the mask leaves the value out:
// then finish alone follows.
func (b *block) begin(id, source string) bool {
	if len(b.points) > 0 {
		b.b = append(b.b, ',')
	}
	b.points = append(b.points, point{from: int32(len(b.b))})
	if id != "" {
		b.ids = append(b.ids, id)
	}
	b.b = append(b.b, '{')
	if id != "" {
		member := "dataPointName"
		if b.list {
			member = "name"
		}
		b.str(member, "users/"+b.p.Account()+"/dataTypes/"+b.row.name+"/dataPoints/"+id)
	}
	if source != "" {
		b.comma()
		b.b = append(b.b, source...)
	}
	return b.open(b.member)
}

// finish closes the point. at is in ns; ready too.
func (b *block) finish(open bool, at, ready int64) {
	if open {
		b.end()
	}
	b.b = append(b.b, '}')
	p := &b.points[len(b.points)-1]
	p.at, p.ready, p.to = at, ready, int32(len(b.b))
	if b.row.kind != daily {
		p.off = int32(b.offset(floorDiv(at, 1e9)))
	}
}

// reserve makes room for n more points like the first.
func (b *block) reserve(n int) {
	b.b = slices.Grow(b.b, n*(len(b.b)+2))
	b.points = slices.Grow(b.points, n)
}

// spanPoint writes a point of an interval type.
func (b *block) spanPoint(source string, start, end int64, value func()) {
	ok := b.begin("", source)
	if ok {
		b.interval(start, end, true)
		if value != nil {
			value()
		}
	}
	b.finish(ok, start*1e9, end*1e9)
}

// dayPoint writes a point of a daily type.
func (b *block) dayPoint(d metric.Day, ready time.Time, value func()) {
	ok := b.begin("", b.device)
	if ok {
		b.date("date", d)
		value()
	}
	b.finish(ok, d.Civil().UnixNano(), ready.UnixNano())
}
