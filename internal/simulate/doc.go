// Package simulate is one simulated person and the servers that speak for them. Nothing is stored: what the person did on a day
// is a function of seed and day, what a server shows is a function of those and of the last sync at its time.
//
//	p := &simulate.Person{Seed: 1, Start: start, Zones: metric.Zones{{From: start, Name: "Europe/Berlin"}}}
//	p.HeartRates(span)  p.Steps(span)  p.DayTotals(day)  p.Minutes(day)      // the truth
//	p.NightsAt(day, now)  p.Workouts(day)  p.Track(workout)  p.Vitals(day)  p.Weighing(day)
//	p.Syncs(span)  p.LastSync(now)  p.NextSync(t)  p.Battery(t)  p.Off(day)
//
//	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: now})
//	http.Serve(listener, g)                       // PathAuth, PathToken, PathRevoke and PathAPI on one origin
//	client := &http.Client{Transport: simulate.Transport{Handler: g}}        // or without a network
//	g.AccessToken(p)  g.Grant(p, scopes...)  g.Expire(p)  g.Withdraw(p)      // tokens for tests
//	g.Script(func(*http.Request) *simulate.Fault)  g.Log()
//
//	simulate.NewBroker().Serve(ctx, listener)     // an MQTT broker, for the demo
//
//	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: now})   // the same person at the Fitbit Web API:
//	f.AccessToken(p)  f.Grant(p, scopes...)  f.Expire(p)  f.Withdraw(p)  f.Script(…)  f.Log()    // FitbitPathAuth, FitbitPathToken, …, /1/user/-/…
//	if f.Serves(path) { … }                       // both faces on one port: their paths are apart
//
// A server without Clients has DefaultClient, one without Apps DefaultFitbitApp: their refresh tokens are good from the start.
package simulate
