//go:build !linux

package main

// fileReleaser is for Linux, where the small machines are.
func fileReleaser() func() { return func() {} }
