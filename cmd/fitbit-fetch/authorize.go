package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
)

type authorizeFlags struct {
	choice
	newPerson bool
	refresh   bool
	address   string
}

func authorizeCommand() command {
	return command{
		name: "authorize", summary: "sign in at the service, once for each person",
		help: `Shows the address of the consent page. Open it on any device, sign in, agree; then the browser goes to the redirect address, which may
look like an error. Where this machine runs the browser, that address is caught; otherwise paste it here, whole.
A running fitbit-fetch goes on by itself once authorized.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &authorizeFlags{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: the first)")
			fs.BoolVar(&f.newPerson, "new-person", false, "the account is another than the one whose data the archive holds, and that is meant")
			fs.BoolVar(&f.refresh, "refresh-token", false, "paste an existing refresh token instead of signing in")
			fs.StringVar(&f.address, "paste", "", "the `address` (or code) that the browser ended on, of an authorization begun before")
		},
		run: func(ctx context.Context, c *call) error { return c.authorize(ctx, c.flags.(*authorizeFlags)) },
	}
}

// one returns the one person meant: the chosen or the first.
func (ch *choice) one(a *app) (*person, error) {
	people, err := ch.people(a)
	if err != nil {
		return nil, err
	}
	return people[0], nil
}

func (c *call) authorize(ctx context.Context, f *authorizeFlags) error {
	p, err := f.one(c.app)
	if err != nil {
		return err
	}
	if p.opts.ClientID == "" {
		return &exitError{exitConfig, fmt.Errorf("person %s has no client id: %s", p.ID, "set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET (docs/configuration.md), then authorize")}
	}
	lines := make(chan string)
	stop := make(chan struct{})
	defer close(stop)
	go readLines(c, lines, stop)

	if f.address != "" {
		grant, err := p.flow.Finish(ctx, f.address, f.newPerson)
		return c.granted(grant, err)
	}
	if f.refresh {
		fmt.Fprint(c.stdout, "Refresh token: ")
		select {
		case token, ok := <-lines:
			if !ok {
				return errors.New("no refresh token was given")
			}
			grant, err := p.flow.UseRefreshToken(ctx, strings.TrimSpace(token), f.newPerson)
			return c.granted(grant, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		visit, err := p.flow.Begin()
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "Open this address, sign in and agree:\n\n  %s\n\n", visit.URL)
		if why := p.flow.Catchable(); why == nil {
			fmt.Fprint(c.stdout, "If the browser runs on another machine, it ends on an address that does not open. Paste that address here, whole:\n")
		} else {
			fmt.Fprint(c.stdout, "The browser ends on an address that may not open. Paste that address here, whole:\n")
		}
		address, caught, err := p.flow.Await(ctx, lines)
		if err != nil {
			return err
		}
		if caught {
			fmt.Fprintln(c.stdout, "The browser's answer has arrived.")
		}
		if strings.TrimSpace(address) == "" {
			return errors.New("nothing was pasted; run fitbit-fetch authorize again when you have the address")
		}
		grant, err := p.flow.Finish(ctx, address, f.newPerson)
		if err == nil || !c.tty || ctx.Err() != nil {
			return c.granted(grant, err)
		}
		fmt.Fprintf(c.stdout, "\nThat did not work: %v\n%s\n\n", err, hint(err))
	}
}

// granted shows what was granted, and what is missing with what it costs.
func (c *call) granted(g auth.Grant, err error) error {
	if err != nil {
		return err
	}
	for _, w := range g.Words {
		fmt.Fprintln(c.stdout, w)
	}
	return nil
}

// readLines hands on the lines of standard input, and closes the channel at its end.
func readLines(c *call, lines chan<- string, stop <-chan struct{}) {
	defer close(lines)
	s := bufio.NewScanner(c.stdin)
	for s.Scan() {
		select {
		case lines <- s.Text():
		case <-stop:
			return
		}
	}
}

func deauthorizeCommand() command {
	return command{
		name: "deauthorize", summary: "take the authorization back at the service and delete the token",
		flags: func(fs *flag.FlagSet, c *call) {
			f := &choice{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: the first)")
		},
		run: func(ctx context.Context, c *call) error {
			p, err := c.flags.(*choice).one(c.app)
			if err != nil {
				return err
			}
			if err := p.flow.Revoke(ctx); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "The authorization of %s has been taken back and the token deleted. The archive is untouched.\n", p.ID)
			return nil
		},
	}
}

type eraseFlags struct {
	choice
	yes bool
}

func eraseCommand() command {
	return command{
		name: "erase", summary: "delete a person's archive, after asking",
		help: `Deletes all that the archive holds of one person. What stands in InfluxDB stays there. Data that the service still has can be fetched again.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &eraseFlags{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person; must be said")
			fs.BoolVar(&f.yes, "yes", false, "do not ask")
		},
		run: func(ctx context.Context, c *call) error {
			f := c.flags.(*eraseFlags)
			if f.person == "" {
				return usageError("say whose archive: --person ID")
			}
			p, err := f.one(c.app)
			if err != nil {
				return err
			}
			if !f.yes {
				fmt.Fprintf(c.stdout, "This deletes all that the archive holds of %s. Type %s to go on: ", p.ID, p.ID)
				line, _ := bufio.NewReader(c.stdin).ReadString('\n')
				if strings.TrimSpace(line) != p.ID {
					return errors.New("nothing was deleted")
				}
			}
			if err := c.app.archive.Erase(ctx, p.ID); err != nil {
				return fmt.Errorf("erasing %s: %w", p.ID, err)
			}
			fmt.Fprintf(c.stdout, "The archive holds nothing of %s any more.\n", p.ID)
			return nil
		},
	}
}
