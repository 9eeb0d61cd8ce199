package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// socket is Home Assistant's websocket behind Supervisor: say are the messages after those of the handshake.
func socket(t *testing.T, token string, say []string, stay <-chan struct{}) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/core/websocket" {
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
			return
		}
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.WriteJSON(map[string]string{"type": "auth_required", "ha_version": "2026.11.0"})
		var auth struct {
			Type  string
			Token string `json:"access_token"`
		}
		if conn.ReadJSON(&auth) != nil || auth.Type != "auth" || auth.Token != token {
			conn.WriteJSON(map[string]string{"type": "auth_invalid", "message": "Invalid access"})
			return
		}
		conn.WriteJSON(map[string]string{"type": "auth_ok"})
		var ask struct {
			ID   int
			Type string
		}
		if err := conn.ReadJSON(&ask); err != nil || ask.Type != "persistent_notification/subscribe" {
			t.Errorf("asked %+v, %v", ask, err)
		}
		for _, text := range say {
			conn.WriteMessage(websocket.TextMessage, []byte(text))
		}
		if stay != nil {
			<-stay
		}
	}))
	t.Cleanup(s.Close)
	return New(Config{Base: s.URL, Token: "SECRET-token"})
}

const subscribed = `{"id":1,"type":"result","success":true,"result":null}`

func TestWatchNotices(t *testing.T) {
	c := socket(t, "SECRET-token", []string{
		subscribed,
		`{"id":1,"type":"event","event":{"type":"current","notifications":{"b":{"title":"B"},"a":{"message":"x"}}}}`,
		`{"id":1,"type":"event","event":{"type":"added","notifications":{"c":{}}}}`,
		`{"id":1,"type":"event","event":{"type":"removed","notifications":{"a":{}}}}`,
	}, nil)
	var got []string
	err := c.WatchNotices(t.Context(), func(n NoticeChange) { got = append(got, fmt.Sprint(n.Kind, n.IDs)) })
	if want := []string{"current[a b]", "added[c]", "removed[a]"}; !slices.Equal(got, want) || err == nil {
		t.Errorf("got %q, want %q; %v", got, want, err)
	}
}

// TestWatchNoticesRefused: each way in which it cannot be listened is an error that says so, without the token.
func TestWatchNoticesRefused(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "Bad Gateway", http.StatusBadGateway) }))
	defer down.Close()
	for want, c := range map[string]*Client{
		"status 502":     New(Config{Base: down.URL, Token: "SECRET-token"}),
		"refused":        New(Config{Base: "http://127.0.0.1:1", Token: "SECRET-token"}),
		"Invalid access": socket(t, "another", nil, nil),
		"does not list its notifications: Unknown command": socket(t, "SECRET-token", []string{`{"id":1,"type":"result","success":false,"error":{"code":"unknown_command","message":"Unknown command."}}`}, nil),
		"invalid character": socket(t, "SECRET-token", []string{"<html>"}, nil),
	} {
		err := c.WatchNotices(t.Context(), func(n NoticeChange) { t.Errorf("%s: heard %v", want, n) })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestWatchNoticesStops ends with its context.
func TestWatchNoticesStops(t *testing.T) {
	stay := make(chan struct{})
	c := socket(t, "SECRET-token", []string{subscribed, `{"id":1,"type":"event","event":{"type":"current","notifications":{}}}`}, stay)
	defer close(stay)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.WatchNotices(ctx, func(NoticeChange) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
