package homeassistant

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/gosimple/unidecode"
	"golang.org/x/text/unicode/norm"
)

// serviceID is the id of the program's own device.
const serviceID = "service"

// naming is what a person's ids are made of. It is remembered: whatever order the options have later, nobody gets another's ids, and
// with them another's history.
type naming struct {
	ID     string `json:"id"`     // of the device, in topics and unique ids
	Name   string `json:"name"`   // of which Entity was made
	Entity string `json:"entity"` // begins the entity ids
}

// nameAll gives every person in the options ids of their own. Those that are remembered stay. Then come the persons whom an earlier
// version published without remembering this, and then new ones, in the order of the options; who comes first gets the plain id.
func (p *Publisher) nameAll(m *memory) {
	if m.People == nil {
		m.People = map[string]naming{}
	}
	ids, entities := p.claimed(m)
	for _, before := range []bool{true, false} { // those whom an earlier version published, and then the rest
		for _, who := range p.cfg.People {
			n, known := m.People[who.ID]
			if (m.Cursors[who.ID] != nil) != before || known && n.Name == who.Name {
				continue
			}
			old := before && !known
			if !known {
				n.ID = ids.take(idCandidates(who.ID, old))
			}
			n.Name, n.Entity = who.Name, entities.take(entityCandidates(who, n.ID, old))
			m.People[who.ID] = n
		}
	}
}

// claimed returns the ids that are given already: the program's own, and those of persons whom the options had before, too.
func (p *Publisher) claimed(m *memory) (ids, entities *claims) {
	ids, entities = &claims{taken: map[string]bool{serviceID: true}}, &claims{taken: map[string]bool{}}
	for _, e := range p.table {
		switch e.Place {
		case OfPerson:
			ids.keys, entities.keys = append(ids.keys, "_"+e.Key), append(entities.keys, "_"+e.Key)
		case OfService:
			ids.taken[serviceID+"_"+e.Key], entities.taken[serviceEntity+"_"+e.Key] = true, true
		}
	}
	listed := map[string]Person{}
	for _, who := range p.cfg.People {
		listed[who.ID] = who
	}
	for id, n := range m.People {
		ids.add(n.ID)
		if who, ok := listed[id]; !ok || who.Name == n.Name {
			entities.add(n.Entity)
		}
	}
	return ids, entities
}

// claims are the ids of one kind that are given, each with the ids of the entities that begin with it: "resting_heart_rate" may be
// one person's sensor, or of somebody called Resting.
type claims struct {
	keys  []string // of a person's entities
	taken map[string]bool
}

func (c *claims) add(id string) {
	c.taken[id] = true
	for _, key := range c.keys {
		c.taken[id+key] = true
	}
}

func (c *claims) free(id string) bool {
	if c.taken[id] {
		return false
	}
	for _, key := range c.keys {
		if c.taken[id+key] {
			return false
		}
	}
	return true
}

// take gives the first candidate that is free; the last one always is.
func (c *claims) take(candidates []string) string {
	for i, id := range candidates {
		if id != "" && (c.free(id) || i == len(candidates)-1) {
			c.add(id)
			return id
		}
	}
	panic("no candidate")
}

// idCandidates are the ids that a person's device may get, the first that is free. Who was published by an earlier version comes
// with the id that it made.
func idCandidates(person string, old bool) []string {
	var out []string
	base := short(readable(person))
	if old {
		out = append(out, plainID(person))
	}
	if base == serviceID {
		base = "person_" + base
	}
	if !looksLikeTracker(base) {
		out = append(out, base)
	}
	return append(out, suffixed(cmp.Or(base, "person"), person)...)
}

// entityCandidates are what a person's entity ids may begin with.
func entityCandidates(who Person, id string, old bool) []string {
	const word = "fitbit"
	if who.Name == "" {
		return append([]string{word}, suffixed(word, who.ID)...)
	}
	name := short(readable(who.Name))
	if old {
		name = cmp.Or(slug(who.Name), id)
	}
	base := word + "_" + cmp.Or(name, id)
	return append([]string{base, word + "_" + id}, suffixed(base, who.ID)...)
}

// suffixed are ids that differ between persons: with some digits of a hash of the person's own id, at last with all of them. None is as
// long as a tracker's.
func suffixed(base, person string) []string {
	sum := sha256.Sum256([]byte(person))
	digits := hex.EncodeToString(sum[:])
	return []string{base + "_" + digits[:6], base + "_" + digits[:16], base + "_" + digits}
}

// trackerDigits is how many digits of a hash end a tracker's id.
const trackerDigits = 10

// looksLikeTracker reports whether an id could be that of somebody's tracker.
func looksLikeTracker(id string) bool {
	i := strings.LastIndexByte(id, '_')
	return i >= 0 && len(id)-i-1 == trackerDigits && strings.Trim(id[i+1:], "0123456789abcdef") == ""
}

// plainID is a person's id as it was made by versions that did not remember ids.
func plainID(person string) string {
	id := cmp.Or(slug(person), "me")
	if id == serviceID {
		return "person_" + id
	}
	return id
}

// longestID leaves room for what stands before and behind in an entity id, of which Home Assistant takes 255 characters.
const longestID = 60

func short(id string) string {
	if len(id) > longestID {
		return strings.Trim(id[:longestID], "_")
	}
	return id
}

// readable makes an id of a name, of letters of other scripts too, in the way Home Assistant makes its own.
func readable(s string) string {
	// The table of all scripts is large: it is unpacked only for those who need it.
	if plain := norm.NFD.String(s); strings.ContainsFunc(plain, func(r rune) bool { return r > unicode.MaxASCII && !unicode.Is(unicode.Mn, r) }) {
		s = unidecode.Unidecode(norm.NFC.String(s))
	}
	return slug(s)
}

// slug makes an id of a name: small letters without accents, digits and single underscores.
func slug(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.Trim(b.String(), "_")
}
