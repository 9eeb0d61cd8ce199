package grafana

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// packed are the dashboards in both languages: what go generate in internal/dashboard writes.
//
//go:embed dashboards.json.gz
var packed []byte

// A board is one dashboard as it is in the bundle.
type board struct {
	UID   string
	Title string
	JSON  json.RawMessage
	hash  string
}

// bundled returns the dashboards of a dialect.
func bundled(dialect string) ([]board, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("the dashboards of this program: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("the dashboards of this program: %w", err)
	}
	var all map[string][]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("the dashboards of this program: %w", err)
	}
	var out []board
	for _, raw := range all[dialect] {
		b := board{JSON: raw}
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, fmt.Errorf("the dashboards of this program: %w", err)
		}
		b.JSON = raw
		sum := sha256.Sum256(raw)
		b.hash = hex.EncodeToString(sum[:6])
		out = append(out, b)
	}
	return out, nil
}

// Every version that we save carries this in its message, with the hash of what we saved behind it.
const mark = "fitbit-fetch dashboards "

// beside is what the uid and the title of a newer version beside a changed one end with.
const (
	besideUID   = "-new"
	besideTitle = " (newer version)"
)

// dashboard installs a dashboard, or its newer version beside one that somebody changed.
func (c *client) dashboard(ctx context.Context, b board) (Item, error) {
	item, err := c.put(ctx, b, b.UID, b.Title)
	if err != nil || item.Fate != Kept {
		return item, err
	}
	offered, err := c.newest(ctx, b.UID)
	if err != nil || offered.ours == b.hash {
		return item, err // it is this version that was changed: there is no newer one
	}
	next, err := c.put(ctx, b, b.UID+besideUID, b.Title+besideTitle)
	if next.Fate == Created || next.Fate == Updated || next.Fate == Same {
		next.Fate = Beside
	}
	return next, err
}

// put creates or updates the dashboard of a uid, unless somebody changed it.
func (c *client) put(ctx context.Context, b board, uid, title string) (Item, error) {
	item := Item{Kind: "dashboard", Name: title}
	var is struct {
		Meta struct {
			URL         string
			Provisioned bool
			FolderUID   string
		}
		Dashboard struct{ Version int }
	}
	_, err := c.call(ctx, http.MethodGet, "/api/dashboards/uid/"+uid, nil, &is)
	folder := is.Meta.FolderUID // where the user put it
	switch {
	case missing(err):
		item.Fate, folder = Created, folderUID
	case err != nil:
		return item, err
	case is.Meta.Provisioned:
		item.Fate, item.URL = Files, c.link(is.Meta.URL)
		return item, nil
	default:
		item.URL = c.link(is.Meta.URL)
		last, err := c.newest(ctx, uid)
		switch {
		case err != nil:
			return item, err
		case !last.untouched:
			item.Fate = Kept
			return item, nil
		case last.ours == b.hash:
			item.Fate = Same
			return item, nil
		}
		item.Fate = Updated
	}
	body, err := b.as(uid, title, is.Dashboard.Version, c.cfg.Database.sourceUID())
	if err != nil {
		return item, err
	}
	var saved struct{ URL string }
	// Without overwrite: should somebody save in this very moment, Grafana refuses ours.
	_, err = c.call(ctx, http.MethodPost, "/api/dashboards/db", map[string]any{"dashboard": body, "folderUid": folder, "message": mark + b.hash, "overwrite": false}, &saved)
	item.URL = c.link(saved.URL)
	return item, err
}

// as is the dashboard with another uid and title, over a version, beginning with a data source.
func (b board) as(uid, title string, version int, source string) (map[string]any, error) {
	var d map[string]any
	if err := json.Unmarshal(b.JSON, &d); err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", b.UID, err)
	}
	d["uid"], d["title"], d["version"] = uid, title, version
	list, _ := d["templating"].(map[string]any)["list"].([]any)
	for _, v := range list {
		if v, ok := v.(map[string]any); ok && v["type"] == "datasource" {
			v["current"] = map[string]any{"selected": true, "text": source, "value": source}
		}
	}
	return d, nil
}

// A history is what the versions of a dashboard tell.
type history struct {
	untouched bool   // the newest version is ours
	ours      string // hash of the newest version of ours; empty for none
}

// newest reads the history of a dashboard. Grafana 11 and later wrap the list.
func (c *client) newest(ctx context.Context, uid string) (history, error) {
	var raw json.RawMessage
	if _, err := c.call(ctx, http.MethodGet, "/api/dashboards/uid/"+uid+"/versions?limit=100", nil, &raw); err != nil {
		return history{}, err
	}
	type version struct {
		Version int
		Message string
	}
	var wrapped struct{ Versions []version }
	if err := json.Unmarshal(raw, &wrapped.Versions); err != nil {
		if err := json.Unmarshal(raw, &wrapped); err != nil {
			return history{}, fmt.Errorf("the versions of dashboard %s: %w", uid, err)
		}
	}
	var h history
	newest, newestOurs := 0, 0
	for _, v := range wrapped.Versions {
		hash, ours := strings.CutPrefix(v.Message, mark)
		if v.Version > newest {
			newest, h.untouched = v.Version, ours
		}
		if ours && v.Version > newestOurs {
			newestOurs, h.ours = v.Version, hash
		}
	}
	return h, nil
}
