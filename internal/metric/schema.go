package metric

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

//go:generate go test -run TestSchemaDocument -update .

// WriteSchema writes the catalogue as the document docs/schema.md.
func WriteSchema(w io.Writer, c Catalogue) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, `# What stands in InfluxDB

Generated from the catalogue (internal/metric/catalogue.go); `+"`make generate`"+` writes it again.

- Instants are UTC. A daily value stands at the local midnight that begins its day.
- Every measurement has the tag `+"`Device`"+` unless its row says otherwise. The first person's points have no tag `+"`Person`"+`; every
  further person's have one.
- Rows marked "Python project" are, name for name and type for type, what fitbit-grafana writes; the others are additions. Where the
  Python project wrote a field in another unit, that unit stands in brackets: a database that it filled goes on in its unit.
- A value that is not there is not written. It is never written as 0.
- Rows marked "optional" are fetched only where the option `+"`take_in`"+` names them.

`)
	for _, s := range c {
		fmt.Fprintf(b, "## %s (`%s`)\n\n%s\n\n", s.Measurement, s.ID, s.Doc)
		origin := "an addition"
		if s.Python {
			origin = "Python project"
		}
		if s.Optional {
			origin += "; optional"
		}
		tags := append([]string(nil), s.Tags...)
		if !s.NoDevice {
			tags = append([]string{"Device"}, tags...)
		}
		if len(tags) == 0 {
			tags = []string{"none"}
		}
		fmt.Fprintf(b, "%s; %s; tags: %s; may still change for %d days\n\n", origin, s.Sampling, strings.Join(tags, ", "), s.LateDays)
		fmt.Fprint(b, "| field | type | unit | sensor |\n|---|---|---|---|\n")
		for _, f := range s.Fields {
			unit := string(f.Unit)
			if f.Python != "" {
				unit += " [" + string(f.Python) + "]"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", f.Key, f.Kind, unit, f.Sensor)
		}
		fmt.Fprintln(b)
	}
	return b.Flush()
}
