package main

import (
	"context"
	"maps"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

func (p page) Samples(ctx context.Context, person string, series metric.ID, first, last metric.Day) ([]metric.Block, error) {
	who, err := p.person(person)
	if err != nil {
		return nil, err
	}
	zones := who.zones(ctx)
	span := metric.Span{Start: zones.Midnight(first), End: zones.Midnight(last + 1)}
	if series == metric.HeartRateMinute { // an open page asks for it again and again
		return who.beats.get(p.archive.Changed(), span, func() ([]metric.Block, error) { return p.read(ctx, person, series, span) })
	}
	return p.read(ctx, person, series, span)
}

func (p page) read(ctx context.Context, person string, series metric.ID, span metric.Span) ([]metric.Block, error) {
	var out []metric.Block
	for b, err := range p.archive.Read(ctx, person, series, span) {
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (p page) Sessions(ctx context.Context, person string, kind metric.SessionKind, first, last metric.Day) ([]metric.Session, error) {
	return p.archive.Sessions(ctx, person, kind, metric.DaySpan(first, last))
}

func (p page) Coverage(ctx context.Context, person string) (web.Coverage, error) {
	who, err := p.person(person)
	if err != nil {
		return web.Coverage{}, err
	}
	cal := metric.NewCalendar(who.zones(ctx))
	asked, err := p.archive.Coverage(ctx, person, who.source.Name())
	if err != nil {
		return web.Coverage{}, err
	}
	fates := who.collect.Status().Feeds
	out := web.Coverage{Start: p.opts.Backfill.Day(metric.DayOf(p.started))}
	days := map[metric.ID][]metric.Day{}
	for _, f := range who.collect.Feeds() {
		found := map[metric.Day]bool{}
		for _, id := range f.Series {
			if _, ok := days[id]; !ok {
				if days[id], err = p.archive.Days(ctx, person, id, cal); err != nil {
					return out, err
				}
			}
			for _, d := range days[id] {
				found[d] = true
			}
		}
		out.Feeds = append(out.Feeds, web.FeedCoverage{
			Feed: f, Denied: fates[f.ID].Kind == source.Denied.String(), Asked: asked[f.ID], Days: slices.Sorted(maps.Keys(found)),
		})
	}
	return out, nil
}
