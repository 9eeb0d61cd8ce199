package lineproto

import (
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Table writes the blocks of one series as CSV: time, person, Device where the series has it, the row's tags, its fields in
// the encoder's units. Absent values are empty cells.
type Table struct {
	row    *row
	series metric.Series
}

// Table returns the writer for one row; it panics where the encoder's catalogue does not have it.
func (e *Encoder) Table(s metric.Series) Table {
	return Table{e.row(&metric.Block{Series: s.ID}), s}
}

// AppendHeader appends the line that names the columns.
func (t Table) AppendHeader(dst []byte) []byte {
	dst = append(dst, "time,person"...)
	if !t.series.NoDevice {
		dst = append(dst, ",Device"...)
	}
	for _, name := range t.series.Tags {
		dst = appendCell(append(dst, ','), name)
	}
	for _, f := range t.series.Fields {
		dst = appendCell(append(dst, ','), f.Key)
	}
	return append(dst, '\n')
}

// Append appends the samples of b, one line each, with the person's id and times as RFC 3339 in UTC.
func (t Table) Append(dst []byte, person metric.Person, b *metric.Block) []byte {
	var lead []byte
	lead = appendCell(append(lead, ','), person.ID)
	if !t.series.NoDevice {
		lead = appendCell(append(lead, ','), b.Device)
	}
	for i := range t.series.Tags {
		lead = append(lead, ',')
		if i < len(b.Tags) {
			lead = appendCell(lead, b.Tags[i])
		}
	}
	for i, at := range b.Times {
		dst = time.Unix(0, at).UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, lead...)
		for f, field := range t.row.fields {
			dst = append(dst, ',')
			if v := b.Values[f][i]; Storable(field.kind, v) {
				dst = field.appendNumber(dst, v)
			}
		}
		dst = append(dst, '\n')
	}
	return dst
}

func appendCell(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
