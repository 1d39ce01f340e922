package sources

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
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
		a.networks = append(a.networks, p.Masked())
	}
	return a, nil
}

// permits reports whether the request may be served. A client passes by its network or by its token. Where no tokens are asked for
// the machine itself passes, unless a proxy says that the request comes from elsewhere.
func (a *access) permits(r *http.Request, client netip.Addr) bool {
	for _, n := range a.networks {
		if n.Contains(client) {
			return true
		}
	}
	if len(a.tokens) > 0 {
		return a.hasToken(r)
	}
	if a.insecure || r.RemoteAddr == unixClient {
		return true
	}
	return client.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("X-Real-IP") == ""
}

func (a *access) hasToken(r *http.Request) bool {
	token := r.Header.Get("X-Token")
	if bearer, ok := cutPrefixFold(r.Header.Get("Authorization"), "Bearer "); ok {
		token = strings.TrimSpace(bearer)
	}
	digest, found := sha256.Sum256([]byte(token)), 0
	for i := range a.tokens {
		found |= subtle.ConstantTimeCompare(digest[:], a.tokens[i][:])
	}
	return found == 1
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// unixClient is what net/http gives as the address of a client of a socket in the file system.
const unixClient = "@"

// clientOf returns the address of the client, 4in6 as IPv4. Of a socket in the file system it is not valid.
func clientOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
