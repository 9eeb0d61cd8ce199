package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/control"
)

func versionCommand() command {
	return command{
		name: "version", summary: "show the version", alone: true, bare: true,
		run: func(_ context.Context, c *call) error {
			fmt.Fprintf(c.stdout, "fitbit-fetch %s (%s, %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

func optionsCommand() command {
	return command{
		name: "options", summary: "list every option, with its name in each place", alone: true, bare: true,
		run: func(_ context.Context, c *call) error { return config.WriteHelp(c.stdout) },
	}
}

// programVersion is what the linker was told, or else the module's version, as go install records it.
func programVersion() string {
	if version != "dev" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}

func healthcheckCommand() command {
	return command{
		name: "healthcheck", held: true, summary: "exit with 0 if the running fitbit-fetch is well", alone: true,
		help: `Asks the running process whether its loops are alive; made for a container's HEALTHCHECK. Waiting for an authorization or for a
database that is down is well: starting again would not mend it. Exit code 5 when the process is not there or does not answer.`,
		run: func(ctx context.Context, c *call) error {
			ctx, cancel := context.WithTimeout(ctx, healthWait)
			defer cancel()
			code, err := control.Do(ctx, c.opts.Sockets(), control.Call{Args: []string{"status", "--health"}, Dir: c.dir}, emptyReader{}, c.stdout, c.stderr)
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("the running fitbit-fetch does not answer within %s", healthWait)
			}
			if err != nil {
				return &exitError{exitUnhealthy, err}
			}
			if code != exitOK {
				return &exitError{exitUnhealthy, errors.New("the running fitbit-fetch is not well")}
			}
			return nil
		},
	}
}

// healthWait is how long the process may take to answer: under the timeout that containers usually give.
const healthWait = 10 * time.Second

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, io.EOF }

// snapshotPath is where a start that finds no archive looks for one.
func (a *app) snapshotPath() string { return a.opts.Archive + ".snapshot" }

func snapshotCommand() command {
	return command{
		name: "snapshot", held: true, args: "[FILE]", summary: "write a consistent copy of the archive while it is in use",
		help: `Without FILE the copy lies beside the archive, with .snapshot behind its name; a start that finds no archive, or a broken one, restores
from there. Let backup tools copy the snapshot: the archive itself may be in the middle of a change.`,
		run: func(ctx context.Context, c *call) error {
			to := c.app.snapshotPath()
			if len(c.args) > 0 {
				to = c.path(c.args[0])
			}
			if err := c.app.archive.Snapshot(ctx, to); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "snapshot written to %s\n", to)
			return nil
		},
	}
}
