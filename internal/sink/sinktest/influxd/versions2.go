//go:build influxdb2

package influxd

// Versions are those that tests run against.
func Versions() []Version { return []Version{V2_7} }
