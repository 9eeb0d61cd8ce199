// Package clock is the one place the program takes its time from. Against a simulated service it can be shifted and sped up.
package clock

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Clock tells a time that may be shifted against the real one and run faster. The zero value is the real time.
type Clock struct {
	base  time.Time // the told time at origin
	from  time.Time // the real time at origin, with its monotonic reading
	speed float64
}

// Real is the machine's own time.
func Real() Clock { return Clock{} }

// At returns a clock that tells start now and runs speed times as fast as the real one. speed must be above 0.
func At(start time.Time, speed float64) Clock {
	return Clock{base: start, from: time.Now(), speed: speed}
}

// Parse reads "START", "START@SPEED" or "@SPEED"; START is RFC 3339. An empty string is the real time.
func Parse(s string) (Clock, error) {
	if s == "" {
		return Real(), nil
	}
	start, speed, found := strings.Cut(s, "@")
	c := At(time.Now(), 1)
	if start != "" {
		t, err := time.Parse(time.RFC3339, start)
		if err != nil {
			return Clock{}, fmt.Errorf("clock %q: want START@SPEED, such as 2026-11-20T07:00:00Z@60", s)
		}
		c.base = t
	}
	if found {
		f, err := strconv.ParseFloat(speed, 64)
		if err != nil || !(f > 0) {
			return Clock{}, fmt.Errorf("clock %q: the speed must be a number above 0", s)
		}
		c.speed = f
	}
	return c, nil
}

// Now returns the told time.
func (c Clock) Now() time.Time {
	if c.speed == 0 {
		return time.Now()
	}
	return c.base.Add(time.Duration(float64(time.Since(c.from)) * c.speed))
}

// Sleep waits d of told time, or until ctx is done; it then returns ctx's error.
func (c Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(c.Real(d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Real returns how long d of told time takes.
func (c Clock) Real(d time.Duration) time.Duration {
	if c.speed == 0 {
		return d
	}
	return time.Duration(float64(d) / c.speed)
}
