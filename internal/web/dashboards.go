package web

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Grafana is where the dashboards are to be put, as whom, and where it finds the database. Nothing of it is kept or logged.
type Grafana struct {
	URL      string
	User     string // with Password; or Token alone
	Password string
	Token    string
	Database string // address; empty for the one that we use
}

// Installed is what was put into a Grafana.
type Installed struct {
	Version string // of Grafana
	Items   []Item // also those from before a failure
}

// Item is one thing, and what became of it.
type Item struct {
	Kind string // source, folder, dashboard or rule
	Name string
	Fate string // created, updated, same, kept, beside or files
	URL  string // empty where there is none that a browser opens
}

// dashboardsPatience is how long a Grafana may take for all of it. Other pages do not wait for it.
const dashboardsPatience = time.Minute

// dashboardsData is what the page of the dashboards shows.
type dashboardsData struct {
	Settings Settings
	Address  string
	Help     []string
	Open     string // the section of the help that opens
}

func (s *Server) dashboards(w http.ResponseWriter, r *request) {
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	var d dashboardsData
	if err == nil {
		d.Settings, err = s.cfg.Program.Settings(r.Context())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d.Address, d.Help = d.Settings.Grafana, helpSections["dashboards"]
	notes := s.sessions.takeNotes(r.identity)
	for _, n := range notes {
		d.Open, d.Address = cmp.Or(n.Help, d.Open), cmp.Or(n.Address, d.Address)
	}
	s.render(w, r, "dashboards", http.StatusOK, view{Title: "dash_title", People: people, Person: p, Notes: notes, Data: d})
}

// install puts the dashboards into a Grafana. Of what was filled in only the address is shown again, once.
func (s *Server) install(w http.ResponseWriter, r *request) {
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	g := Grafana{URL: field("url"), Database: field("database")}
	if field("by") == "token" {
		g.Token = field("api_token") // the form's own token has that name
	} else {
		g.User, g.Password = field("username"), r.PostForm.Get("password")
	}
	var put Installed
	n := s.tryFor(r, "dashboards", dashboardsPatience, func(ctx context.Context) (note, error) {
		var err error
		put, err = s.cfg.Program.Dashboards(ctx, g)
		return note{Title: s.word("dash_done"), Hint: s.word("dash_where")}, err
	})
	if put.Version != "" {
		n.Lines = append(n.Lines, "Grafana "+put.Version)
	}
	for _, i := range put.Items {
		i.URL = opens(i.URL, g.URL)
		n.Items = append(n.Items, i)
	}
	n.Address = public(g.URL)
	s.sessions.tell(r.identity, n)
	s.back(w, r)
}

// public is an address that was typed, as a form shows it again; empty where a password may stand in it.
func public(address string) string {
	if u, err := url.Parse(address); err != nil || u.User != nil {
		return ""
	}
	return address
}

// opens returns the address of a dashboard where a browser may open it: at that Grafana, under a name that is known beyond the
// network of containers.
func opens(address, grafana string) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || !strings.HasPrefix(address, strings.TrimRight(grafana, "/")+"/") {
		return ""
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && !strings.Contains(u.Hostname(), ".") && u.Hostname() != "localhost" {
		return ""
	}
	return address
}
