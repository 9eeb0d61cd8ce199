package dashboard

import (
	"fmt"
	"strings"
)

// A database that the Python project filled holds pounds, miles and °F; any other kilograms, kilometres and °C; and nobody is asked
// which. Two hidden variables find it out: mass from weight over body mass index, which is height squared (1.9 to 4.3 with kilograms,
// above with pounds); length from the median day's distance over its steps (above 0.55 m a step with kilometres, below with miles).
// Each is 0 for metric and 1 for the others. The variable units says what the reader wants to see: what is stored, metric or
// imperial, as a piece of arithmetic that follows what is stored.
const (
	asStored   = "*1.0+0.0"
	toMetric   = "*0.0+0.0"
	toImperial = "*0.0+1.0"

	unitsQuery = "As stored : " + asStored + ",Metric : " + toMetric + ",Imperial : " + toImperial
)

// A twofold says how a quantity goes over into metric and from there into imperial, each as the factor less one, and what Grafana
// calls its units: none of those that it scales, which would write 4 Mm for the way of a year and 210 g for a change of weight.
type twofold struct {
	stored           string // the variable that tells what is stored; empty where it is always metric
	over, back       string // the factors less one
	metric, imperial string
}

func (q quantity) twofold() twofold {
	switch q {
	case mass:
		return twofold{"mass", "-0.54640763", "1.2046226218", "suffix:kg", "suffix:lb"}
	case length:
		return twofold{"length", "0.609344", "-0.3786288077", "suffix:km", "suffix:mi"}
	case way:
		return twofold{"length", "", "-0.3786288077", "suffix:km", "suffix:mi"}
	case difference:
		return twofold{"length", "-0.4444444444", "0.8", "suffix:°C", "suffix:°F"}
	case speed:
		return twofold{"length", "", "-0.3786288077", "suffix:km/h", "suffix:mph"}
	}
	return twofold{}
}

// factor multiplies a stored value so that it has the unit that is wanted.
func (q quantity) factor(d Dialect) string {
	if q == plain {
		return ""
	}
	t := q.twofold()
	stored := "0${" + t.stored + ":raw}"
	if d == Flux {
		stored = `float(v: "` + stored + `")`
	}
	s := ""
	if t.over != "" {
		s = fmt.Sprintf(" * (1.0 + %s * %s)", stored, t.over)
	}
	return s + fmt.Sprintf(" * (1.0 + (%s${units:raw}) * %s)", stored, t.back)
}

// suffix stands behind the name of a column and tells its unit.
func (q quantity) suffix() string {
	if q == plain {
		return ""
	}
	return " [${units:text}${" + q.twofold().stored + ":raw}]"
}

// matchers are regular expressions for a column's name with its suffix, where it is metric and where it is imperial.
func (c col) matchers() (metric, imperial string) {
	name := strings.NewReplacer("(", `\(`, ")", `\)`, ".", `\.`).Replace(c.as)
	return `/^` + name + ` \[(Metric\d?|As stored0?)\]$/`, `/^` + name + ` \[(Imperial\d?|As stored1)\]$/`
}
