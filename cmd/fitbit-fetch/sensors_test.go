package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// published is what stands on the topics of the app and its devices, one a line, without the owner's record.
func (a *apartment) published() string {
	var b strings.Builder
	for _, prefix := range []string{"fitbit_fetch/", "homeassistant/device/fitbit_fetch_"} {
		for topic, text := range a.topics.Below(prefix) {
			if text != "" && topic != "fitbit_fetch/owner" {
				b.WriteString(topic + " " + text + "\n")
			}
		}
	}
	return b.String()
}

// gone is what holds waits for where nothing is published.
func (a *apartment) gone() string {
	if left := a.published(); left != "" {
		return left
	}
	return "gone"
}

// press opens a page and presses the button of its form that leads to an address.
func (a *apartment) press(page, action string, fields url.Values) string {
	a.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	read := func(resp *http.Response, err error) string {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			a.t.Fatal(err)
		}
		return string(text)
	}
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(read(client.Get("http://" + a.page + page)))
	if token == nil {
		a.t.Fatalf("%s has no form", page)
	}
	fields.Set("token", token[1])
	fields.Set("back", "status")
	return read(client.PostForm("http://"+a.page+action, fields))
}

// A second app at the same broker publishes nothing, and says so on its page, in its log and in a notification; its end harms nobody.
func TestSecondApp(t *testing.T) {
	t.Parallel()
	first := newApartment(t, nil)
	stop := first.start()
	first.holds("the sensor", "none", first.lastError)
	second := newApartmentAt(t, map[string]any{"sensors": "missing"}, first.broker, first.topics)
	stopSecond := second.start()
	const says = "another Fitbit Fetch publishes the sensors"
	second.holds("the page", strings.ToUpper(says[:1])+says[1:], func() string { return second.look("/status") })
	second.holds("the log", says, second.log)
	second.holds("the notification", "mqtt.node", func() string { return second.notice("fitbit_fetch_occupied") })
	stopSecond()
	if got := first.topics.Get("fitbit_fetch/availability"); got != "online" {
		t.Errorf("the end of the second one has made the first one %q", got)
	}
	if strings.Contains(first.log(), says) || first.notice("fitbit_fetch_occupied") != "" {
		t.Error("the first one complains")
	}
	stop()
}

// Switched off, nothing stays at the broker; and neither where the sensors are removed on the page, until they are published again.
func TestSensorsAreRemoved(t *testing.T) {
	t.Parallel()
	a := newApartment(t, map[string]any{"persons": []any{map[string]any{"name": "Оля"}}})
	stop := a.start()
	a.holds("the broker", "fitbit_fetch_olia", a.published)
	stop()
	a.enter(map[string]any{"mqtt": map[string]any{"enabled": false}})
	stop = a.start()
	a.holds("the broker", "gone", a.gone)
	a.holds("the log", "the sensors are removed", a.log)
	stop()

	a.enter(nil)
	stop = a.start()
	a.holds("the sensor", "none", a.lastError)
	if got := a.press("/confirm?what=sensors", "/sensors", url.Values{}); !strings.Contains(got, "The sensors have been removed from Home Assistant.") {
		t.Errorf("the page says %s", got)
	}
	a.holds("the broker", "gone", a.gone)
	stop()
	stop = a.start() // it stays so
	a.holds("the page", "Publish again", func() string { return a.look("/status") })
	if a.published() != "" {
		t.Errorf("published: %s", a.published())
	}
	a.press("/status", "/sensors", url.Values{"do": {"publish"}})
	a.holds("the sensor", "none", a.lastError)
	stop()
}
