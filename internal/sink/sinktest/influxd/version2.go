package influxd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/daemon"
)

// What an InfluxDB 2 is set up with.
const (
	Org   = "the home"
	Token = "token-of=the/operator+1=="
)

// start2 runs an InfluxDB 2 and sets it up. It has no bucket but one that nobody uses.
func start2(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	port := proctest.FreePort(t)
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Version: V2_7, t: t, user: "any", password: Token}
	s.Daemon = daemon.Start(t, s.URL+"/health", []string{"INFLUXD_CONFIG_PATH=" + os.DevNull}, Binary(t, V2_7),
		"--reporting-disabled", "--ui-disabled", "--no-tasks", "--http-bind-address", fmt.Sprintf("127.0.0.1:%d", port),
		"--bolt-path", filepath.Join(dir, "bolt"), "--sqlite-path", filepath.Join(dir, "sqlite"), "--engine-path", filepath.Join(dir, "engine"))
	s.Client = influxdb2.NewClient(s.URL, Token)
	t.Cleanup(s.Client.Close)
	if _, err := s.Client.SetupWithToken(context.Background(), Admin, Password, Org, "unused", 0, Token); err != nil {
		t.Fatal(err)
	}
	return s
}

// Bucket returns a bucket; nil where there is none.
func (s *Server) Bucket(name string) *domain.Bucket {
	b, err := s.Client.BucketsAPI().FindBucketByName(context.Background(), name)
	if err != nil {
		return nil
	}
	return b
}

// Create makes a database or bucket if it is not there.
func (s *Server) Create(database string) {
	s.t.Helper()
	if s.Version != V2_7 {
		s.Query("", "CREATE DATABASE "+quote(database))
		return
	}
	if s.Bucket(database) != nil {
		return
	}
	if _, err := s.Client.BucketsAPI().CreateBucketWithNameWithID(context.Background(), s.org(), database); err != nil {
		s.t.Fatal(err)
	}
}

// Drop removes a database or bucket with all that it holds.
func (s *Server) Drop(database string) {
	s.t.Helper()
	if s.Version != V2_7 {
		s.Query("", "DROP DATABASE "+quote(database))
		return
	}
	if b := s.Bucket(database); b != nil {
		if err := s.Client.BucketsAPI().DeleteBucket(context.Background(), b); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) org() string {
	s.t.Helper()
	o, err := s.Client.OrganizationsAPI().FindOrganizationByName(context.Background(), Org)
	if err != nil {
		s.t.Fatal(err)
	}
	return *o.Id
}

// NewToken makes a token with rights (read, write) on one bucket.
func (s *Server) NewToken(bucket string, rights ...domain.PermissionAction) string {
	s.t.Helper()
	org, id := s.org(), s.Bucket(bucket).Id
	var all []domain.Permission
	for _, r := range rights {
		all = append(all, domain.Permission{Action: r, Resource: domain.Resource{Type: domain.ResourceTypeBuckets, Id: id, OrgID: &org}})
	}
	a, err := s.Client.AuthorizationsAPI().CreateAuthorizationWithOrgID(context.Background(), org, all)
	if err != nil {
		s.t.Fatal(err)
	}
	return *a.Token
}
