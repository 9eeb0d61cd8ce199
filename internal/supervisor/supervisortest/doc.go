// Package supervisortest stands in for Home Assistant's Supervisor in tests: for an app as for Home Assistant Core, whose own
// integration may talk to it. What it refuses matters most, since that is what an app gets wrong: a token that is missing or has no
// right to a path, a broker that is not there, Core while it does not run, an address that looks like an attack, a body that is too
// large. All of it is written from Supervisor's sources (api/, apps/, ingress.py, homeassistant/api.py) as they were in August 2026.
//
// app.go reads an app's config.yaml and makes the options.json that the app finds; supervisor.go has the token check and the paths;
// answers.go what Core asks at its start; core.go is the way from the app to Core; ingress.go the one from Core to the app's page.
package supervisortest
