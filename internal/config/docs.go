package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

//go:generate go test -run TestDocument -update .

// WriteDocs writes docs/configuration.md.
func WriteDocs(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, `# Options

Generated from the list of options (internal/config/rows.go); `+"`make generate`"+` writes it again.

An option can be said in four places. Each overrules the one before it:

1. the page, on its page "Set up". It keeps what is given there in `+"`page.json`"+` in the data folder (mode 0600; it holds secrets), and applies it
   at once, without a start by hand. These can be given there, those of one line together or not at all:
`)
	for _, group := range pageGroups {
		fmt.Fprintf(b, "   - `%s`\n", strings.Join(group, "`, `"))
	}
	fmt.Fprint(b, `
   What another place says of one of them counts for its whole line; the page then shows where it is said;
2. a YAML file, named by `+"`--config`"+` or by the variable `+"`FITBIT_FETCH_CONFIG`"+`;
3. `+"`/data/options.json`"+`, which Home Assistant writes from what is set in its interface. What its form begins with counts as not said before
   the page's;
4. the environment. The variables of the Python project (fitbit-grafana) are all here, with their meanings; the others begin with
   `+"`FITBIT_FETCH_`"+`. In Home Assistant nobody sets variables, so there the interface has the last word.

An empty value counts as not said. A name with a dot stands in a section: `+"`influxdb.host`"+` is `+"`host`"+` under `+"`influxdb:`"+`. A name that does
not exist is an error in a YAML file, and is passed over in the other two places. `+"`fitbit-fetch check`"+` tells all that is wrong at once.

`)
	fmt.Fprint(b, "In Home Assistant's form stand all of these but")
	paths(b, "", func(r row) bool { return r.apart })
	fmt.Fprint(b, ", which the app decides itself.\n\n")
	table(b, "Options", func(r row) bool { return !r.hidden })
	fmt.Fprint(b, `## Further persons

The options above are the first person's. Further persons stand in the list `+"`persons`"+`, each with a name and any of these options:
`)
	paths(b, "", func(r row) bool { return r.person })
	fmt.Fprint(b, `.

    client_id: 1234-abc.apps.googleusercontent.com
    client_secret: …
    influxdb:
      host: influxdb
    persons:
      - name: Kim
        device: Charge 6

## Further databases

What stands in `+"`influxdb`"+` is the first database. Further ones stand in the list `+"`more_databases`"+`; each gets everything, at its own pace. Each
needs a `+"`url`"+`, and can have any of these options:
`)
	paths(b, "influxdb.", func(r row) bool { return r.database })
	fmt.Fprint(b, `.

    influxdb:
      host: influxdb
    more_databases:
      - version: 2
        url: http://192.168.1.20:8086
        org: home
        bucket: health
        token: …
      - version: victoriametrics
        url: http://192.168.1.21:8428

`)
	table(b, "For developers", func(r row) bool { return r.hidden })
	return b.Flush()
}

// paths names options, without the prefix.
func paths(w io.Writer, prefix string, which func(row) bool) {
	sep := ""
	for _, r := range rows() {
		if which(r) {
			fmt.Fprintf(w, "%s `%s`", sep, strings.TrimPrefix(r.path, prefix))
			sep = ","
		}
	}
}

func table(w io.Writer, title string, which func(row) bool) {
	fmt.Fprintf(w, "## %s\n\n| option | in the environment | can be | default | |\n|---|---|---|---|---|\n", title)
	for _, r := range rows() {
		if !which(r) {
			continue
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", r.path, strings.Join(r.variables(), ", "), r.kinds(), r.defaults(), r.doc)
	}
	fmt.Fprintln(w)
}

func (r row) variables() []string {
	var out []string
	for _, n := range r.env {
		out = append(out, "`"+n.name+"`")
	}
	return out
}

func (r row) kinds() string {
	switch {
	case r.list:
		return "list: " + r.kind
	case r.secret:
		return "secret"
	}
	return r.kind
}

func (r row) defaults() string {
	switch {
	case r.defDoc != "":
		return r.defDoc
	case r.kind == "yes or no":
		return map[string]string{"true": "yes", "false": "no"}[r.def]
	}
	return r.def
}

// WriteHelp writes the options for a terminal.
func WriteHelp(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, r := range rows() {
		if r.hidden {
			continue
		}
		fmt.Fprintf(b, "  %s\n", r.path)
		fmt.Fprintf(b, "      %s\n", r.doc)
		line := "can be " + r.kinds()
		if d := r.defaults(); d != "" {
			line += "; default " + d
		}
		fmt.Fprintf(b, "      %s\n", line)
		fmt.Fprintf(b, "      variable %s\n", strings.ReplaceAll(strings.Join(r.variables(), ", "), "`", ""))
	}
	return b.Flush()
}
