package simulate

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	defaultPage = 1440
	largestPage = 10_000
)

// families are the values of dataSourceFamily.
const (
	familyAll       = "users/me/dataSourceFamilies/all-sources"
	familyWearables = "users/me/dataSourceFamilies/google-wearables"
	familyGoogle    = "users/me/dataSourceFamilies/google-sources"
	familySelf      = "users/me/dataSourceFamilies/self-sources"
)

func checkFamily(s string) *apiError {
	switch s {
	case "", familyAll, familyWearables, familyGoogle, familySelf:
		return nil
	}
	return invalid("INVALID_DATA_POINT_DATA_SOURCE_FAMILY", "Invalid data source family: "+s)
}

// cursor is where a page begins: the index of a point among all of its day, newest first.
type cursor struct {
	day     metric.Day
	index   int
	skipped bool // an empty page was given for it already
}

// query is a list or reconcile request.
type query struct {
	t      *dataType
	op     string
	filter filter
	family string
	size   int
	at     cursor
	sum    uint64 // of all that must stay the same while paging
}

// points answers list (L) and reconcile (R).
func (g *Google) points(name, op string) handler {
	return func(w http.ResponseWriter, c *call) *apiError {
		t, err := c.dataType(name, op)
		if err != nil {
			return err
		}
		q, err := c.parseQuery(t, op)
		if err != nil {
			return err
		}
		shape := map[string]string{"L": "list", "R": "reconcile"}[op]
		m, err := c.keeps(shape)
		if err != nil {
			return err
		}
		body := c.page(q, m, g.buffer())
		g.writeJSON(w, c.r, http.StatusOK, body)
		g.reuse(body)
		return nil
	}
}

func (c *call) parseQuery(t *dataType, op string) (query, *apiError) {
	v := c.r.URL.Query()
	q := query{t: t, op: op, family: v.Get("dataSourceFamily"), size: defaultPage}
	if err := checkFamily(q.family); err != nil {
		return q, err
	}
	if q.family != "" && op == "L" && (t.kind == sleeping || t.kind == unfiltered) {
		return q, invalid("INVALID_DATA_POINT_DATA_SOURCE_FAMILY", "dataSourceFamily is not supported when listing "+t.name)
	}
	var err *apiError
	if q.filter, err = parseFilter(t, v.Get("filter")); err != nil {
		return q, err
	}
	if q.size, err = pageSize(v.Get("pageSize"), defaultPage, t.most()); err != nil {
		return q, err
	}
	if t.name == "heart-rate" {
		q.size = min(q.size, c.g.cfg.PageCap)
	}
	q.sum = checksum(c.p.Account(), t.name, op, v.Get("filter"), q.family)
	_, last := q.filter.days(c.p)
	q.at = cursor{day: min(last+1, c.newest())}
	if s := v.Get("pageToken"); s != "" {
		var ok bool
		if q.at, ok = parseCursor(s, q.sum); !ok {
			return q, invalid("INVALID_PAGE_TOKEN", "The page token is invalid or belongs to another request.")
		}
	}
	return q, nil
}

// most is the largest page of a type.
func (t *dataType) most() int {
	if t.page > 0 {
		return t.page
	}
	return largestPage
}

// pageSize reads a size; 0 and nothing are the default, too much is cut.
func pageSize(s string, normal, most int) (int, *apiError) {
	n := 0
	if s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 0 {
			return 0, invalid("INVALID_PAGE_SIZE", "Invalid page size: "+s)
		}
	}
	if n == 0 {
		n = normal
	}
	return min(n, most), nil
}

// page collects one page into out, walking from the cursor to older days.
func (c *call) page(q query, m *mask, out []byte) []byte {
	keep, wanted := m.child("dataPoints")
	tokens := true
	if _, ok := m.child("nextPageToken"); !ok {
		tokens = false
	}
	if !c.g.cfg.NoEmptyPages && !q.at.skipped && c.r.URL.Query().Has("pageToken") && (q.sum+uint64(q.at.index)+uint64(q.at.day))%11 == 0 {
		q.at.skipped = true
		return appendNext(append(out, '{'), q, tokens)
	}
	out = append(out, '{')
	if wanted {
		out = append(out, `"dataPoints":[`...)
	}
	empty := len(out)
	first, _ := q.filter.days(c.p)
	seen := c.seen(q.t)
	n, more := 0, false
walk:
	for d := q.at.day; q.t.fill != nil && q.family != familySelf && d >= max(first, c.p.Start); d-- {
		b := c.block(q, d, keep)
		i := 0
		if d == q.at.day {
			i = q.at.index
		}
		from := -1 // of a run of points that follow each other
		for ; i < len(b.points); i++ {
			p := &b.points[i]
			if p.ready > seen || !q.filter.match(p.at, p.off) {
				from, out = -1, b.run(out, from, i, wanted)
				continue
			}
			if n == q.size {
				q.at, more = cursor{day: d, index: i}, true
				out = b.run(out, from, i, wanted)
				break walk
			}
			if n++; from < 0 {
				from = i
			}
		}
		out = b.run(out, from, i, wanted)
	}
	switch {
	case wanted && len(out) == empty:
		out = out[:1] // an empty list is left out
	case wanted:
		out = append(out, ']')
	}
	if !more {
		if q.op == "R" && tokens && n > 0 {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, `"nextPageToken":""`...)
		}
		return append(out, '}')
	}
	return appendNext(out, q, tokens)
}

// run appends the points from … to-1; from -1 is none.
func (b *block) run(out []byte, from, to int, wanted bool) []byte {
	if from < 0 || !wanted {
		return out
	}
	if out[len(out)-1] != '[' {
		out = append(out, ',')
	}
	return append(out, b.b[b.points[from].from:b.points[to-1].to]...)
}

func appendNext(out []byte, q query, tokens bool) []byte {
	if tokens {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, `"nextPageToken":"`...)
		out = append(append(out, q.at.token(q.sum)...), '"')
	}
	return append(out, '}')
}

// block returns the encoded points of a day, kept from the last time where there are many.
func (c *call) block(q query, d metric.Day, keep *mask) *block {
	list := q.op == "L"
	phone := list && q.family != familyWearables // merged answers hold each minute once
	fill := func() *block {
		b := newBlock(c.p, q.t, list, phone, keep)
		b.now = c.now
		if d >= c.p.Start && (!q.t.manual || q.family != familyWearables) {
			q.t.fill(b, d)
		}
		return b
	}
	if !q.t.dense {
		return fill()
	}
	k := blockKey{c.p, q.t, d, list, phone, c.r.URL.Query().Get("fields")}
	return c.g.blocks.get(k, fill)
}

func (a cursor) token(sum uint64) string {
	s := strconv.FormatUint(sum, 36) + "." + strconv.Itoa(int(a.day)) + "." + strconv.Itoa(a.index)
	if a.skipped {
		s += ".s"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}

func parseCursor(s string, sum uint64) (cursor, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, false
	}
	part := strings.Split(string(raw), ".")
	if len(part) < 3 || part[0] != strconv.FormatUint(sum, 36) {
		return cursor{}, false
	}
	day, err1 := strconv.Atoi(part[1])
	index, err2 := strconv.Atoi(part[2])
	return cursor{metric.Day(day), index, len(part) > 3}, err1 == nil && err2 == nil && index >= 0
}

func checksum(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, p := range parts {
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * 1099511628211
		}
		h = (h ^ 0x1f) * 1099511628211
	}
	return mix(h)
}

// point answers get: one point of an identifiable type.
func (g *Google) point(name, id string) handler {
	return func(w http.ResponseWriter, c *call) *apiError {
		t, err := c.dataType(name, "G")
		if err != nil {
			return err
		}
		m, err := c.keeps("get")
		if err != nil {
			return err
		}
		seen := c.seen(t)
		for d := c.newest(); t.fill != nil && d >= c.p.Start; d-- {
			b := newBlock(c.p, t, true, false, m)
			b.now = c.now
			t.fill(b, d)
			for i, p := range b.points {
				if b.ids[i] == id && p.ready <= seen {
					g.writeJSON(w, c.r, http.StatusOK, b.b[p.from:p.to])
					return nil
				}
			}
		}
		return notFound()
	}
}
