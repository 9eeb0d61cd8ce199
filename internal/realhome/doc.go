// Package realhome tests the sensors where they end: in a real Home Assistant, which gets them over a real Mosquitto from the built
// program that asks the simulated service. It is made of tests only, with the build tag homeassistant; make test-homeassistant runs
// them, and scripts/home-assistant brings the Home Assistant.
package realhome
