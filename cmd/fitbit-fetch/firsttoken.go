package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// askTokens asks at the terminal for a refresh token of each person who has no authorization, as the Python project does at its
// first start. Without a terminal nobody is asked.
func (c *call) askTokens(ctx context.Context, a *app) error {
	if c.secret == nil || a.held() {
		return nil
	}
	for _, p := range a.people {
		given := p.opts.RefreshToken.Set() || p.opts.AuthorizationAddress.Set()
		if given || p.opts.ClientID == "" || p.tokens.State(a.clock.Now()).Standing != auth.Missing {
			continue
		}
		if err := c.askToken(ctx, a, p); err != nil {
			return err
		}
	}
	return nil
}

// askToken asks one person's, until it is accepted or none is given.
func (c *call) askToken(ctx context.Context, a *app, p *person) error {
	fmt.Fprintln(c.stdout, c.wrap(fmt.Sprintf("Person %s: %s If you have a refresh token, paste it here; it is not shown. With Enter alone it goes on without.",
		p.ID, p.tokens.State(a.clock.Now()).Text), "", ""))
	for {
		token, err := c.secret(ctx, "Refresh token: ")
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if strings.TrimSpace(token) == "" {
			return nil
		}
		grant, err := p.flow.UseRefreshToken(ctx, token, false)
		if err == nil {
			for _, w := range grant.Words {
				fmt.Fprintln(c.stdout, c.wrap(w, "", "  "))
			}
			return nil
		}
		var e *source.Error
		if ctx.Err() != nil || errors.As(err, &e) && e.Kind == source.Gone { // no other token helps
			return err
		}
		c.line("That did not work: ", "%v", err)
		c.hintLine(hint(err))
	}
}

// terminalSecret returns what asks for a secret at the terminal, without showing it; nil where standard input is none.
func terminalSecret(out io.Writer) func(context.Context, string) (string, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) {
		before, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("asking at the terminal: %w", err)
		}
		type read struct {
			text []byte
			err  error
		}
		got := make(chan read, 1)
		go func() {
			text, err := term.ReadPassword(fd)
			got <- read{text, err}
		}()
		fmt.Fprint(out, question)
		defer fmt.Fprintln(out)
		select {
		case r := <-got:
			return string(r.text), r.err
		case <-ctx.Done(): // a read from a terminal cannot be interrupted; the process is about to end
			term.Restore(fd, before)
			return "", ctx.Err()
		}
	}
}
