package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// NoticeChange is what Home Assistant says of its notifications: the ids of all that there are, or of those that came or went.
type NoticeChange struct {
	Kind NoticeKind
	IDs  []string
}

// NoticeKind is what became of notifications.
type NoticeKind string

// The words are Home Assistant's.
const (
	NoticesCurrent NoticeKind = "current" // these are all; it comes first
	NoticesAdded   NoticeKind = "added"
	NoticesUpdated NoticeKind = "updated"
	NoticesRemoved NoticeKind = "removed" // dismissed, by somebody or by us
)

const (
	alive   = 30 * time.Second // between two pings
	silence = 75 * time.Second // after so long without a sign the connection is dead
)

// WatchNotices calls changed with every change of Home Assistant's notifications, by its websocket, until the connection ends or ctx
// does. Notifications live in Home Assistant's memory: after its restart the connection has ended, and those that a new one does not
// list are gone. The error is never nil; it is ctx's where ctx has ended.
func (c *Client) WatchNotices(ctx context.Context, changed func(NoticeChange)) error {
	dial, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, res, err := (&websocket.Dialer{Proxy: http.ProxyFromEnvironment}).DialContext(dial, "ws"+strings.TrimPrefix(c.base, "http")+"/core/websocket", nil)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && res != nil:
		return fmt.Errorf("listening to Home Assistant: %w", failed(res.StatusCode, nil))
	case err != nil:
		return fmt.Errorf("listening to Home Assistant: %w", &Error{Err: err})
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	err = c.listen(conn, changed)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("listening to Home Assistant: %w", err)
}

// heard is a message of the websocket.
type heard struct {
	Type    string
	Message string
	Success *bool
	Error   struct{ Message string }
	Event   struct {
		Type          NoticeKind
		Notifications map[string]json.RawMessage
	}
}

func (c *Client) listen(conn *websocket.Conn, changed func(NoticeChange)) error {
	conn.SetReadLimit(most)
	alright := func(string) error { return conn.SetReadDeadline(time.Now().Add(silence)) }
	conn.SetPongHandler(alright)
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if err := alright(data); err != nil {
			return err
		}
		return answer(data)
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(alive)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(timeout)) // what fails shows in reading
			}
		}
	}()
	for {
		if err := alright(""); err != nil {
			return err
		}
		var m heard
		if err := conn.ReadJSON(&m); err != nil {
			return err
		}
		switch m.Type {
		case "auth_required":
			if err := conn.WriteJSON(map[string]string{"type": "auth", "access_token": c.token}); err != nil {
				return err
			}
		case "auth_invalid":
			return &Error{Status: http.StatusUnauthorized, Message: m.Message}
		case "auth_ok":
			if err := conn.WriteJSON(map[string]any{"id": 1, "type": "persistent_notification/subscribe"}); err != nil {
				return err
			}
		case "result":
			if m.Success == nil || !*m.Success {
				return errors.New("it does not list its notifications: " + m.Error.Message)
			}
		case "event":
			changed(NoticeChange{m.Event.Type, slices.Sorted(maps.Keys(m.Event.Notifications))})
		}
	}
}
