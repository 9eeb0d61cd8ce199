package main

import (
	"fmt"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
)

// loadOptions reads the options; file is the YAML file named on the command line.
func loadOptions(file string, c *call) (config.Options, error) {
	opts, err := config.Load(config.System(file))
	if err != nil {
		return opts, &exitError{exitConfig, fmt.Errorf("the options are not right:\n%w", err)}
	}
	return opts, nil
}
