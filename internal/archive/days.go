package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Days returns the days of a person's calendar for which there is a visible sample of a series, ascending. The samples of a session
// belong to the session's day. Only daily series are unpacked: of the others, the bounds of each chunk tell enough.
func (a *Archive) Days(ctx context.Context, person string, series metric.ID, cal metric.Calendar) ([]metric.Day, error) {
	out, err := a.days(ctx, person, series, cal)
	if err != nil {
		return nil, fmt.Errorf("reading the days of %s: %w", series, explain(err))
	}
	return out, nil
}

func (a *Archive) days(ctx context.Context, person string, series metric.ID, cal metric.Calendar) ([]metric.Day, error) {
	row, err := a.row(series)
	if err != nil {
		return nil, err
	}
	rows, err := a.read.QueryContext(ctx, "SELECT id, unit, first, last FROM chunk WHERE person = ? AND series = ? AND rev > 0", person, series)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[metric.Day]bool{}
	var daily []int64
	for rows.Next() {
		var id, first, last int64
		var unit metric.Day
		if err := rows.Scan(&id, &unit, &first, &last); err != nil {
			return nil, err
		}
		switch row.Sampling {
		case metric.Sessions:
			found[unit] = true
		case metric.Daily:
			daily = append(daily, id)
		default: // a UTC day holds parts of two days at most
			found[cal.Day(instant(first))], found[cal.Day(instant(last))] = true, true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, id := range daily {
		blocks, err := a.readChunk(ctx, row, id, func(int64) bool { return true })
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			for _, t := range b.Times {
				found[cal.Day(instant(t))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
