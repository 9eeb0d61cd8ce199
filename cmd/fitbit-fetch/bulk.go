package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// bulk is run with the dates of the environment, as the Python project has it: the days are fetched and delivered, and the program
// ends. Other commands are served meanwhile.
func (c *call) bulk(ctx context.Context) error {
	log, closeLog := c.logger()
	defer closeLog()
	a, err := openOwned(ctx, c.opts, log)
	if err != nil {
		return err
	}
	a.tellNotes()
	a.bulk = true
	c.app = a
	return c.runHere(ctx, command{run: func(ctx context.Context, c *call) error { return c.bulkUpdate(ctx) }})
}

func (c *call) bulkUpdate(ctx context.Context) error {
	a := c.app
	if err := a.settleSinks(ctx); err != nil {
		return err
	}
	if err := c.askTokens(ctx, a); err != nil {
		return err
	}
	var ch choice
	if err := c.askDays(&ch); errors.Is(err, io.EOF) {
		return &exitError{exitConfig, errors.New("a bulk update is wanted (AUTO_DATE_RANGE), but its days are not said, and there is no terminal to ask for them: " +
			"set MANUAL_START_DATE, and MANUAL_END_DATE where it is not to go on until today, as YYYY-MM-DD")}
	} else if err != nil {
		return err
	}
	if err := eachPerson(a.people, func(p *person) error {
		days, err := ch.days(0, p.today(ctx, a))
		if err != nil {
			return err
		}
		return c.bulkPerson(ctx, p, days)
	}); err != nil {
		return err
	}
	a.log.Info("Bulk Update Complete")
	return nil
}

// bulkPerson fetches and delivers one person's days. Where that has been done, nobody is asked: a container that is started again
// and again must not cost a request each time.
func (c *call) bulkPerson(ctx context.Context, p *person, days metric.Span) error {
	a := c.app
	done, err := p.bulkDone(ctx, days)
	if err != nil {
		return err
	}
	first, last := days.Days()
	if done {
		p.log.Info("the days of the bulk update have been fetched already; nothing is asked of the service", "first", first.String(), "last", last.String(),
			"hint", "To go on with updates, take MANUAL_START_DATE, MANUAL_END_DATE and AUTO_DATE_RANGE away. To fetch the days once more: fitbit-fetch backfill --again")
		return c.drain(ctx)
	}
	if err := p.authorized(ctx, a); err != nil {
		return err
	}
	p.log.Info("the bulk update begins", "first", first.String(), "last", last.String())
	began := a.clock.Now()
	if err := c.backfillPerson(ctx, p, days, false); err != nil {
		return err
	}
	return p.keepBulk(ctx, days, began)
}

// bulkKey is the archive's state that holds the bulk update done last.
func (p *person) bulkKey() string { return "bulk:" + p.source.Name() }

// bulk is a bulk update that has been done. Days that were not over then were fetched as far as they had come: that is enough for
// that day.
type bulk struct {
	Days  metric.Span `json:"days"` // on the axis Days
	Began time.Time   `json:"began"`
}

// bulkDone reports whether the days have been fetched by a bulk update, and nothing of them has been lost since. It asks the archive
// alone; so of days that no bulk update has been through it knows nothing.
func (p *person) bulkDone(ctx context.Context, days metric.Span) (bool, error) {
	data, err := p.archive.State(ctx, p.ID, p.bulkKey())
	if err != nil {
		return false, fmt.Errorf("reading the last bulk update: %w", err)
	}
	var last bulk
	if json.Unmarshal(data, &last) != nil || len(days.Subtract([]metric.Span{last.Days})) > 0 {
		return false, nil
	}
	return p.collect.Fulfilled(ctx, days, last.Began)
}

func (p *person) keepBulk(ctx context.Context, days metric.Span, began time.Time) error {
	data, err := json.Marshal(bulk{days, began})
	if err == nil {
		err = p.archive.SetState(ctx, p.ID, p.bulkKey(), data)
	}
	if err != nil {
		return fmt.Errorf("keeping that the bulk update is done: %w", err)
	}
	return nil
}
