package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// supervisor is the one peer from which Home Assistant's ingress comes, on the network of the apps.
var supervisor = netip.MustParseAddr("172.30.32.2")

// peerOf returns the address of the other end, never what a header claims.
func peerOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// welcome reports whether a request may be served at all.
func (s *Server) welcome(r *http.Request) bool {
	peer := peerOf(r)
	switch {
	case s.cfg.Ingress && peer == supervisor:
		return true
	case !s.cfg.Ingress && s.cfg.Password != "":
		return true
	}
	// Whoever may use the loopback without a password must have come by its name: a foreign page whose name has been pointed at
	// this machine is of another origin to the browser, but comes from a peer of this machine.
	return peer.IsLoopback() && local(r.Host)
}

// local reports whether a host, with or without port, is this machine's own name.
func local(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}

// fromHere reports whether a request that changes something comes from a page of ours, as far as the browser tells; the token of
// the session is asked for besides. Behind ingress the host we see need not be the browser's.
func (s *Server) fromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || s.cfg.Ingress && peerOf(r) == supervisor {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}
