// Package endtoend tests the program as it is shipped: the built binary, the simulated service and a real InfluxDB 1. Some tests
// hold the whole way of the data against what the simulated person did, others break it at every joint: processes die, disks
// fill up, answers are torn, the database goes away. In each case a clear message is wanted, nothing lost, and recovery by itself.
//
// It is made of tests only.
package endtoend
