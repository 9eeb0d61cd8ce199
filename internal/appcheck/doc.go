// Package appcheck holds the checks of Home Assistant's app that need no Home Assistant: what Supervisor, its store and the linter
// of apps ask of the folder fitbit_fetch and of the repository around it.
package appcheck
