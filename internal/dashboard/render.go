package dashboard

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	sdkmap "github.com/grafana/grafana-foundation-sdk/go/geomap"
	sdkheat "github.com/grafana/grafana-foundation-sdk/go/heatmap"
	sdkhist "github.com/grafana/grafana-foundation-sdk/go/histogram"
	sdkpie "github.com/grafana/grafana-foundation-sdk/go/piechart"
	sdkstat "github.com/grafana/grafana-foundation-sdk/go/stat"
	sdktimeline "github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	sdktable "github.com/grafana/grafana-foundation-sdk/go/table"
	sdklines "github.com/grafana/grafana-foundation-sdk/go/timeseries"
	sdktrend "github.com/grafana/grafana-foundation-sdk/go/trend"
)

func ptr[T any](v T) *T { return cog.ToPtr(v) }

// source is the data source that the reader chose.
func source() *common.DataSourceRef {
	return &common.DataSourceRef{Type: ptr("influxdb"), Uid: ptr("${datasource}")}
}

// render makes Grafana's panel.
func (p panel) render(d Dialect, id uint32, at sdk.GridPos) sdk.Panel {
	out := sdk.NewPanel()
	out.Type, out.Id, out.GridPos = string(p.viz), ptr(id), &at
	out.Title, out.Description, out.Datasource = ptr(p.title), ptr(p.about), source()
	out.RepeatDirection, out.Transparent = nil, nil
	for i, q := range p.inOrder(d) {
		t := q.target(d, string(rune('A'+i)))
		if _, ok := t["resultFormat"]; ok && p.viz == heat { // series would give their name to each row
			t["resultFormat"] = "table"
		}
		out.Targets = append(out.Targets, t)
	}
	if p.since != "" {
		out.TimeFrom, out.HideTimeOverride = ptr(p.since), ptr(true)
		out.Description = ptr(p.about + " Ends now, whatever range is chosen.")
	}
	if p.every != "" {
		out.Interval = ptr(p.every)
	}
	out.FieldConfig = sdk.NewFieldConfigSource()
	p.defaults(&out.FieldConfig.Defaults)
	out.FieldConfig.Overrides = p.overrides()
	out.Transformations = p.transformations(d)
	out.Options, out.FieldConfig.Defaults.Custom = p.look()
	return *out
}

// target is the query as Grafana's InfluxDB data source takes it; the SDK has no type for it.
func (q query) target(d Dialect, ref string) variants.UnknownDataquery {
	t := variants.UnknownDataquery{"refId": ref, "datasource": source(), "query": q.in(d)}
	if d == InfluxQL {
		t["rawQuery"], t["resultFormat"], t["alias"] = true, "time_series", "$col"
		if q.table {
			t["resultFormat"] = "table"
		}
	}
	return t
}

// defaults are what holds for all fields of the panel.
func (p panel) defaults(c *sdk.FieldConfig) {
	*c = sdk.FieldConfig{Unit: ptr(orElse(p.unit, "none")), Min: p.min, Max: p.max, NoValue: ptr("–")}
	if p.decimals != auto {
		c.Decimals = ptr(float64(p.decimals))
	}
	c.Color = &sdk.FieldColor{Mode: sdk.FieldColorModeIdPaletteClassic}
	steps := []sdk.Threshold{{Color: orElse(p.first().color, grey)}}
	if len(p.steps) > 0 {
		c.Color.Mode = sdk.FieldColorModeIdThresholds
		steps = nil
	} else if p.first().color != "" {
		c.Color = &sdk.FieldColor{Mode: sdk.FieldColorModeIdFixed, FixedColor: ptr(p.first().color)}
	}
	for i, s := range p.steps {
		t := sdk.Threshold{Color: s.color}
		if i > 0 {
			t.Value = ptr(s.from)
		}
		steps = append(steps, t)
	}
	if p.goal != nil {
		steps = []sdk.Threshold{{Color: "transparent"}, {Value: p.goal, Color: grey}}
	}
	c.Thresholds = &sdk.ThresholdsConfig{Mode: sdk.ThresholdsModeAbsolute, Steps: steps}
	if len(p.values) > 0 {
		m := map[string]sdk.ValueMappingResult{}
		for i, v := range p.values {
			m[v.is] = sdk.ValueMappingResult{Text: ptr(v.text), Color: ptr(v.color), Index: ptr(int32(i))}
		}
		c.Mappings = []sdk.ValueMapping{{ValueMap: &sdk.ValueMap{Type: sdk.MappingTypeValueToText, Options: m}}}
	}
}

// first is the look that colours the panel as a whole.
func (p panel) first() series {
	if len(p.series) > 0 {
		return p.series[0]
	}
	return series{}
}

// overrides are the looks of single series, and the units of those that may be in two.
func (p panel) overrides() []sdk.DashboardFieldConfigSourceOverrides {
	out := []sdk.DashboardFieldConfigSourceOverrides{}
	add := func(matcher, options string, props []sdk.DynamicConfigValue) {
		out = append(out, sdk.DashboardFieldConfigSourceOverrides{Matcher: sdk.MatcherConfig{Id: matcher, Options: options}, Properties: props})
	}
	twofold := map[string]col{}
	for _, q := range p.queries {
		for _, c := range q.cols {
			if c.unit != plain {
				twofold[c.as] = c
			}
		}
	}
	looks := map[string]series{}
	var order []string
	for _, s := range p.series {
		if s.name != "" {
			looks[s.name] = s
			order = append(order, s.name)
		}
	}
	for _, q := range p.queries {
		for _, c := range q.cols {
			if _, ok := looks[c.as]; !ok && c.unit != plain {
				looks[c.as] = series{name: c.as}
				order = append(order, c.as)
			}
		}
	}
	for _, name := range order {
		props := looks[name].properties()
		if p.viz == lines || p.viz == trend { // the ticks of an axis would be rounded with the values
			props = slices.DeleteFunc(props, func(p sdk.DynamicConfigValue) bool { return p.Id == "decimals" && p.Value == 0 })
		}
		c, ok := twofold[name]
		if !ok {
			if len(props) > 0 {
				add("byName", name, props)
			}
			continue
		}
		props = slices.DeleteFunc(props, func(p sdk.DynamicConfigValue) bool { return p.Id == "unit" }) // which depends
		m, i := c.matchers()
		t := c.unit.twofold()
		show := sdk.DynamicConfigValue{Id: "displayName", Value: orElse(looks[name].show, name)}
		add("byRegexp", m, append(props[:len(props):len(props)], show, sdk.DynamicConfigValue{Id: "unit", Value: t.metric}))
		add("byRegexp", i, append(props[:len(props):len(props)], show, sdk.DynamicConfigValue{Id: "unit", Value: t.imperial}))
	}
	return out
}

// properties are a series' look as Grafana names it.
func (s series) properties() []sdk.DynamicConfigValue {
	var out []sdk.DynamicConfigValue
	set := func(id string, v any) { out = append(out, sdk.DynamicConfigValue{Id: id, Value: v}) }
	if s.color != "" {
		set("color", map[string]any{"mode": "fixed", "fixedColor": s.color})
	}
	if s.unit != "" {
		set("unit", s.unit)
	}
	if s.unit != "" || s.digits > 0 {
		set("decimals", s.digits)
	}
	if s.show != "" {
		set("displayName", s.show)
	}
	if s.axis == "right" {
		set("custom.axisPlacement", "right")
	}
	if s.width > 0 {
		set("custom.lineWidth", s.width)
	}
	if s.fill > 0 {
		set("custom.fillOpacity", s.fill)
	}
	if s.line {
		set("custom.drawStyle", "line")
		set("custom.stacking", map[string]any{"mode": "none", "group": "A"})
		set("custom.showPoints", "auto")
		if s.fill == 0 {
			set("custom.fillOpacity", 0)
		}
	}
	if s.points {
		set("custom.showPoints", "always")
		set("custom.pointSize", 4)
	}
	if s.wide > 0 {
		set("custom.width", s.wide)
	}
	if s.dashed {
		set("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 6}})
	}
	if s.below != "" {
		set("custom.fillBelowTo", s.below)
	}
	return out
}

// transformations fold a series into days × hours, where InfluxQL cannot; Flux does it by itself.
func (p panel) transformations(d Dialect) []sdk.DataTransformerConfig {
	var out []sdk.DataTransformerConfig
	add := func(id string, options map[string]any) {
		out = append(out, sdk.DataTransformerConfig{Id: id, Options: options})
	}
	if p.viz == table && len(p.queries) > 1 {
		add("merge", map[string]any{})
	}
	if p.viz == lines && d == InfluxQL {
		out = append(out, p.later()...)
	}
	if (p.viz == table || p.viz == geomap) && d == Flux { // which sorts the columns of a record by their names
		order := map[string]any{"Time": 0}
		for i, c := range p.queries[0].cols {
			order[c.name()] = i + 1
		}
		add("organize", organized(order))
	}
	if p.viz != heat || p.days.row == "" {
		return out
	}
	order := map[string]any{"Time": 0, "_time": 0, "Row\\Column": 0}
	for i, name := range p.days.columns() {
		order[name] = i + 1
	}
	inOrder := organized(order)
	if d == Flux {
		add("organize", inOrder)
		return out
	}
	// Two copies of the time, as numbers, which become times again and then words, in the zone that is chosen: the row's and the column's.
	later := fmt.Sprint(p.days.later * 3_600_000)
	for _, x := range []struct{ name, format string }{{"Row", p.days.row}, {"Column", p.days.column}} {
		add("calculateField", map[string]any{"mode": "binary", "alias": x.name, "binary": map[string]any{"left": "Time", "operator": "+", "right": later}, "replaceFields": false})
		add("convertFieldType", map[string]any{"fields": map[string]any{}, "conversions": []any{
			map[string]any{"targetField": x.name, "destinationType": "time"},
			map[string]any{"targetField": x.name, "destinationType": "string", "dateFormat": x.format, "timezone": "${tz:raw}"}}})
	}
	add("groupingToMatrix", map[string]any{"rowField": "Row", "columnField": "Column", "valueField": p.days.from, "emptyValue": "null"})
	add("organize", inOrder)
	add("convertFieldType", map[string]any{"fields": map[string]any{}, "conversions": []any{map[string]any{"targetField": "Row\\Column", "destinationType": "time", "dateFormat": "YYYY-MM-DD HH"}}})
	return out
}

// inOrder are the panel's queries. In Flux each column is one of its own: the tables of one answer come in the order of their names, in
// which stages would be stacked with the awake ones below.
func (p panel) inOrder(d Dialect) []query {
	var out []query
	for _, q := range p.queries {
		if d != Flux || q.table || q.flux != "" {
			out = append(out, q)
			continue
		}
		for _, c := range q.cols {
			one := q
			one.cols = []col{c}
			out = append(out, one)
		}
	}
	return out
}

// organized are the options that put columns in an order.
func organized(index map[string]any) map[string]any {
	return map[string]any{"excludeByName": map[string]any{}, "includeByName": map[string]any{}, "renameByName": map[string]any{}, "indexByName": index}
}

// later moves the values of days to the noon of their day, where InfluxQL cannot: see query.later.
func (p panel) later() []sdk.DataTransformerConfig {
	byHours := map[float64][]string{}
	for i, q := range p.queries {
		hours := q.later(InfluxQL)
		byHours[hours] = append(byHours[hours], string(rune('A'+i)))
	}
	var out []sdk.DataTransformerConfig
	for _, hours := range slices.Sorted(maps.Keys(byHours)) {
		if hours == 0 {
			continue
		}
		var which *sdk.MatcherConfig
		if refs := byHours[hours]; len(refs) < len(p.queries) {
			which = &sdk.MatcherConfig{Id: "byRefId", Options: "/^(" + strings.Join(refs, "|") + ")$/"}
		}
		add := func(id string, options map[string]any) {
			out = append(out, sdk.DataTransformerConfig{Id: id, Filter: which, Options: options})
		}
		add("calculateField", map[string]any{"mode": "binary", "alias": "Noon", "binary": map[string]any{"left": "Time", "operator": "+", "right": fmt.Sprint(int(hours * 3_600_000))}, "replaceFields": false})
		// While it is a number: Grafana takes each time for Time.
		add("filterFieldsByName", map[string]any{"exclude": map[string]any{"names": []string{"Time"}}})
		add("convertFieldType", map[string]any{"fields": map[string]any{}, "conversions": []any{map[string]any{"targetField": "Noon", "destinationType": "time"}}})
	}
	return out
}

// columns are the names of a heat map's columns, in order.
func (m matrix) columns() []string {
	var out []string
	switch m.column {
	case "DD":
		for day := range 31 {
			out = append(out, fmt.Sprintf("%02d", day+1))
		}
	case "HH":
		for hour := range 24 {
			out = append(out, fmt.Sprintf("%02d", hour))
		}
	case "HH.mm":
		for hour := range 24 {
			out = append(out, fmt.Sprintf("%02d.00", hour), fmt.Sprintf("%02d.30", hour))
		}
	}
	return out
}

// look are the options of the panel's type, and the ones of its fields.
func (p panel) look() (options, custom any) {
	switch p.viz {
	case lines:
		return p.lines()
	case stat:
		return p.stat(), nil
	case pie:
		o := sdkpie.NewOptions()
		o.Orientation = common.VizOrientationAuto
		o.PieType, o.ReduceOptions.Calcs = sdkpie.PieChartTypeDonut, []string{orElse(p.calc, "lastNotNull")}
		o.DisplayLabels = []sdkpie.PieChartLabels{sdkpie.PieChartLabelsPercent}
		o.Legend = sdkpie.PieChartLegendOptions{DisplayMode: common.LegendDisplayModeTable, Placement: common.LegendPlacementRight, ShowLegend: true, Calcs: []string{}, Values: []sdkpie.PieChartLegendValues{sdkpie.PieChartLegendValuesValue}}
		o.Tooltip = common.VizTooltipOptions{Mode: common.TooltipDisplayModeSingle, Sort: common.SortOrderNone}
		return o, nil
	case timeline:
		o, f := sdktimeline.NewOptions(), sdktimeline.NewFieldConfig()
		o.MergeValues, o.ShowValue, o.RowHeight = ptr(true), common.VisibilityModeNever, 0.9
		o.Legend, o.Tooltip = legend(true), tooltip()
		f.FillOpacity, f.LineWidth = ptr(uint32(85)), ptr(uint32(0))
		return o, f
	case heat:
		return p.heat(), nil
	case histogram:
		o, f := sdkhist.NewOptions(), sdkhist.NewFieldConfig()
		o.BucketSize, o.Legend, o.Tooltip = ptr(int32(2)), legend(false), tooltip()
		f.FillOpacity, f.LineWidth = ptr(uint32(80)), ptr(uint32(0))
		return o, f
	case table:
		o, f := sdktable.NewOptions(), sdktable.NewFieldConfig()
		o.CellHeight, o.ShowHeader = ptr(common.TableCellHeightSm), true
		o.Footer = &common.TableFooterOptions{Show: false, Reducer: []string{}, CountRows: ptr(false)}
		if p.sort != "" {
			o.SortBy = []common.TableSortByFieldState{{DisplayName: p.sort, Desc: ptr(true)}}
		}
		return o, f
	case geomap:
		return p.geomap(), nil
	case trend:
		o, f := sdktrend.NewOptions(), sdktrend.NewFieldConfig()
		o.Legend, o.Tooltip, o.XField = legend(true), tooltip(), ptr(p.queries[0].cols[0].as)
		p.graph(f)
		return o, f
	}
	panic(fmt.Sprintf("dashboard: no look for %q", p.viz))
}

func (p panel) lines() (options, custom any) {
	o, f := sdklines.NewOptions(), common.NewGraphFieldConfig()
	o.Tooltip, o.Legend = tooltip(), legend(true)
	if len(p.names()) == 1 {
		o.Legend.ShowLegend = false
	}
	p.graph(f)
	return o, f
}

// apart is how far from each other values have to be for no line to be drawn between them, in milliseconds; 0 where nulls say it.
func (p panel) apart() float64 {
	gap := orElse(p.gap, "36h") // a day is missing
	for _, q := range p.queries {
		if q.every == "auto" || q.table {
			return 0
		}
	}
	n, err := strconv.Atoi(gap[:len(gap)-1])
	unit, ok := map[byte]float64{'m': 60_000, 'h': 3_600_000, 'd': 86_400_000}[gap[len(gap)-1]]
	if err != nil || !ok {
		panic(fmt.Sprintf("dashboard: panel %q: %q is no length of time", p.title, gap))
	}
	return float64(n) * unit
}

// graph are the settings that line charts share.
func (p panel) graph(f *common.GraphFieldConfig) {
	f.DrawStyle, f.LineWidth, f.FillOpacity = ptr(common.GraphDrawStyleLine), ptr(2.0), ptr(0.0)
	f.LineInterpolation, f.ShowPoints = ptr(common.LineInterpolationSmooth), ptr(common.VisibilityModeAuto)
	f.GradientMode, f.AxisBorderShow, f.AxisGridShow = ptr(common.GraphGradientModeNone), ptr(false), ptr(true)
	f.SpanNulls = &common.BoolOrFloat64{Bool: ptr(false)}
	if ms := p.apart(); ms > 0 && !p.bars {
		f.InsertNulls = &common.BoolOrFloat64{Float64: ptr(ms)}
	}
	switch {
	case p.bars:
		f.DrawStyle, f.FillOpacity, f.LineWidth, f.BarWidthFactor = ptr(common.GraphDrawStyleBars), ptr(80.0), ptr(0.0), ptr(0.8)
		f.AxisSoftMin = ptr(0.0)
		f.BarAlignment = ptr(common.BarAlignmentAfter)
		if hours := p.queries[0].later(InfluxQL); hours > 0 && hours < 24 && p.queries[0].every != "sessions" { // around noon
			f.BarAlignment = ptr(common.BarAlignmentCenter)
		}
	case p.step:
		f.LineInterpolation, f.FillOpacity = ptr(common.LineInterpolationStepAfter), ptr(20.0)
	case p.points:
		f.DrawStyle, f.PointSize, f.ShowPoints = ptr(common.GraphDrawStylePoints), ptr(5.0), ptr(common.VisibilityModeAlways)
	}
	if p.stack {
		f.Stacking = &common.StackingConfig{Mode: ptr(common.StackingModeNormal), Group: ptr("A")}
	}
	if p.goal != nil {
		f.ThresholdsStyle = &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeDashed}
	}
}

func (p panel) stat() any {
	o := sdkstat.NewOptions()
	o.ReduceOptions.Calcs = []string{orElse(p.calc, "lastNotNull")}
	o.ReduceOptions.Fields = ptr(p.field)
	o.ColorMode, o.GraphMode, o.JustifyMode = common.BigValueColorModeValue, common.BigValueGraphModeNone, common.BigValueJustifyModeCenter
	o.TextMode, o.WideLayout, o.Orientation = common.BigValueTextModeAuto, false, common.VizOrientationHorizontal
	if len(p.names()) > 1 {
		o.TextMode = common.BigValueTextModeValueAndName
	} else {
		o.TextMode = common.BigValueTextModeValue
	}
	return o
}

func (p panel) heat() any {
	o := sdkheat.NewOptions()
	o.Color.Mode, o.Color.Scheme, o.Color.Steps = ptr(sdkheat.HeatmapColorModeScheme), orElse(p.scheme, "Greens"), 64
	o.Color.Reverse = false
	if p.highest != nil {
		o.Color.Max = ptr(float32(*p.highest))
	}
	if p.lowest != nil {
		o.Color.Min = ptr(float32(*p.lowest))
	}
	o.FilterValues = &sdkheat.FilterValueRange{Le: ptr(float32(1e-9))}
	o.CellGap, o.ShowValue, o.Legend.Show = ptr(uint8(1)), common.VisibilityModeNever, true
	o.YAxis.AxisPlacement, o.YAxis.Reverse = ptr(common.AxisPlacementLeft), ptr(p.days.row != "")
	o.CellValues = &sdkheat.CellValues{Unit: ptr(orElse(p.unit, "none"))}
	if p.unit == "suffix:h" {
		o.CellValues.Decimals = ptr(float32(1))
	}
	o.Tooltip.Mode = common.TooltipDisplayModeSingle
	o.Calculate = ptr(p.days.row == "")
	if p.days.row == "" {
		o.Calculation = &common.HeatmapCalculationOptions{
			XBuckets: &common.HeatmapCalculationBucketConfig{Mode: ptr(common.HeatmapCalculationModeSize), Value: ptr("1d")},
			YBuckets: &common.HeatmapCalculationBucketConfig{Mode: ptr(common.HeatmapCalculationModeSize), Value: ptr("5")},
		}
	} else {
		o.RowsFrame = &sdkheat.RowsHeatmapOptions{Layout: ptr(common.HeatmapCellLayoutAuto), Value: ptr(p.days.from)}
	}
	return o
}

func (p panel) geomap() any {
	o := sdkmap.NewOptions()
	o.View = sdkmap.MapViewConfig{Id: "fit", AllLayers: ptr(true), LastOnly: ptr(false), Padding: ptr(int64(15)), Zoom: ptr(int64(15)), Lat: ptr(int64(0)), Lon: ptr(int64(0)), Shared: ptr(false)}
	o.Controls = sdkmap.ControlsOptions{ShowZoom: ptr(true), MouseWheelZoom: ptr(true), ShowAttribution: ptr(true), ShowScale: ptr(true), ShowDebug: ptr(false), ShowMeasure: ptr(false)}
	o.Basemap = common.MapLayerOptions{Type: "default", Name: "Map", Config: map[string]any{}}
	style := map[string]any{
		"color": map[string]any{"field": "Heart rate", "fixed": red}, "opacity": 0.9, "rotation": map[string]any{"fixed": 0, "max": 360, "min": -360, "mode": "mod"},
		"size":   map[string]any{"fixed": 4, "max": 15, "min": 2},
		"symbol": map[string]any{"fixed": "img/icons/marker/circle.svg", "mode": "fixed"}, "symbolAlign": map[string]any{"horizontal": "center", "vertical": "center"},
		"textConfig": map[string]any{"fontSize": 12, "offsetX": 0, "offsetY": 0, "textAlign": "center", "textBaseline": "middle"},
	}
	o.Tooltip.Mode = sdkmap.TooltipModeDetails
	o.Layers = []common.MapLayerOptions{{
		Type: "markers", Name: "Track", Tooltip: ptr(true),
		Config:   map[string]any{"showLegend": true, "style": style},
		Location: &common.FrameGeometrySource{Mode: common.FrameGeometrySourceModeCoords, Latitude: ptr("Latitude"), Longitude: ptr("Longitude")},
	}}
	return o
}

// names are the series that the panel shows, as far as its queries tell.
func (p panel) names() []string {
	var out []string
	for _, q := range p.queries {
		for _, c := range q.cols {
			out = append(out, c.as)
		}
	}
	return out
}

func legend(show bool) common.VizLegendOptions {
	l := common.NewVizLegendOptions()
	l.DisplayMode, l.Placement, l.ShowLegend, l.Calcs = common.LegendDisplayModeList, common.LegendPlacementBottom, show, []string{}
	return *l
}

func tooltip() common.VizTooltipOptions {
	return common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderNone}
}
