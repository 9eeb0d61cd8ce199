package homeassistant

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// attempts is what the loop of connecting knows of those before.
type attempts struct {
	failed  int    // in a row
	short   int    // connections in a row that ended at once
	another string // the client id to use instead of ours
}

// kicked is after how many short connections in a row somebody else is thought to use our client id.
const kicked = 3

// Run publishes until ctx is done, over as many connections as it takes. A broker that is not there, or that refuses, is asked again
// and again, with the address and password then valid. The error is one of the archive, before anything is published.
func (p *Publisher) Run(ctx context.Context) error {
	if err := p.recall(ctx); err != nil {
		return err
	}
	defer p.over()
	var a attempts
	for ctx.Err() == nil {
		w, asked, err := p.attempt(ctx, &a)
		if !asked && err != nil && ctx.Err() == nil {
			p.trouble(err, false)
			w, asked = p.rest(ctx, p.patience(err, a.failed+a.short))
		}
		if asked {
			p.grant(ctx, w)
			a = attempts{}
		}
	}
	return nil
}

// attempt publishes over one connection, or removes what must not be there any more, or waits where there is nothing to be done. It
// ends early when somebody asks for something.
func (p *Publisher) attempt(ctx context.Context, a *attempts) (w wish, asked bool, err error) {
	switch {
	case p.leftover():
		a.failed++
		if w, asked, err = p.interruptible(ctx, p.clear); errors.Is(err, errOthers) {
			err = nil // that is the end of it
		}
		return w, asked, err
	case p.quiet():
		w, asked = p.idle(ctx)
		return w, asked, nil
	}
	return p.interruptible(ctx, func(ctx context.Context) error { return p.session(ctx, a) })
}

// session is one attempt: a connection from its beginning to its end.
func (p *Publisher) session(ctx context.Context, a *attempts) error {
	b, err := p.cfg.Broker(ctx)
	if err != nil {
		a.failed++
		return &Error{Err: fmt.Errorf("looking for the MQTT broker: %w", err), Hint: hint(err), wait: waitRefused}
	}
	id := b.ClientID
	if id == "" {
		id = p.mem.Client
		if a.another != "" {
			id = a.another
		}
	}
	if err := p.move(ctx, b); err != nil {
		a.failed++
		return err
	}
	// First only to ask who publishes here: the end of a connection that owns nothing must not make another's entities unavailable.
	c, err := p.dial(ctx, b, p.besides(b, "ask"), terms{topics: []string{p.ownerTopic()}})
	if err != nil {
		a.failed++
		return err
	}
	began := time.NewTimer(p.timing.fleeting)
	defer began.Stop()
	a.failed = 0
	err = p.claim(ctx, c)
	c.close()
	if err == nil {
		err = p.arrive(ctx, b)
	}
	if err == nil {
		err = p.publish(ctx, b, id, a)
	}
	if errors.Is(err, errDisplaced) {
		return err
	}
	select {
	case <-began.C:
		a.short = 0
		p.forgive()
		return err
	default:
	}
	a.short++
	if a.short < kicked || ctx.Err() != nil {
		return err
	}
	if b.ClientID == "" {
		a.another = p.clientID()
	}
	return &Error{Err: fmt.Errorf("the MQTT broker ends the connection again and again: %w", err),
		Hint: "another program may use the client id " + id + ", or the broker's access rules forbid our topics; its log says which"}
}

// publish publishes over a connection that owns the node.
func (p *Publisher) publish(ctx context.Context, b Broker, id string, a *attempts) error {
	c, err := p.dial(ctx, b, id, terms{topics: p.heardTopics(), will: true})
	if err != nil {
		return err
	}
	p.well()
	server, _ := address(b.URL) // it has been dialled
	if a.short == 0 {
		p.connected(server.Host)
	}
	lasted := make(chan struct{})
	lasting := time.AfterFunc(p.timing.fleeting, func() {
		defer close(lasted)
		p.lasting(server.Host)
	})
	err = p.serve(ctx, c)
	c.close()
	if !lasting.Stop() {
		<-lasted
	}
	return err
}

// besides returns the client id of a connection beside the one that publishes. It is another: there are brokers that, still busy with the
// end of a connection, take away what the next one with the same id has just subscribed to.
func (p *Publisher) besides(b Broker, what string) string {
	if b.ClientID != "" {
		return b.ClientID
	}
	return p.mem.Client + "_" + what
}

// heardTopics are what is listened to while publishing.
func (p *Publisher) heardTopics() []string {
	return append(append(p.birthTopics(), p.echoes()...), p.commandTopic(), p.ownerTopic())
}

// patience returns how long to wait after n attempts in a row have failed.
func (p *Publisher) patience(err error, n int) time.Duration {
	most := p.timing.near
	var e *Error
	if errors.As(err, &e) {
		switch e.wait {
		case waitRefused:
			most = p.timing.refused
		case waitLong:
			most = p.timing.far
		}
	}
	wait := p.timing.first
	for range n - 1 {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}
