package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// Core is what Home Assistant says of itself.
type Core struct {
	Version    string   `json:"version"`
	Language   string   `json:"language"`
	TimeZone   string   `json:"time_zone"`
	State      string   `json:"state"` // RUNNING once it has started
	Components []string `json:"components"`
}

// MQTT reports whether Home Assistant's MQTT integration is set up. A broker alone brings no sensor.
func (c Core) MQTT() bool { return slices.Contains(c.Components, "mqtt") }

// Started reports whether Home Assistant has started: before, a missing component may still come.
func (c Core) Started() bool { return c.State == "" || c.State == "RUNNING" }

// Core asks Home Assistant about itself. While it starts again, Supervisor answers with an error.
func (c *Client) Core(ctx context.Context) (Core, error) {
	body, err := c.ask(ctx, http.MethodGet, "/core/api/config", nil)
	if err != nil {
		return Core{}, fmt.Errorf("asking Home Assistant: %w", err)
	}
	var core Core
	if err := json.Unmarshal(body, &core); err != nil {
		return Core{}, fmt.Errorf("asking Home Assistant: the answer cannot be read: %w", err)
	}
	return core, nil
}

// A Notice is a notification that stays in Home Assistant until it is dismissed.
type Notice struct {
	ID      string // the same id replaces the notice
	Title   string
	Message string // Markdown
}

// Notify shows a notice.
func (c *Client) Notify(ctx context.Context, n Notice) error {
	_, err := c.ask(ctx, http.MethodPost, "/core/api/services/persistent_notification/create",
		map[string]string{"notification_id": n.ID, "title": n.Title, "message": redact.Text(n.Message)})
	if err != nil {
		return fmt.Errorf("showing a notification in Home Assistant: %w", err)
	}
	return nil
}

// Dismiss takes a notice back; one that is not there is fine.
func (c *Client) Dismiss(ctx context.Context, id string) error {
	_, err := c.ask(ctx, http.MethodPost, "/core/api/services/persistent_notification/dismiss", map[string]string{"notification_id": id})
	if err != nil {
		return fmt.Errorf("taking a notification back in Home Assistant: %w", err)
	}
	return nil
}
