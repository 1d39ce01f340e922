package sources

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// access decides who is served. Tokens are kept as digests, which are compared in constant time.
type access struct {
	tokens   [][sha256.Size]byte
	networks []netip.Prefix
	insecure bool
}

func newAccess(c httpConfig) (access, error) {
	a := access{insecure: c.Insecure}
	for _, t := range c.Tokens {
		a.tokens = append(a.tokens, sha256.Sum256([]byte(t.Reveal())))
	}
	for _, text := range c.Allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return a, fmt.Errorf("%q is no network: write one as in 172.17.0.0/16", text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() {
			return a, fmt.Errorf("%q hides an IPv4 network: write it as one", text)
		}
		a.networks = append(a.networks, p.Masked())
	}
	return a, nil
}

// permits reports whether the request may be served. A client passes by its network or by its token. Where no tokens are asked for
// the machine itself passes, unless a proxy says that the request comes from elsewhere.
func (a *access) permits(r *http.Request, client peer) bool {
	for _, n := range a.networks {
		if n.Contains(client.addr) {
			return true
		}
	}
	if len(a.tokens) > 0 {
		return a.hasToken(r)
	}
	if a.insecure || client.socket {
		return true
	}
	return client.addr.IsLoopback() && !proxied(r.Header)
}

// proxied reports whether a proxy has handed the request on.
func proxied(h http.Header) bool {
	for _, name := range [...]string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// refusesPage reports whether the request comes from a web page and is none that pages may make: any page that somebody on this machine
// opens reaches a loopback address, and the headers of the answers let it read them. RUM writes so; nobody else may
// read the workspace with our token or try scripts that way. A page that knows a token is meant.
func (a *access) refusesPage(r *http.Request) bool {
	_, page := r.Header["Origin"]
	return page && !(len(a.tokens) > 0 && a.hasToken(r))
}

func (a *access) hasToken(r *http.Request) bool {
	bearer, _ := cutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
	found := 0
	for _, token := range [...]string{r.Header.Get("X-Token"), strings.TrimSpace(bearer)} {
		digest := sha256.Sum256([]byte(token))
		for i := range a.tokens {
			found |= subtle.ConstantTimeCompare(digest[:], a.tokens[i][:])
		}
	}
	return found == 1
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// peer is who stands at the other end of a connection.
type peer struct {
	addr   netip.Addr // 4in6 as IPv4, without zone; not valid for a socket in the file system
	socket bool       // a socket in the file system, whose permissions decide
}

// key returns what rates and shares are counted by. A host of IPv6 has a whole /64, so that is one client.
func (p peer) key() clientKey { return keyOf(p.addr) }

func keyOf(addr netip.Addr) clientKey {
	if addr.Is6() {
		const host = 64
		if prefix, err := addr.Prefix(host); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}

type peerKey struct{}

// withPeer notes who a connection belongs to. A client of a socket in the file system may have any name, also one
// that looks like an address: the kind of the connection decides.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerAt(c.RemoteAddr()))
}

func peerAt(addr net.Addr) peer {
	if addr.Network() == "unix" {
		return peer{socket: true}
	}
	return peer{addr: parseAddr(addr.String())}
}

// peerOf returns who sent the request.
func peerOf(r *http.Request) peer {
	if p, ok := r.Context().Value(peerKey{}).(peer); ok {
		return p
	}
	return peer{addr: parseAddr(r.RemoteAddr)}
}

func parseAddr(text string) netip.Addr {
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
