package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Oddities make a service answer as real ones do on bad days: members renamed, values that are null or words, times that are missing,
// elements that stand twice, and now and then a body that is no answer at all. What is odd hangs on the element itself, so that it is
// odd in the same way whenever and however it is asked for. An oddity takes away or doubles; it never states something else.
type Oddities struct {
	Seed uint64
	Lie  bool // put another number in the place of one, and do nothing else: to see that a test would notice

	// With, if it is set, is all that is odd: it returns what stands in the place of an element of a list. of is the data type, with " windows"
	// for those of roll-ups, or the member that holds the list at the Fitbit Web API; at is the element's time.
	With func(of, at string, e map[string]any) []any

	mu    sync.Mutex
	once  map[string]bool
	taken map[Taken]bool
}

// A Taken is one oddity that was made.
type Taken struct {
	Type string // the data type, or the member that holds the list at the Fitbit Web API; the path for a whole answer
	Time string // of the element, as the service would have written it: a day, a local time, or an instant; empty for a whole answer
	Kind string
	Path string // of the member inside the element; empty for the element
}

// Loses reports whether a client may lack something for it: it was taken away, not only written otherwise.
func (t Taken) Loses() bool {
	switch t.Kind {
	case oddTwice, oddStranger, oddReversed, oddBOM, oddNoOffset, oddEndOffset, oddQuoted, oddBare, oddDoubledRows, oddNoMain, oddNoMetadata, oddMirror, oddOngoing, oddUnit,
		oddCut, oddHTML, oddForbidden, oddArray, oddErrorBOM:
		return false
	}
	return true
}

// The kinds of oddities.
const (
	oddRenamed     = "renamed"
	oddNull        = "null"
	oddNaN         = "NaN"
	oddNA          = "n/a"
	oddObject      = "object"
	oddBool        = "bool"
	oddWord        = "unknown word"
	oddNoTime      = "no time"
	oddBadTime     = "bad time"
	oddNoOffset    = "no offset"
	oddEndOffset   = "only the end's offset"
	oddISOOffset   = "ISO offset"
	oddZero        = "zero"      // where no body has it
	oddMinus       = "minus one" // where no body has it, and nothing that is counted
	oddQuoted      = "quoted"
	oddBare        = "bare"
	oddTwice       = "twice"
	oddStranger    = "stranger"
	oddReversed    = "reversed"
	oddDoubledRows = "doubled rows"
	oddNoSummary   = "no summary"
	oddNoMain      = "no mainSleep"
	oddNoMetadata  = "no metadata"
	oddNoEnd       = "no endTime"
	oddNoKey       = "no logId"
	oddOngoing     = "ongoing" // a sleep without an end before the others
	oddMirror      = "mirror"  // what another app copied: a workout of zeros, a sleep without a summary
	oddUnit        = "other unit"
	oddAbove       = "above the scale"
	odd24          = "24:00:00"
	oddBOM         = "BOM"
	oddCut         = "cut"
	oddHTML        = "HTML"
	oddForbidden   = "forbidden"
	oddArray       = "error in an array"
	oddErrorBOM    = "error with a BOM"
)

var (
	oddOfElements = []string{oddRenamed, oddNull, oddNaN, oddNA, oddObject, oddBool, oddWord, oddNoTime, oddBadTime, oddNoOffset, oddEndOffset, oddISOOffset, oddZero, oddMinus,
		oddQuoted, oddBare, oddTwice, oddStranger}
	oddOfSleeps   = []string{oddDoubledRows, oddNoSummary, oddNoMain, oddNoMetadata, oddNoEnd, oddNoKey, oddOngoing, oddMirror}
	oddOfWorkouts = []string{oddMirror, oddUnit}
	oddOfFitness  = []string{oddAbove}
	oddOfEntries  = []string{odd24}
	oddOfRequests = []string{oddCut, oddHTML, oddForbidden, oddArray, oddErrorBOM}
)

// oddOfList returns the kinds that only the elements of one list can have.
func oddOfList(of string) []string {
	switch of {
	case "sleep":
		return oddOfSleeps
	case "exercise", "activities":
		return oddOfWorkouts
	case "cardioScore":
		return oddOfFitness
	case "weight", "fat":
		return oddOfEntries
	}
	return nil
}

// OddKinds returns all kinds of oddities.
func OddKinds() []string {
	all := slices.Concat(oddOfElements, oddOfSleeps, oddOfWorkouts, oddOfFitness, oddOfEntries, oddOfRequests, []string{oddReversed, oddBOM})
	slices.Sort(all)
	return slices.Compact(all)
}

// Of a hundred thousand elements or answers so many are odd.
const (
	oddDense    = 2000  // an element of a minute or less
	oddSparse   = 12000 // a day
	oddSessions = 25000 // a night, a workout, and what else has kinds of its own
	oddLists    = 10000
	oddRequests = 2500
	oddAll      = 100_000
)

// Taken returns what was made odd so far.
func (o *Oddities) Taken() []Taken {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]Taken, 0, len(o.taken))
	for t := range o.taken {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Taken) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

func (o *Oddities) took(t Taken) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken == nil {
		o.taken = map[Taken]bool{}
	}
	o.taken[t] = true
}

// draw returns a number that hangs on the seed and on what is asked about.
func (o *Oddities) draw(about ...string) *random {
	return &random{hash(o.Seed, saltOdd, int64(checksum(about...)))}
}

// wrap makes a handler's answers odd. spoil changes a decoded answer, and keep cuts it to the mask of the request.
func (o *Oddities) wrap(answer func(http.ResponseWriter, *http.Request), send func(http.ResponseWriter, *http.Request, int, []byte), data func(*http.Request) bool,
	spoil func(*http.Request, any), keep func(*http.Request) *mask) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if !data(r) {
			answer(w, r)
			return
		}
		if o.With == nil && o.disturb(w, r, send) {
			return
		}
		plain := r.Clone(r.Context())
		plain.Header.Del("Accept-Encoding")
		rec := httptest.NewRecorder()
		answer(rec, plain)
		body := rec.Body.Bytes()
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		if rec.Code == http.StatusOK {
			body = o.body(r, body, spoil, keep)
		}
		send(w, r, rec.Code, body)
	}
}

func (o *Oddities) body(r *http.Request, body []byte, spoil func(*http.Request, any), keep func(*http.Request) *mask) []byte {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tree any
	if dec.Decode(&tree) != nil {
		return body // a track is no JSON
	}
	spoil(r, tree)
	out, err := json.Marshal(prune(tree, keep(r)))
	if err != nil {
		panic("simulate: an odd answer that is no JSON: " + err.Error()) // it was decoded just now
	}
	if x := o.draw("answer", r.Method, r.URL.Path); x.intn(oddAll) < oddLists && !o.Lie && o.With == nil {
		o.took(Taken{Type: r.URL.Path, Kind: oddBOM})
		out = append([]byte("\uFEFF"), out...)
	}
	return out
}

// disturb answers a request wrongly once: whoever repeats it gets the answer. An address forbids once only, whatever is asked of it.
func (o *Oddities) disturb(w http.ResponseWriter, r *http.Request, send func(http.ResponseWriter, *http.Request, int, []byte)) bool {
	key := r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery
	x := o.draw("request", key)
	if !o.first(key) || x.intn(oddAll) >= oddRequests || o.Lie {
		return false
	}
	kind := oddOfRequests[x.intn(len(oddOfRequests))]
	if kind == oddForbidden && !o.first(oddDigits.ReplaceAllString(r.URL.Path, "")) {
		kind = oddArray
	}
	code, body := http.StatusOK, ""
	switch kind {
	case oddCut:
		body = `{"dataPoints":[{"name":"users/`
	case oddHTML:
		body = "<!DOCTYPE html>\n<html><title>Sorry</title><p>We're sorry.</html>\n"
	case oddForbidden:
		code, body = http.StatusForbidden, `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`
	case oddArray:
		code, body = http.StatusServiceUnavailable, `[{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}]`
	case oddErrorBOM: // only who reads it knows that it may be repeated
		code, body = http.StatusForbidden, "\uFEFF"+`{"error":{"code":403,"message":"Quota exceeded.","status":"PERMISSION_DENIED","details":[`+
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com"}]}}`
	}
	o.took(Taken{Type: r.URL.Path, Kind: kind})
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	send(w, r, code, []byte(body))
	return true
}

// oddDigits are the dates and keys in a path.
var oddDigits = regexp.MustCompile(`\d{2,}`)

// first reports whether it is called for the first time with a key.
func (o *Oddities) first(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.once == nil {
		o.once = map[string]bool{}
	}
	was := o.once[key]
	o.once[key] = true
	return !was
}

// list makes some elements of a list odd and returns the list. timeOf names an element by its time.
func (o *Oddities) list(of string, all []any, dense bool, timeOf func(map[string]any) string) []any {
	own, often := oddOfList(of), oddSparse
	switch {
	case dense:
		often = oddDense
	case own != nil:
		often = oddSessions
	}
	out := make([]any, 0, len(all))
	for i, one := range all {
		e, ok := one.(map[string]any)
		if !ok {
			out = append(out, one)
			continue
		}
		at := timeOf(e)
		if o.With != nil {
			out = append(out, o.With(of, at, e)...)
			continue
		}
		x := o.draw("element", of, at)
		if at == "" || x.intn(oddAll) >= often {
			out = append(out, e)
			continue
		}
		kind, path, ok := "", "", false
		for range 8 { // not every kind fits every element
			kinds := oddOfElements
			if own != nil && x.chance(0.5) {
				kinds = own
			}
			kind = kinds[x.intn(len(kinds))]
			if o.Lie {
				kind = "lie"
			}
			if path, ok = spoilElement(of, e, kind, x); ok && (kind != oddOngoing || i == 0) {
				break
			}
			ok = false
		}
		if ok {
			o.took(Taken{Type: of, Time: at, Kind: kind, Path: path})
		}
		switch {
		case ok && kind == oddTwice:
			out = append(out, e, e)
		case ok && kind == oddMirror:
			out = append(out, e, mirror(e))
		case ok && kind == oddOngoing:
			out = append(out, ongoing(e), e)
		default:
			out = append(out, e)
		}
	}
	if x := o.draw("list", of); x.intn(oddAll) < oddLists && !o.Lie && o.With == nil {
		o.took(Taken{Type: of, Kind: oddReversed})
		slices.Reverse(out)
	}
	return out
}

// A leaf is a member somewhere in an element.
type leaf struct {
	in   map[string]any
	key  string
	path string
}

var (
	oddNumber = regexp.MustCompile(`^-?[0-9.]+s?$`)
	oddEnum   = regexp.MustCompile(`^[A-Z][A-Z_]+$`)
	oddClock  = regexp.MustCompile(`^(\d{4}-\d\d-\d\d.*|\d\d:\d\d(:\d\d)?)$`)
	oddIgnore = []string{"dataSource", "metadata", "source", "logId", "pagination", "activityTypeId", "createTime", "updateTime", "exerciseEvents"}
)

// leaves lists the members of one sort in the order of their names.
func leaves(v any, path string, want func(key string, v any) bool) []leaf {
	var out []leaf
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if slices.Contains(oddIgnore, k) {
				continue
			}
			if want(k, v[k]) {
				out = append(out, leaf{v, k, path + "/" + k})
				continue
			}
			out = append(out, leaves(v[k], path+"/"+k, want)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, leaves(e, path, want)...)
		}
	}
	return out
}

func isOffset(key string, _ any) bool { return strings.HasSuffix(strings.ToLower(key), "utcoffset") }

func isWhen(key string, v any) bool {
	s, text := v.(string)
	return key == "date" || text && oddClock.MatchString(s)
}

func isEnum(key string, v any) bool {
	s, ok := v.(string)
	return ok && oddEnum.MatchString(s)
}

func isNumber(key string, v any) bool {
	if _, ok := v.(json.Number); ok {
		return true
	}
	s, ok := v.(string)
	return ok && !isOffset(key, v) && oddNumber.MatchString(s)
}

// numbers are the leaves that hold values, not those of times.
func numbers(e any) []leaf {
	all := leaves(e, "", isNumber)
	return slices.DeleteFunc(all, func(l leaf) bool {
		for _, p := range strings.Split(l.path, "/") {
			switch p {
			case "date", "time", "interval", "sampleTime", "civilStartTime", "civilEndTime", "civilTime":
				_, ok := l.in[l.key].(json.Number)
				return p != "time" || ok
			}
		}
		return false
	})
}

var (
	oddBody = regexp.MustCompile(`eatsPerMinute|reathsPerMinute|MeanSquare|HeartRateVariability|^standardDeviationMilliseconds$|ercentage$|^vo2Max$|^weightGrams$|` +
		`^(restingHeartRate|averageHeartRate|dailyRmssd|deepRmssd|rmssd|breathingRate|weight|fat)$`)
	oddCounted = regexp.MustCompile(`^(countSum|count|millimeters|millimetersSum|kcal|kcalSum|activeMinutesSum|durationSum|steps|caloriesKcal|distanceMillimeters|activeDuration|duration|` +
		`minutes.*|activeZoneMinutes|.*ActiveZoneMinutes|calories|distance|timeInBed|seconds)$`)
)

// bodily are the leaves of what is above zero in every living body; counted those of what cannot be below zero.
func bodily(of string, e any) []leaf {
	return slices.DeleteFunc(numbers(e), func(l leaf) bool {
		switch of {
		case "activities-heart-intraday", "spo2 minutes":
			return l.key != "value"
		case "spo2":
			return !slices.Contains([]string{"avg", "min", "max"}, l.key)
		}
		return !oddBody.MatchString(l.key)
	})
}

func counted(of string, e any) []leaf {
	return slices.DeleteFunc(numbers(e), func(l leaf) bool {
		if l.key == "value" {
			return !strings.HasPrefix(of, "activities-") || of == "activities-heart-intraday" || strings.Contains(of, "elevation") || strings.Contains(of, "floors")
		}
		return !oddCounted.MatchString(l.key)
	})
}

// written puts a number in the place of one, in the form in which that was written.
func (l *leaf) written(n string) {
	switch was := l.in[l.key].(type) {
	case string:
		if strings.HasSuffix(was, "s") {
			n += "s"
		}
		l.in[l.key] = n
	default:
		l.in[l.key] = json.Number(n)
	}
}

// mirror is what another app makes of a workout or a sleep and brings back: a workout has its times and no numbers, a sleep its stages and no summary.
func mirror(e map[string]any) map[string]any {
	m := copyOf(e)
	for _, k := range []string{"name", "dataPointName"} {
		if s, ok := m[k].(string); ok {
			m[k] = s + "9"
		}
	}
	if _, ok := m["dataSource"]; ok {
		m["dataSource"] = map[string]any{"platform": "HEALTH_CONNECT", "recordingMethod": "UNKNOWN", "device": map[string]any{}}
	}
	if w, ok := m["exercise"].(map[string]any); ok {
		w["metricsSummary"] = map[string]any{"activeZoneMinutes": "0", "caloriesKcal": json.Number("0")}
		w["exerciseMetadata"] = map[string]any{}
	}
	if n, ok := m["sleep"].(map[string]any); ok {
		delete(n, "summary")
		n["metadata"] = map[string]any{"processed": true}
		for _, l := range leaves(n["interval"], "", isWhen) {
			if at, ok := l.in[l.key].(string); ok {
				l.in[l.key] = strings.Replace(at, "Z", ".123456Z", 1)
			}
		}
	}
	return m
}

// ongoing is a sleep after the one of an element: it has begun and no end yet.
func ongoing(e map[string]any) map[string]any {
	m := copyOf(e)
	for _, k := range []string{"name", "dataPointName"} {
		if s, ok := m[k].(string); ok {
			m[k] = s + "8"
		}
	}
	times := m["sleep"].(map[string]any)["interval"].(map[string]any)
	interval := map[string]any{}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(times["endTime"])); err == nil {
		interval["startTime"] = at.Add(15 * time.Hour).Format(time.RFC3339)
	}
	if offset, ok := times["endUtcOffset"]; ok {
		interval["startUtcOffset"] = offset
	}
	m["sleep"] = map[string]any{"interval": interval, "type": "STAGES", "metadata": map[string]any{}}
	return m
}

// copyOf copies a decoded element with all that is in it.
func copyOf(e map[string]any) map[string]any {
	text, err := json.Marshal(e)
	if err != nil {
		panic("simulate: an element that is no JSON: " + err.Error()) // it was decoded just now
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		panic("simulate: an element that is no JSON: " + err.Error())
	}
	return out
}

// otherUnit writes a workout's way in another unit; false where it has none.
func otherUnit(e map[string]any, x *random) bool {
	n, ok := e["distance"].(json.Number)
	if !ok {
		return false
	}
	way, err := n.Float64()
	metres, known := map[string]float64{"Kilometer": 1000, "Mile": 1609.344}[fmt.Sprint(e["distanceUnit"])]
	if err != nil || !known {
		return false
	}
	way *= metres
	e["distanceUnit"] = "Meter"
	if x.chance(0.5) {
		e["distanceUnit"] = "Yard"
		way /= 0.9144
	}
	e["distance"] = json.Number(strconv.FormatFloat(way, 'f', -1, 64))
	return true
}

// isoOffset writes an offset in seconds as in ISO 8601.
func isoOffset(offset any) string {
	d, err := time.ParseDuration(fmt.Sprint(offset))
	if err != nil {
		return "" // the simulator writes none that cannot be read
	}
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	return fmt.Sprintf("%c%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60)
}

// taken takes a member away, where it is there.
func taken(from map[string]any, key string) (path string, ok bool) {
	if _, ok = from[key]; ok {
		delete(from, key)
	}
	return "/" + key, ok
}

// spoilElement makes one element of a list odd and returns which member; false where it has none that could be so.
func spoilElement(list string, e map[string]any, kind string, x *random) (path string, ok bool) {
	of := func(all []leaf) *leaf {
		if len(all) == 0 {
			return nil
		}
		return &all[x.intn(len(all))]
	}
	set := func(all []leaf, f func(l *leaf)) (string, bool) {
		l := of(all)
		if l == nil {
			return "", false
		}
		f(l)
		return l.path, true
	}
	value := func(v any) (string, bool) { return set(numbers(e), func(l *leaf) { l.in[l.key] = v }) }
	switch kind {
	case oddRenamed:
		return set(numbers(e), func(l *leaf) {
			l.in[l.key+"V2"] = l.in[l.key]
			delete(l.in, l.key)
		})
	case oddNull:
		return value(nil)
	case oddNaN:
		return value("NaN")
	case oddNA:
		return value("n/a")
	case oddObject:
		return value(map[string]any{"units": "1"})
	case oddBool:
		return value(true)
	case "lie":
		return value(json.Number("61"))
	case oddWord:
		return set(leaves(e, "", isEnum), func(l *leaf) { l.in[l.key] = "SOMETHING_NEW" })
	case oddNoTime:
		return set(leaves(e, "", isWhen), func(l *leaf) { delete(l.in, l.key) })
	case oddBadTime:
		return set(leaves(e, "", isWhen), func(l *leaf) { l.in[l.key] = "yesterday" })
	case oddNoOffset:
		all := leaves(e, "", isOffset)
		for _, l := range all {
			delete(l.in, l.key)
		}
		return "", len(all) > 0
	case oddEndOffset:
		all := slices.DeleteFunc(leaves(e, "", isOffset), func(l leaf) bool { return l.key != "startUtcOffset" || l.in["endUtcOffset"] == nil })
		for _, l := range all {
			delete(l.in, l.key)
		}
		return "", len(all) > 0
	case oddISOOffset:
		all := leaves(e, "", isOffset)
		for _, l := range all {
			l.in[l.key] = isoOffset(l.in[l.key])
		}
		return "", len(all) > 0
	case oddZero:
		return set(bodily(list, e), func(l *leaf) { l.written("0") })
	case oddMinus:
		return set(append(bodily(list, e), counted(list, e)...), func(l *leaf) { l.written("-1") })
	case oddQuoted:
		return set(leaves(e, "", func(_ string, v any) bool {
			_, ok := v.(json.Number)
			return ok
		}), func(l *leaf) { l.in[l.key] = l.in[l.key].(json.Number).String() })
	case oddBare:
		return set(slices.DeleteFunc(numbers(e), func(l leaf) bool {
			s, ok := l.in[l.key].(string)
			return !ok || strings.HasSuffix(s, "s")
		}), func(l *leaf) { l.in[l.key] = json.Number(l.in[l.key].(string)) })
	case oddTwice:
		return "", true
	case oddMirror, oddOngoing:
		s, isSleep := e["sleep"].(map[string]any)
		w, isWorkout := e["exercise"].(map[string]any)
		return "", isSleep && (kind == oddOngoing || s["stages"] != nil && s["summary"] != nil) || kind == oddMirror && isWorkout && w["metricsSummary"] != nil
	case oddNoMain:
		if of, ok := e["sleep"].(map[string]any); ok {
			meta, _ := of["metadata"].(map[string]any)
			return taken(meta, "mainSleep")
		}
		return taken(e, "isMainSleep")
	case oddNoMetadata:
		of, _ := e["sleep"].(map[string]any)
		return taken(of, "metadata")
	case oddNoEnd:
		if e["duration"] == nil {
			return "", false
		}
		return taken(e, "endTime")
	case oddNoKey:
		return taken(e, "logId")
	case oddUnit:
		return "/distance", otherUnit(e, x)
	case oddAbove:
		return set(leaves(e, "", func(k string, v any) bool { return k == "vo2Max" }), func(l *leaf) { l.in[l.key] = ">60" })
	case odd24:
		if _, ok := e["time"].(string); !ok {
			return "", false
		}
		e["time"] = "24:00:00"
		return "/time", true
	case oddStranger:
		e["experimental"] = map[string]any{"value": json.Number("1"), "note": "n/a"}
		return "", true
	case oddDoubledRows:
		return set(leaves(e, "", func(k string, v any) bool {
			_, rows := v.([]any)
			return rows && k == "stagesSummary"
		}), func(l *leaf) { l.in[l.key] = slices.Concat(l.in[l.key].([]any), l.in[l.key].([]any)) })
	case oddNoSummary:
		return set(leaves(e, "", func(k string, v any) bool { return k == "summary" }), func(l *leaf) { delete(l.in, l.key) })
	}
	return "", false
}

// maskOf returns the mask of a request that was answered: it can be read.
func maskOf(r *http.Request) *mask {
	s := r.URL.Query().Get("fields")
	if s == "" {
		s = r.Header.Get("X-Goog-FieldMask")
	}
	if s == "" || s == "*" {
		return nil
	}
	m, err := parseMask(s)
	if err != nil {
		return nil
	}
	return m
}

// prune cuts a decoded answer to what a mask keeps.
func prune(v any, m *mask) any {
	if m == nil || m.all {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if sub, ok := m.child(k); ok {
				out[k] = prune(x, sub)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = prune(v[i], m)
		}
		return out
	}
	return v
}

// oddGoogle spoils points and windows.
func (o *Oddities) oddGoogle(r *http.Request, tree any) {
	top, ok := tree.(map[string]any)
	if !ok {
		return
	}
	name := strings.Split(strings.TrimPrefix(r.URL.Path, PathAPI), "/")[3]
	for key, of := range map[string]string{"dataPoints": name, "rollupDataPoints": name + " windows"} {
		if all, ok := top[key].([]any); ok && len(all) > 0 {
			top[key] = o.list(of, all, isDense(name, all), googleTime)
		}
	}
}

// isDense reports whether a list has an element every few minutes.
func isDense(name string, all []any) bool {
	if first, _ := all[0].(map[string]any); first["startTime"] != nil {
		return true // windows of a roll-up; those of days have civilStartTime
	}
	return slices.ContainsFunc(dataTypes(), func(t *dataType) bool { return t.name == name && t.dense })
}

// googleTime returns the first time of a point or window: its start, or its day where it has no other.
func googleTime(e map[string]any) (at string) {
	for _, l := range leaves(e, "", isWhen) {
		switch v := l.in[l.key].(type) {
		case string:
			if l.key == "startTime" || l.key == "physicalTime" {
				return v
			}
		case map[string]any:
			if at == "" && !strings.Contains(l.path, "civilEndTime") { // which may be the day after
				at = fmt.Sprintf("%04s-%02s-%02s", v["year"], v["month"], v["day"])
			}
		}
	}
	return at
}

// fitbitDate is a date in a path.
var fitbitDate = regexp.MustCompile(`\d{4}-\d\d-\d\d`)

// oddFitbit spoils the lists of an answer.
func (o *Oddities) oddFitbit(r *http.Request, tree any) {
	switch v := tree.(type) {
	case map[string]any:
		o.fitbitLists(fitbitDate.FindAllString(r.URL.Path, -1), v)
	case []any: // minutes of blood oxygen
		o.fitbitLists(nil, map[string]any{"spo2": v})
	}
}

func (o *Oddities) fitbitLists(dates []string, top map[string]any) {
	keys := make([]string, 0, len(top))
	for k := range top {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch v := top[k].(type) {
		case []any:
			for _, e := range v {
				if e, ok := e.(map[string]any); ok {
					if minutes, ok := e["minutes"].([]any); ok {
						e["minutes"] = o.list(k+" minutes", minutes, true, fitbitTime)
					}
				}
			}
			top[k] = o.list(k, v, false, fitbitTime)
		case map[string]any:
			rows, ok := v["dataset"].([]any)
			if ok && len(dates) > 0 && dates[0] == dates[len(dates)-1] {
				v["dataset"] = o.list(k, rows, true, func(e map[string]any) string {
					at, ok := e["time"].(string)
					if !ok {
						return ""
					}
					return dates[0] + "T" + at
				})
			}
		}
	}
}

// fitbitTime returns when an element of a list was.
func fitbitTime(e map[string]any) string {
	if _, ok := e["minutes"].([]any); ok {
		return "" // a day of minutes: these are odd themselves
	}
	if d, ok := e["startDate"].(string); ok { // a workout in the summary of a day: its startTime has no date
		return fmt.Sprint(d, "T", e["startTime"])
	}
	for _, k := range []string{"minute", "dateTime", "startTime"} {
		if s, ok := e[k].(string); ok {
			return s
		}
	}
	d, _ := e["date"].(string)
	if t, ok := e["time"].(string); ok && d != "" {
		return d + "T" + t
	}
	return d
}
