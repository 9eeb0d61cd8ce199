package grafana

import (
	"context"
	"net/http"
)

// rule makes the alert rule for a day without heart rate, paused; one that is there is the user's and is left alone.
func (c *client) rule(ctx context.Context) (Item, error) {
	item := Item{Kind: "alert rule", Name: "No Fitbit data for 24 hours (paused)", Fate: Same}
	_, err := c.call(ctx, http.MethodGet, "/api/v1/provisioning/alert-rules/"+ruleUID, nil, nil)
	if missing(err) {
		item.Fate = Created
		_, err = c.call(ctx, http.MethodPost, "/api/v1/provisioning/alert-rules", c.cfg.Database.rule(), nil)
	}
	return item, err
}

const (
	noDataInfluxQL = `SELECT count("value") FROM "HeartRate_Intraday" WHERE time > now() - 24h`
	noDataFlux     = `from(bucket: v.defaultBucket)
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "HeartRate_Intraday" and r._field == "value")
  |> count()
  |> group()
  |> sum()
  |> map(fn: (r) => ({_time: v.timeRangeStop, _value: r._value}))`
)

// rule counts the heart rates of a day; fewer than one, or no answer at all, is an alert.
func (d Database) rule() map[string]any {
	day := map[string]any{"from": 24 * 60 * 60, "to": 0}
	ask := map[string]any{"refId": "A", "intervalMs": 60_000, "maxDataPoints": 43_200, "query": noDataInfluxQL, "rawQuery": true, "resultFormat": "time_series"}
	if d.Version == 2 {
		ask = map[string]any{"refId": "A", "intervalMs": 60_000, "maxDataPoints": 43_200, "query": noDataFlux}
	}
	expression := func(ref string, more map[string]any) map[string]any {
		more["refId"] = ref
		more["datasource"] = map[string]any{"type": "__expr__", "uid": "__expr__"}
		return map[string]any{"refId": ref, "datasourceUid": "__expr__", "relativeTimeRange": day, "model": more}
	}
	return map[string]any{
		"uid": ruleUID, "title": "No Fitbit data for 24 hours", "ruleGroup": "fitbit-fetch", "folderUID": folderUID, "orgID": 1, "condition": "C", "for": "0s",
		"noDataState": "Alerting", "execErrState": "Error", "isPaused": true,
		"labels": map[string]string{"source": "fitbit-fetch"},
		"annotations": map[string]string{
			"summary":     "No heart rate has come in for 24 hours.",
			"description": "The band was not worn, its app has not synced, or fitbit-fetch cannot fetch or write. fitbit-fetch status tells which.",
		},
		"data": []any{
			map[string]any{"refId": "A", "datasourceUid": d.sourceUID(), "relativeTimeRange": day, "model": ask},
			expression("B", map[string]any{"type": "reduce", "expression": "A", "reducer": "last", "settings": map[string]any{"mode": "dropNN"}}),
			expression("C", map[string]any{"type": "threshold", "expression": "B", "conditions": []any{map[string]any{"evaluator": map[string]any{"type": "lt", "params": []int{1}}}}}),
		},
	}
}
