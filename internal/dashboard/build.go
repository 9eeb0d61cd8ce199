package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"

	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// A File is one dashboard as JSON.
type File struct {
	Name string // such as influxql/fitbit.json
	UID  string
	JSON []byte
}

// schema is the newest version of the classic JSON that Grafana 11 reads as its own; later ones take it and migrate it.
const schema = 41

// boards are all dashboards. The first is the one to open.
func boards() []board { return []board{overview(), year(), quality()} }

// Files are the dashboards in a dialect.
func Files(d Dialect) ([]File, error) {
	var out []File
	for _, b := range boards() {
		text, err := b.json(d)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.uid, err)
		}
		out = append(out, File{Name: fmt.Sprintf("%s/%s.json", d, b.uid), UID: b.uidIn(d), JSON: text})
	}
	return out, nil
}

// uidIn is the dashboard's address in Grafana. Both dialects may be installed side by side.
func (b board) uidIn(d Dialect) string {
	if d == Flux {
		return b.uid + "-flux"
	}
	return b.uid
}

// build makes Grafana's dashboard.
func (b board) build(d Dialect) sdk.Dashboard {
	out := sdk.NewDashboard()
	out.Uid, out.Title, out.Description = ptr(b.uidIn(d)), ptr(b.title), ptr(b.about)
	out.Tags = []string{"fitbit-fetch", string(d)}
	out.Timezone, out.WeekStart, out.Editable = ptr("browser"), ptr("monday"), ptr(true)
	out.GraphTooltip, out.SchemaVersion, out.Refresh = ptr(sdk.DashboardCursorSyncCrosshair), schema, ptr("5m")
	out.Time = &sdk.DashboardDashboardTime{From: b.from, To: "now/d"}
	out.Timepicker = &sdk.TimePickerConfig{RefreshIntervals: []string{"1m", "5m", "15m", "1h"}}
	out.Links = []sdk.DashboardLink{{Title: "Fitbit", Type: sdk.DashboardLinkTypeDashboards, Icon: "dashboard", Tags: out.Tags, IncludeVars: true, Tooltip: "The other Fitbit dashboards"}}
	out.Templating.List = b.variables(d)
	id, y := uint32(0), uint32(0)
	for _, r := range b.rows {
		id++
		out.Panels = append(out.Panels, sdk.PanelOrRowPanel{RowPanel: &sdk.RowPanel{Type: "row", Title: ptr(r.title), Id: id, GridPos: &sdk.GridPos{W: 24, H: 1, X: 0, Y: y}, Panels: []sdk.Panel{}}})
		y++
		x, high := uint32(0), uint32(0)
		for _, p := range r.panels {
			if x+uint32(p.w) > 24 {
				x, y, high = 0, y+high, 0
			}
			id++
			made := p.render(d, id, sdk.GridPos{X: x, Y: y, W: uint32(p.w), H: uint32(p.h)})
			out.Panels = append(out.Panels, sdk.PanelOrRowPanel{Panel: &made})
			x, high = x+uint32(p.w), max(high, uint32(p.h))
		}
		y += high
	}
	return *out
}

// json is the dashboard as a file: with the null id of one that Grafana has not numbered, which the SDK leaves out.
func (b board) json(d Dialect) ([]byte, error) {
	built := b.build(d)
	if err := built.Validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(built)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, append([]byte(`{"id":null,`), text[1:]...), "", "  "); err != nil {
		return nil, err
	}
	buf.WriteByte('\n')
	return buf.Bytes(), nil
}
