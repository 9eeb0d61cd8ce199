package main

import (
	"context"
	"errors"
	"fmt"
)

func checkCommand() command {
	return command{
		name: "check", held: true, summary: "read the options, try each connection, and say what to mend",
		help: `Asks the service who each person is, and each database whether it takes data. The exit code is that of the worst finding: 4 where somebody
has to authorize, 3 where an option is wrong or missing, 1 for a connection that fails.`,
		run: func(ctx context.Context, c *call) error {
			code := exitOK
			for _, f := range c.app.findings(ctx) {
				c.say(f)
				code = max(code, f.code)
			}
			if code != exitOK {
				return &exitError{code, errors.New("something needs mending, see above")}
			}
			return nil
		},
	}
}

// say shows one finding.
func (c *call) say(f finding) {
	mark := "ok"
	if f.bad {
		mark = "!!"
	}
	fmt.Fprintln(c.stdout, c.wrap(f.text, fmt.Sprintf("%s  %-15s ", mark, f.what), "      "))
	for _, h := range f.hints {
		c.hintLine(h)
	}
}
