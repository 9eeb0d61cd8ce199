package deliver

import (
	"context"
	"fmt"
)

// Decisions remembers in the archive what a sink has decided once and for all, such as its units.
type Decisions struct {
	Archive interface {
		State(ctx context.Context, person, key string) ([]byte, error)
		SetState(ctx context.Context, person, key string, value []byte) error
	}
}

func decisionKey(sink string) string { return "decision/" + sink }

// Load returns what was decided for the sink of that name; empty where nothing has been.
func (d Decisions) Load(ctx context.Context, sink string) (string, error) {
	value, err := d.Archive.State(ctx, "", decisionKey(sink))
	if err != nil {
		return "", fmt.Errorf("reading the decision for %s: %w", sink, err)
	}
	return string(value), nil
}

// Save keeps the decision.
func (d Decisions) Save(ctx context.Context, sink, decision string) error {
	if err := d.Archive.SetState(ctx, "", decisionKey(sink), []byte(decision)); err != nil {
		return fmt.Errorf("saving the decision for %s: %w", sink, err)
	}
	return nil
}
