package influx

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// mappable is what InfluxDB 2 takes as the name of a database.
var mappable = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// mapped is where InfluxQL finds the bucket: InfluxDB 2 maps names of databases to buckets. A bucket without a slash in its name
// has such a mapping by itself, one that was taken over from InfluxDB 1 has its old name; for any other one is made.
func (s *Sink) mapped(ctx context.Context) (scope, error) {
	if known := s.found.Load(); known != nil {
		return *known, nil
	}
	bucket, err := s.bucket(ctx)
	if err != nil {
		return scope{}, err
	}
	maps, err := s.client2.APIClient().GetDBRPs(ctx, &domain.GetDBRPsParams{Org: &s.cfg.Org, BucketID: bucket.Id})
	if err != nil {
		return scope{}, s.clientError(ctx, err)
	}
	var found *scope
	if maps.Content != nil {
		for _, m := range *maps.Content {
			if m.BucketID == *bucket.Id && m.Default {
				found = &scope{m.Database, m.RetentionPolicy}
			}
		}
	}
	if found == nil {
		found = &scope{s.cfg.Database, "autogen"}
		if !mappable.MatchString(found.database) {
			found.database = "fitbit-fetch-" + *bucket.Id
		}
		yes := true
		made := domain.PostDBRPJSONRequestBody{BucketID: *bucket.Id, Database: found.database, RetentionPolicy: found.policy, Default: &yes, OrgID: bucket.OrgID}
		if _, err := s.client2.APIClient().PostDBRP(ctx, &domain.PostDBRPAllParams{Body: made}); err != nil {
			return scope{}, s.clientError(ctx, fmt.Errorf("mapping bucket %q to a database of InfluxQL: %w", s.cfg.Database, err))
		}
	}
	s.found.Store(found)
	return *found, nil
}

// bucket returns the bucket. One that may be written but not read is hidden from every question: only a write finds it.
func (s *Sink) bucket(ctx context.Context) (domain.Bucket, error) {
	list, err := s.client2.APIClient().GetBuckets(ctx, &domain.GetBucketsParams{Org: &s.cfg.Org, Name: &s.cfg.Database})
	if err != nil && !strings.HasPrefix(err.Error(), "not found: bucket ") {
		return domain.Bucket{}, s.clientError(ctx, err)
	}
	if err == nil && list.Buckets != nil {
		for _, b := range *list.Buckets {
			if b.Name == s.cfg.Database && b.Id != nil {
				return b, nil
			}
		}
	}
	v, err := s.postNothing(ctx)
	switch {
	case err != nil:
		return domain.Bucket{}, err
	case v.kind == noDatabase:
		return domain.Bucket{}, &sink.Error{Status: v.err.Status, Hint: v.err.Hint, Err: fmt.Errorf("%w: %w", v.err.Err, errAbsent)}
	case v.kind == stored:
		return domain.Bucket{}, &sink.Error{Status: http.StatusForbidden, Hint: s.dialect.words.forbidden(s.cfg),
			Err: fmt.Errorf("the token may write to bucket %q but not read it: %w", s.cfg.Database, errForbidden)}
	}
	return domain.Bucket{}, v.err
}

// createBucket makes the bucket; it keeps its points for ever.
func (s *Sink) createBucket(ctx context.Context) error {
	id, err := s.org(ctx)
	if err != nil {
		return err
	}
	_, err = s.client2.BucketsAPI().CreateBucketWithNameWithID(ctx, id, s.cfg.Database)
	if err != nil && !strings.HasPrefix(err.Error(), "conflict: ") { // of two batches at once the other one has made it
		return s.clientError(ctx, err)
	}
	return nil
}

// seeOrg tells whether a bucket could be made, as far as can be told without making one: a token for single buckets does not
// see its organisation.
func (s *Sink) seeOrg(ctx context.Context) error {
	_, err := s.org(ctx)
	return err
}

// org returns the id of the organisation.
func (s *Sink) org(ctx context.Context) (string, error) {
	orgs, err := s.client2.APIClient().GetOrgs(ctx, &domain.GetOrgsParams{Org: &s.cfg.Org})
	if err != nil {
		return "", s.clientError(ctx, err)
	}
	if orgs.Orgs != nil {
		for _, o := range *orgs.Orgs {
			if o.Name == s.cfg.Org && o.Id != nil {
				return *o.Id, nil
			}
		}
	}
	return "", &sink.Error{Status: http.StatusForbidden, Hint: s.dialect.words.absent(s.cfg),
		Err: fmt.Errorf("the token may not make a bucket in organisation %q: %w", s.cfg.Org, errForbidden)}
}

// health returns the server's version.
func (s *Sink) health(ctx context.Context) (string, error) {
	h, err := s.client2.Health(ctx)
	switch {
	case err != nil:
		return "", s.clientError(ctx, err)
	case h.Version == nil || !strings.HasPrefix(strings.TrimPrefix(*h.Version, "v"), "2."):
		version := ""
		if h.Version != nil {
			version = *h.Version
		}
		return "", &sink.Error{Hint: s.hint(http.StatusOK, http.Header{"X-Influxdb-Version": {version}}, ""), Err: fmt.Errorf("what answers is no InfluxDB 2")}
	}
	return strings.TrimPrefix(*h.Version, "v"), nil
}

// clientError makes an error of one of the client package, which gives the status as the first word of its text.
func (s *Sink) clientError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isNetwork(err):
		return s.unreachable(err)
	}
	text := err.Error()
	status, cause := 0, error(nil)
	header := http.Header{"X-Influxdb-Version": {string(s.cfg.Version)}} // its own words
	switch {
	case contains(text, " is unauthorized", "forbidden: "):
		status, cause = http.StatusForbidden, errForbidden
	case contains(text, "unauthorized: "):
		status = http.StatusUnauthorized
	case contains(text, "not found: "):
		status = http.StatusNotFound
	case contains(text, "internal error: "):
		status = http.StatusInternalServerError
	default:
		header, text = http.Header{}, withoutPage(text)
	}
	out := &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: fmt.Errorf("%s: %s", s.dialect.title, withoutLines(text))}
	if cause != nil {
		out.Err = fmt.Errorf("%w: %w", out.Err, cause)
	}
	return out
}

// withoutPage takes the page out of what is not the database's own answer.
func withoutPage(text string) string {
	text, _, _ = strings.Cut(text, "<")
	return strings.TrimRight(text, ": \n")
}
