package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Check asks the server everything that delivery will need and writes nothing: version, whether the database is there or may be
// created, and whether the user may write to it. It returns what it found in one line; an error carries its cure in a Hint.
func (s *Sink) Check(ctx context.Context) (string, error) {
	found := fmt.Sprintf("%s at %s", s.dialect.title, s.cfg.URL)
	if s.dialect.check.version != nil {
		version, err := s.dialect.check.version(s, ctx)
		if err != nil {
			return "", err
		}
		found = fmt.Sprintf("InfluxDB %s at %s", version, s.cfg.URL)
	}
	v, err := s.dialect.check.reach(s, ctx)
	what := fmt.Sprintf("%s %q", s.dialect.noun, s.cfg.Database)
	switch {
	case err != nil:
		return found, err
	case v.kind == stored && s.dialect.noun == "":
		return found + ": it takes what is written. What it cannot read it passes over without a word", nil
	case v.kind == stored:
		return fmt.Sprintf("%s: %s is there and may be %s", found, what, s.dialect.check.proves), nil
	case v.kind != noDatabase:
		return found, v.err
	}
	if s.dialect.check.create != nil {
		if err := s.dialect.check.create(s, ctx); errors.Is(err, errForbidden) {
			return found, v.err
		} else if err != nil {
			return found, err
		}
	}
	return fmt.Sprintf("%s: %s is not there yet and will be created", found, what), nil
}

// ping returns the server's version. The client package's own ping would take any 204 for InfluxDB.
func (s *Sink) ping(ctx context.Context) (string, error) {
	type answer struct {
		version string
		err     error
	}
	got := make(chan answer, 1)
	go func() {
		_, version, err := s.client.Ping(0)
		got <- answer{version, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-got:
		if a.err == nil && a.version != "" {
			return a.version, nil
		}
		if a.err != nil && isNetwork(a.err) {
			return "", s.unreachable(a.err)
		}
		return "", &sink.Error{Hint: s.hint(http.StatusOK, nil, ""), Err: errors.New("no InfluxDB answers the ping")}
	}
}
