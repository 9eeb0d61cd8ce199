package supervisortest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// IngressPort is where an app's page listens, unless its config.yaml says something else.
const IngressPort = 8099

// App is an installed app: what its config.yaml says, and what Supervisor has given to it.
type App struct {
	Slug    string     // with the repository's id before it: 1a2b3c4d_fitbit_fetch
	Token   string     // SUPERVISOR_TOKEN of this start
	Address netip.Addr // on the network of the apps
	Ingress string     // the secret part of its page's address

	config config
}

// config is config.yaml, as far as it says what the app may do and how it is shown.
type config struct {
	Name             string         `yaml:"name"`
	Version          string         `yaml:"version"`
	Slug             string         `yaml:"slug"`
	Description      string         `yaml:"description"`
	URL              string         `yaml:"url"`
	Arch             []string       `yaml:"arch"`
	HomeAssistant    string         `yaml:"homeassistant"`
	HomeAssistantAPI bool           `yaml:"homeassistant_api"`
	HassioAPI        bool           `yaml:"hassio_api"`
	HassioRole       string         `yaml:"hassio_role"`
	Ingress          bool           `yaml:"ingress"`
	IngressPort      int            `yaml:"ingress_port"`
	IngressEntry     string         `yaml:"ingress_entry"`
	IngressStream    bool           `yaml:"ingress_stream"`
	PanelIcon        string         `yaml:"panel_icon"`
	PanelTitle       string         `yaml:"panel_title"`
	PanelAdmin       *bool          `yaml:"panel_admin"`
	Services         []string       `yaml:"services"` // mqtt:want
	Options          map[string]any `yaml:"options"`
	Schema           map[string]any `yaml:"schema"`
}

// AppAddress is the app's on the network of the apps.
const AppAddress = "172.30.33.5"

// repository is the id of the repository that apps come from: it begins their slugs.
const repository = "1a2b3c4d"

// ReadApp reads config.yaml. The app's tokens and its address are made up.
func ReadApp(file string) (App, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return App{}, err
	}
	a := App{Token: secret(), Ingress: secret(), Address: netip.MustParseAddr(AppAddress)}
	if err := yaml.Unmarshal(text, &a.config); err != nil {
		return App{}, fmt.Errorf("reading %s: %w", file, err)
	}
	a.Slug = repository + "_" + a.config.Slug
	if a.config.IngressPort == 0 {
		a.config.IngressPort = IngressPort
	}
	return a, nil
}

// Entry is the path below which Core shows the app's page; empty without one.
func (a App) Entry() string {
	if !a.config.Ingress {
		return ""
	}
	return "/api/hassio_ingress/" + a.Ingress
}

// Options returns options.json as it is written at each start: the defaults of config.yaml, and over them what the user has put into
// the form. Sections are merged, lists are replaced. What the schema does not know is an error: Supervisor drops it with a warning.
func (a App) Options(form map[string]any) ([]byte, error) {
	if err := known("", a.config.Schema, form); err != nil {
		return nil, err
	}
	return json.MarshalIndent(merge(a.config.Options, form), "", "  ")
}

func merge(defaults, form map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range defaults {
		out[key] = value
	}
	for key, value := range form {
		below, section := value.(map[string]any)
		if was, ok := out[key].(map[string]any); ok && section {
			value = merge(was, below)
		}
		out[key] = value
	}
	return out
}

// known reports the first option of a form that the schema does not have, or that is of another shape there.
func known(path string, schema, form map[string]any) error {
	for key, value := range form {
		kind, ok := schema[key]
		if !ok {
			return fmt.Errorf("the form has no option %s%s", path, key)
		}
		items := []any{value}
		if list, ok := kind.([]any); ok {
			kind = list[0]
			if items, ok = value.([]any); !ok {
				return fmt.Errorf("the option %s%s is a list", path, key)
			}
		}
		section, ok := kind.(map[string]any)
		if !ok {
			continue
		}
		for _, item := range items {
			below, ok := item.(map[string]any)
			if !ok {
				return fmt.Errorf("the option %s%s is a section", path, key)
			}
			if err := known(path+key+".", section, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// service returns the app's right to a service: want, need or provide; empty for none.
func (c config) service(name string) string {
	for _, s := range c.Services {
		if service, right, _ := strings.Cut(s, ":"); service == name {
			return right
		}
	}
	return ""
}
