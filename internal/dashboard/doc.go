// Package dashboard describes the Grafana dashboards once, in Go, and writes them in each query language:
//
//	for _, d := range dashboard.Dialects() {
//		for _, f := range dashboard.Files(d) { f.Name; f.JSON }
//	}
//
// A dashboard is rows of panels (overview.go and its neighbours), a panel is a few words and queries (panel.go), and a query
// (query.go) says which fields of which measurement are wanted; from it come InfluxQL, which InfluxDB 1 and 3 understand, and Flux,
// for InfluxDB 2. The JSON is Grafana's own types, from its foundation SDK. Nothing of this package is part of the program: what
// go generate writes is.
package dashboard

//go:generate go run ./generate ../..
