package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
)

type authorizeFlags struct {
	choice
	newPerson bool
	refresh   bool
	address   string
}

func authorizeCommand() command {
	return command{
		name: "authorize", raw: true, summary: "sign in at the service, once for each person",
		help: `Shows the address of the consent page. Open it on any device, sign in, agree; then the browser goes to the redirect address, which may
look like an error. Where this machine runs the browser, that address is caught; otherwise paste it here, whole.
A running fitbit-fetch goes on by itself once authorized.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &authorizeFlags{}
			c.flags = f
			fs.StringVar(&f.person, "person", "", "`id` of the person (default: the first)")
			fs.BoolVar(&f.newPerson, "new-person", false, "the account is another than the one whose data the archive holds, and that is meant: the archive goes on with the new one (erase it before where the two must not mix)")
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
		return noClient(p.ID, c.app.opts.Provider)
	}
	if f.address != "" {
		grant, err := p.flow.Finish(ctx, f.address, f.newPerson)
		return c.granted(ctx, p, f, grant, err)
	}
	lines := make(chan string)
	stop := make(chan struct{})
	defer close(stop)
	go readLines(c.stdin, lines, stop)
	if f.refresh {
		fmt.Fprint(c.stdout, "Refresh token: ")
		select {
		case token, ok := <-lines:
			if !ok {
				return errors.New("no refresh token was given")
			}
			grant, err := p.flow.UseRefreshToken(ctx, strings.TrimSpace(token), f.newPerson)
			return c.granted(ctx, p, f, grant, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.signIn(ctx, p, f, lines)
}

// signIn leads through the consent page. Where somebody watches, a mistake begins it anew.
func (c *call) signIn(ctx context.Context, p *person, f *authorizeFlags, lines chan string) error {
	for {
		visit, err := p.flow.Begin()
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "Open this address, sign in and agree:\n\n  %s\n\n", visit.URL)
		address, caught, err := c.await(ctx, p, visit, lines)
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
			return c.granted(ctx, p, f, grant, err)
		}
		c.line("\nThat did not work: ", "%v", err)
		c.hintLine(hint(err))
		fmt.Fprintln(c.stdout)
	}
}

// await says what to do at the end of the consent, and waits for the address: from the browser where it can be caught, or pasted.
// Without anybody to paste, the browser alone is waited for, as long as the attempt lives.
func (c *call) await(ctx context.Context, p *person, visit auth.Visit, lines chan string) (address string, caught bool, err error) {
	why := p.flow.Catchable()
	if why != nil {
		fmt.Fprintln(c.stdout, c.wrap("The browser ends on an address that may not open: that is right. Paste that address here, whole:", "", ""))
		return p.flow.Await(ctx, lines)
	}
	fmt.Fprintln(c.stdout, c.wrap("If the browser runs on this machine, that is all. On another machine it ends on an address that does not open: "+
		"that is right. Paste that address here, whole:", "", ""))
	ctx, cancel := context.WithTimeout(ctx, c.app.clock.Real(visit.Expires.Sub(c.app.clock.Now())))
	defer cancel()
	pasted := make(chan string)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for line := range lines {
			select {
			case pasted <- line:
			case <-done:
				return
			}
		}
	}()
	address, caught, err = p.flow.Await(ctx, pasted)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("nobody came back from the consent page in time; run fitbit-fetch authorize again")
	}
	return address, caught, err
}

// granted shows what was granted, and what is missing with what it costs.
func (c *call) granted(ctx context.Context, p *person, f *authorizeFlags, g auth.Grant, err error) error {
	if err != nil {
		return err
	}
	if err := p.adopt(ctx, f.newPerson, nil); err != nil {
		return err
	}
	for _, w := range g.Words {
		fmt.Fprintln(c.stdout, c.wrap(w, "", "  "))
	}
	if !c.app.isRunning() {
		fmt.Fprintln(c.stdout, "Next: fitbit-fetch check, then fitbit-fetch run.")
	}
	return nil
}

// adopt lets the archive go on with the account that has just been authorized, where that is meant to be another one. err is what
// the authorization ended with.
func (p *person) adopt(ctx context.Context, newPerson bool, err error) error {
	if err != nil || !newPerson {
		return err
	}
	if err := p.archive.SetState(ctx, p.ID, collect.AccountKey(p.source.Name()), nil); err != nil {
		return fmt.Errorf("entering the new account: %w", err)
	}
	return nil
}

// readLines hands on the lines of standard input, and closes the channel at its end.
func readLines(in io.Reader, lines chan<- string, stop <-chan struct{}) {
	defer close(lines)
	s := bufio.NewScanner(in)
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
			if p.tokens.State(c.app.clock.Now()).Standing == auth.Missing {
				fmt.Fprintf(c.stdout, "%s is not authorized; there is nothing to take back.\n", p.ID)
				return nil
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
			return c.erase(ctx, f)
		},
	}
}

func (c *call) erase(ctx context.Context, f *eraseFlags) error {
	p, err := f.one(c.app)
	if err != nil {
		return err
	}
	if c.app.isRunning() && p.tokens.State(c.app.clock.Now()).Standing != auth.Missing {
		return fmt.Errorf("%s is authorized, and the running fitbit-fetch would fetch it all again; first: fitbit-fetch deauthorize --person %s", p.ID, p.ID)
	}
	if !f.yes {
		fmt.Fprintf(c.stdout, "This deletes all that the archive holds of %s.\nType %s to go on: ", p.ID, p.ID)
		line, err := bufio.NewReader(c.stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if strings.TrimSpace(line) != p.ID {
			fmt.Fprintln(c.stdout)
			return errors.New("nothing was deleted")
		}
	}
	if err := c.app.archive.Erase(ctx, p.ID); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "The archive holds nothing of %s any more.\n", p.ID)
	return nil
}
