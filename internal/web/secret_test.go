package web

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// Two secrets in use: one that is known by its form, and one by its name alone, with what HTML and JSON write in another way.
const (
	secretToken = "ya29.a0AfB_byCmadeup-0123456789"
	secretName  = `Made&up"secret<7`
)

// talker is a program each of whose texts repeats the secrets.
type talker struct{ *world }

const talk = " of the access token " + secretToken + " and " + secretName

func (p talker) People(ctx context.Context) ([]Person, error) {
	list, err := p.world.People(ctx)
	for i := range list {
		list[i].Auth.Text, list[i].Auth.Hint = list[i].Auth.Text+talk, list[i].Auth.Hint+talk
	}
	return list, err
}

func (p talker) Status(ctx context.Context) (Status, error) {
	s, err := p.world.Status(ctx)
	repeat(reflect.ValueOf(&s).Elem())
	return s, err
}

func (p talker) Check(ctx context.Context) ([]Finding, error) {
	list, err := p.world.Check(ctx)
	repeat(reflect.ValueOf(&list).Elem())
	return list, err
}

func (p talker) Next(ctx context.Context, person string) ([]Request, error) {
	list, err := p.world.Next(ctx, person)
	repeat(reflect.ValueOf(&list).Elem())
	return list, err
}

func (p talker) Sync(context.Context, string) error { return errors.New("refused" + talk) }

func (p talker) Coverage(context.Context, string) (Coverage, error) {
	return Coverage{}, errors.New("refused" + talk)
}

// keys are what names something instead of telling it.
var keys = []string{"Person", "Feed", "Series", "Kind", "Level"}

// repeat puts the secrets behind each text in v.
func repeat(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + talk)
	case reflect.Slice:
		for i := range v.Len() {
			repeat(v.Index(i))
		}
	case reflect.Struct:
		if _, words := v.Interface().(Told); words {
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !slices.Contains(keys, f.Name) {
				repeat(v.Field(i))
			}
		}
	}
}

// No secret that the program's texts repeat is on a page, in a piece of one, or in what comes by itself.
func TestNoSecretLeaves(t *testing.T) {
	redact.Secret(secretName)
	w := newWorld(t, simulate.Config{})
	w.sick = true
	s := w.server(Config{})
	s.cfg.Program = talker{w}
	if err := s.Exchange(func() (Program, error) { return talker{w}, nil }); err != nil {
		t.Fatal(err)
	}
	v := s.visitor(t)
	shown := map[string]string{}
	for _, page := range []string{"/", "/history", "/status", "/setup", "/setup?step=first", "/dashboards", "/confirm?do=erase"} {
		shown[page] = v.get(page + map[bool]string{true: "&", false: "?"}[strings.Contains(page, "?")] + "person=main").Body.String()
	}
	for page := range fragments {
		shown["pieces of "+page] = v.get("/pieces?page=" + page + "&person=main").Body.String()
	}
	for _, act := range []string{"check", "sync"} {
		v.post("/"+act, "person", "main", "back", "status")
		shown[act] = v.page("/status?person=main")
	}
	ctx, cancel := proctest.Limit(t.Context(), t)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, open(t, s)+"/events?page=status&person=main", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	shown["events"] = line
	redacted := 0
	for where, text := range shown {
		if strings.Contains(text, "ya29") || strings.Contains(text, "secret") && strings.Contains(text, "Made") {
			i := max(strings.Index(text, "ya29"), strings.Index(text, "Made"))
			t.Errorf("%s: …%s…", where, text[max(0, i-80):min(len(text), i+80)])
		}
		redacted += strings.Count(text, "***")
	}
	if redacted < 50 {
		t.Errorf("only %d places where a secret was", redacted)
	}
}

// Whoever has one word for user and password, or gave the user's name in the wrong field first, gets the form back as it was given.
func TestFieldsAreTheVisitors(t *testing.T) {
	redact.Secret("the-Same-for-Both-7")
	got := newWorld(t, simulate.Config{}).server(Config{}).leaving(`<p>refused: the-Same-for-Both-7</p><input name="username" value="the-Same-for-Both-7"><p>the-Same-for-Both-7</p>`)
	if want := `<p>refused: ***</p><input name="username" value="the-Same-for-Both-7"><p>***</p>`; got != want {
		t.Errorf("got %s", got)
	}
}
