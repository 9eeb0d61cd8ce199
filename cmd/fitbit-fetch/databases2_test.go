//go:build influxdb2

package main

import (
	"testing"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

func TestInfluxDB2OnThePage(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("here")
	both, reader := srv.NewToken("here", domain.PermissionActionRead, domain.PermissionActionWrite), srv.NewToken("here", domain.PermissionActionRead)
	good := map[string]string{"version": "2", "url": srv.URL, "org": influxd.Org, "bucket": "here", "token": both}
	try(t, append([]trial{
		{"all well", good, "is there and may be written", ""},
		{"will be created", with(good, "bucket", "new", "token", influxd.Token), "will be created", ""},
		{"wrong token", with(good, "token", "hush"), "", "db2_user"},
		{"may not write", with(good, "token", reader), "", "db2_rights"},
		{"no such bucket, and may not make it", with(good, "bucket", "new"), "", "db2_database"},
		{"no such organisation", with(good, "org", "nowhere"), "", "db2_org"},
		{"as InfluxDB 3", with(good, "version", "3", "database", "here"), "", "db_other"},
	}, unwell(t, good)...))
}
