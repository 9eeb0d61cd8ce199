//go:build !influxdb2

package influxd

// Versions are those that tests run against. The tag influxdb2 has them run against 2.7.12, which takes minutes to build the
// first time: make test-influxdb2.
func Versions() []Version { return V1() }
