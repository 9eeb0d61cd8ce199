package main

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// giveBack returns to the system, once a minute, the memory that a burst of fetching has left behind: most of the day nothing is done,
// on machines where little is to be had. BenchmarkStart shows what it is worth: without it, a third of what is idle stays.
func giveBack(ctx context.Context) {
	for clock.Real().Sleep(ctx, time.Minute) == nil {
		debug.FreeOSMemory()
	}
}
