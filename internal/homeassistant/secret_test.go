package homeassistant

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// sender is a client of a broker that keeps what it is given.
type sender struct {
	mqtt.Client
	sent []string
}

func (s *sender) Publish(_ string, _ byte, _ bool, payload any) mqtt.Token {
	s.sent = append(s.sent, payload.(string))
	return &mqtt.DummyToken{}
}

// Whatever a message repeats, no secret goes to the broker, and what goes is JSON still.
func TestNoSecretLeaves(t *testing.T) {
	const token, password = "ya29.a0AfB_byCmadeup-0123456789", `Made&up"password<7`
	redact.Secret(password)
	payload, err := json.Marshal(map[string]string{"value": "authorization", "reason": "limit of the user with the access token " + token + " and " + password})
	if err != nil {
		t.Fatal(err)
	}
	client := &sender{}
	c := &connection{client: client, ack: time.Minute, end: make(chan struct{})}
	if err := c.publish(t.Context(), []message{{topic: "x/problem", payload: string(payload), retain: true}, {topic: "x/steps", payload: `{"value":8231}`}}); err != nil {
		t.Fatal(err)
	}
	if len(client.sent) != 2 || strings.Contains(client.sent[0], "ya29") || strings.Contains(client.sent[0], "Made") || !json.Valid([]byte(client.sent[0])) || client.sent[1] != `{"value":8231}` {
		t.Errorf("%q", client.sent)
	}
}
