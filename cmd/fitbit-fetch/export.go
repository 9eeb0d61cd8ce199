package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// choice is what several commands let their user choose: a person, days, series.
type choice struct {
	person   string
	from, to string
	series   string
}

func (ch *choice) register(fs *flag.FlagSet, series bool) {
	fs.StringVar(&ch.person, "person", "", "`id` of the person (default: all)")
	fs.StringVar(&ch.from, "from", "", "first `day`, YYYY-MM-DD")
	fs.StringVar(&ch.to, "to", "", "last `day`, YYYY-MM-DD (default: today)")
	if series {
		fs.StringVar(&ch.series, "series", "", "`ids` of the series, with commas between (default: all; docs/schema.md lists them)")
	}
}

// people returns the persons chosen.
func (ch *choice) people(a *app) ([]*person, error) {
	if ch.person == "" {
		return a.people, nil
	}
	var ids []string
	for _, p := range a.people {
		if p.ID == ch.person {
			return []*person{p}, nil
		}
		ids = append(ids, p.ID)
	}
	return nil, usageError("there is no person %q; there are: %s", ch.person, strings.Join(ids, ", "))
}

// days returns the chosen days; first and last stand in for what was not said.
func (ch *choice) days(first, last metric.Day) (metric.Span, error) {
	if ch.from != "" {
		d, err := metric.ParseDay(ch.from)
		if err != nil {
			return metric.Span{}, usageError("--from: %w", err)
		}
		first = d
	}
	if ch.to != "" {
		d, err := metric.ParseDay(ch.to)
		if err != nil {
			return metric.Span{}, usageError("--to: %w", err)
		}
		last = d
	}
	if last < first {
		return metric.Span{}, usageError("the last day (%s) is before the first (%s)", last, first)
	}
	return metric.DaySpan(first, last), nil
}

// rows returns the chosen rows of the catalogue.
func (ch *choice) rows(c metric.Catalogue) ([]metric.Series, error) {
	if ch.series == "" {
		return c, nil
	}
	var out []metric.Series
	for _, id := range strings.Split(ch.series, ",") {
		s, ok := c.Lookup(metric.ID(strings.TrimSpace(id)))
		if !ok {
			return nil, usageError("there is no series %q; docs/schema.md lists them", id)
		}
		out = append(out, s)
	}
	return out, nil
}

type exportFlags struct {
	choice
	format string
	out    string
}

func exportCommand() command {
	return command{
		name: "export", held: true, raw: true, summary: "write what the archive holds, as line protocol or CSV",
		help: `Line protocol is what InfluxDB reads: influx -import and every database that speaks it take the file. CSV has one table a series; with several
series the tables follow one another, each with its header and an empty line between. With -o the file's old content stays until all of the
new is on disk; a link stays, and what it leads to is replaced; a FIFO or a device is written to directly.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &exportFlags{}
			c.flags = f
			f.register(fs, true)
			fs.StringVar(&f.format, "format", "line", "line or csv")
			fs.StringVar(&f.out, "o", "", "`file` to write to; what it held before stays until all is written (default: standard output, as -)")
		},
		run: func(ctx context.Context, c *call) error { return c.export(ctx, c.flags.(*exportFlags)) },
	}
}

func (c *call) export(ctx context.Context, f *exportFlags) error {
	if f.format != "line" && f.format != "csv" {
		return usageError("--format %q: want line or csv", f.format)
	}
	people, err := f.people(c.app)
	if err != nil {
		return err
	}
	rows, err := f.rows(c.app.catalogue)
	if err != nil {
		return err
	}
	n := 0
	path, err := c.write(ctx, f.out, func(w io.Writer) (err error) {
		n, err = c.app.export(ctx, w, exportWish{people: people, rows: rows, csv: f.format == "csv", days: f.days})
		return err
	})
	if err == nil && path != "" {
		fmt.Fprintf(c.stdout, "%d samples written to %s\n", n, f.out)
	}
	return err
}

// exportWish is what is to be exported; days returns the days, given what stands in for those not said.
type exportWish struct {
	people []*person
	rows   []metric.Series
	csv    bool
	days   func(first, last metric.Day) (metric.Span, error)
}

// export writes what the archive holds, block by block: its memory does not grow with what is written.
func (a *app) export(ctx context.Context, w io.Writer, wish exportWish) (n int, err error) {
	b := bufio.NewWriterSize(w, 64<<10)
	enc, err := lineproto.New(a.catalogue, lineproto.Metric)
	if err != nil {
		return 0, err
	}
	for i, row := range wish.rows {
		if wish.csv {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.Write(enc.Table(row).AppendHeader(nil))
		}
		for _, p := range wish.people {
			m, err := a.exportSeries(ctx, b, wish, enc, p, row)
			if n += m; err != nil {
				return n, fmt.Errorf("exporting %s of %s: %w", row.ID, p.ID, err)
			}
		}
	}
	if err := b.Flush(); err != nil {
		return n, fmt.Errorf("writing the export: %w", err)
	}
	return n, nil
}

// exportSeries writes one series of one person and returns how many samples that were.
func (a *app) exportSeries(ctx context.Context, w io.Writer, wish exportWish, enc *lineproto.Encoder, p *person, row metric.Series) (int, error) {
	zones := p.zones(ctx)
	days, err := wish.days(0, metric.DayOf(a.clock.Now().In(zones.Now())))
	if err != nil {
		return 0, err
	}
	first, last := days.Days()
	span := metric.Span{Start: zones.Midnight(first), End: zones.Midnight(last + 1)}
	var buf []byte
	n := 0
	for block, err := range a.archive.Read(ctx, p.ID, row.ID, span) {
		if err != nil {
			return n, err
		}
		buf = buf[:0]
		if wish.csv {
			buf = enc.Table(row).Append(buf, p.Person, &block)
		} else {
			buf, _ = enc.Append(buf, p.Person, &block, 0, block.Len(), 0)
		}
		n += block.Len()
		if _, err := w.Write(buf); err != nil {
			return n, err
		}
	}
	return n, nil
}

// sortedKeys returns the keys of m in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
