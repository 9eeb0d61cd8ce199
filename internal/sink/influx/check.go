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
	version, err := s.ping(ctx)
	if err != nil {
		return "", err
	}
	found := fmt.Sprintf("InfluxDB %s at %s", version, s.cfg.URL)
	// An empty body stores nothing, but is judged as any other: user, password, right and database.
	v, err := s.post(ctx, s.encode(nil).body.Bytes())
	switch {
	case err != nil:
		return found, err
	case v.kind == stored:
		return fmt.Sprintf("%s: database %q is there and may be written", found, s.cfg.Database), nil
	case v.kind != noDatabase:
		return found, v.err
	}
	// Listing users is an administrator's right, as is creating databases: asking for it changes nothing.
	if _, err := s.ask(ctx, "SHOW USERS"); errors.Is(err, errForbidden) {
		return found, v.err
	} else if err != nil {
		return found, err
	}
	return fmt.Sprintf("%s: database %q is not there yet and will be created", found, s.cfg.Database), nil
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
