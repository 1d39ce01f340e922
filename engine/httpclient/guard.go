package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ErrRefused is the cause of an error when a [Guard] does not let a connection be made.
var ErrRefused = errors.New("refused")

// Guard says where requests may go whose URL comes from data. It judges the address that is connected to, not the name that
// leads there: names are resolved here, once, and what is dialled is an address that was judged. So neither a name that
// resolves differently the next time nor a redirect gets past it.
//
// A name of Hosts may lead to public addresses; any name may lead to the addresses of Networks. Loopback, link-local
// (the metadata of clouds is there), multicast, IPv4 inside of IPv6, this machine's own and all other special addresses are refused
// unless they stand in Networks. The zero Guard refuses everything.
type Guard struct {
	// Hosts are names that may be asked: "api.example.com", or "*.example.com" for all names below one.
	Hosts []string
	// Networks are addresses that may be asked, of whatever kind and by whatever name.
	Networks []netip.Prefix
	// Private lets the names of Hosts lead to private addresses, too: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16,
	// 100.64.0.0/10 and fc00::/7.
	Private bool
	// Resolve looks a name up; nil is the resolver of the machine.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// DialFunc connects to an address, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial returns a function that connects by dial to where the guard lets it. An error that wraps [ErrRefused] says that no
// connection was tried.
func (g *Guard) Dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		listed := g.lists(host)
		if !listed && len(g.Networks) == 0 {
			return nil, fmt.Errorf("%w: %s is not in the list of hosts", ErrRefused, host)
		}
		addrs, err := g.resolve(ctx, host)
		if err != nil {
			return nil, err
		}
		var errs []error
		for _, a := range addrs {
			a = a.Unmap().WithZone("")
			if !g.admits(a, listed) {
				errs = append(errs, fmt.Errorf("%w: %s leads to %s, which is not allowed", ErrRefused, host, a))
				continue
			}
			conn, err := dial(ctx, network, net.JoinHostPort(a.String(), port))
			if err == nil && toItself(conn) && !g.inNetworks(a) {
				conn.Close()
				err = fmt.Errorf("%w: %s leads to this machine", ErrRefused, host)
			}
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
}

// lists reports whether a name in lower case stands in Hosts.
func (g *Guard) lists(host string) bool {
	for _, h := range g.Hosts {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		if below, ok := strings.CutPrefix(h, "*"); ok && strings.HasPrefix(below, ".") {
			if len(host) > len(below) && strings.HasSuffix(host, below) {
				return true
			}
		} else if h == host {
			return true
		}
	}
	return false
}

// resolve returns the addresses of a name, or the address that it is.
func (g *Guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Is4In6() || a.Zone() != "" {
			return nil, fmt.Errorf("%w: %s is an address in a form that hides another", ErrRefused, host)
		}
		return []netip.Addr{a}, nil
	}
	if endsInNumber(host) {
		return nil, fmt.Errorf("%w: %s is neither a name nor an address", ErrRefused, host)
	}
	resolve := g.Resolve
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := resolve(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	return addrs, err
}

// endsInNumber reports whether the last part of a host is a number: 2130706433, 0x7f.1 and 127.1 are addresses to the
// resolvers of some systems, and names to nobody.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func (g *Guard) inNetworks(a netip.Addr) bool {
	for _, n := range g.Networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// admits reports whether a may be connected to. Listed says that the name which led there stands in Hosts.
func (g *Guard) admits(a netip.Addr, listed bool) bool {
	switch {
	case g.inNetworks(a):
		return true
	case !listed || !a.IsGlobalUnicast():
		return false
	case a.IsPrivate() || carrierGrade.Contains(a):
		return g.Private
	}
	for _, n := range special {
		if n.Contains(a) {
			return false
		}
	}
	return true
}

var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// special are the networks that are no public ones although [netip.Addr.IsGlobalUnicast] takes them for such: those of
// the registries of IANA for special purposes, and those that carry an IPv4 address in an IPv6 one.
var special = func() (out []netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}()

// toItself reports whether both ends of a connection have the same address: then it leads to a listener of this machine.
func toItself(conn net.Conn) bool {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && local.IP.Equal(remote.IP)
}
