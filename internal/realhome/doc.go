// Package realhome tests the app where it ends: in a real Home Assistant, which gets its sensors over a real Mosquitto from the built
// program that asks the simulated service. The program runs as Supervisor runs it: in a container of its own with the image's files
// and environment, with the options.json that the form writes, and with a stand-in for Supervisor (supervisortest) that Home
// Assistant's own integration talks to as well. Its page is opened in Chromium through Home Assistant's ingress. All of it has a
// network of its own, for the addresses of Supervisor's; that takes root.
//
// It is made of tests only, with the build tag homeassistant; make test-homeassistant runs them, and scripts/home-assistant brings
// the Home Assistant.
package realhome
