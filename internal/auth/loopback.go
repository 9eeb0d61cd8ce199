package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// ErrNotLoopback: the redirect address does not lead to this machine, so only a paste can bring the code.
var ErrNotLoopback = errors.New("the redirect address is not on this machine")

// ErrNothingComes: nothing can be pasted any more, and the address cannot be caught either.
var ErrNothingComes = errors.New("nothing was pasted, and the address cannot be caught")

// Await returns the address that the browser was sent to, caught at the redirect address when that is a port of this machine
// which is free, or what comes in from paste, whichever is first. caught tells which. It returns ctx's error when ctx is done.
// Where it cannot listen it waits for the paste alone; Catchable says why beforehand. A closed paste brings nothing more: it goes
// on while it listens, and returns ErrNothingComes where it does not.
func (f *Flow) Await(ctx context.Context, paste <-chan string) (address string, caught bool, err error) {
	addresses := make(chan string, 1)
	listeners, deaf := listen(f.cfg.Client.Redirect)
	if deaf == nil {
		stop := f.serve(listeners, addresses)
		defer stop()
	}
	for {
		select {
		case address := <-addresses:
			return address, true, nil
		case address, open := <-paste:
			switch {
			case open:
				return address, false, nil
			case deaf != nil:
				return "", false, fmt.Errorf("%w: %w", ErrNothingComes, deaf)
			}
			paste = nil
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	}
}

// Catchable reports why Await could not catch the address by itself; nil when it can at the moment.
func (f *Flow) Catchable() error {
	listeners, err := listen(f.cfg.Client.Redirect)
	for _, l := range listeners {
		l.Close()
	}
	return err
}

// listen opens the redirect's port on both loopback addresses; one of them is enough.
func listen(redirect string) ([]net.Listener, error) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return nil, ErrNotLoopback
	}
	hosts := []string{u.Hostname()}
	if u.Hostname() == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	} else if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return nil, ErrNotLoopback
	}
	var out []net.Listener
	var failed error
	for _, h := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(h, u.Port()))
		if err != nil {
			failed = err
			continue
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("listening at %s: %w", u.Host, failed)
	}
	return out, nil
}

// serve hands the first address with a known attempt on; the returned function stops it and waits.
func (f *Flow) serve(listeners []net.Listener, addresses chan<- string) (stop func()) {
	path := "/"
	if u, err := url.Parse(f.cfg.Client.Redirect); err == nil && u.Path != "" {
		path = u.Path
	}
	srv := &http.Server{
		Handler:           f.callback(path, addresses),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	done := make(chan struct{}, len(listeners))
	for _, l := range listeners {
		go func() { srv.Serve(l); done <- struct{}{} }()
	}
	return func() {
		// The browser may still be reading its answer.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
		for range listeners {
			<-done
		}
	}
}

func (f *Flow) callback(path string, addresses chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != path || (q.Get("code") == "" && q.Get("error") == "") {
			http.Error(w, "This address waits for the end of an authorization.", http.StatusNotFound)
			return
		}
		// A page in the browser could call this address as well: only an attempt of ours counts.
		if _, err := f.pending.find(q.Get("state"), "", f.cfg.Client.ID, f.cfg.Now()); q.Get("state") == "" || err != nil {
			http.Error(w, "This authorization was not begun here. Begin again.", http.StatusBadRequest)
			return
		}
		select {
		case addresses <- f.cfg.Client.Redirect + "?" + r.URL.RawQuery:
		default:
		}
		fmt.Fprintln(w, "Received. You can close this window and go back to Fitbit Fetch.")
	}
}
