package sources

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"dataflow/engine"
)

// TestHTTPReachable is the table of what may listen where (guarantees E1).
func TestHTTPReachable(t *testing.T) {
	tokens, tls := []engine.Secret{engine.NewSecret("tok_0123456789")}, httpTLS{Cert: "c.pem", Key: "k.pem"}
	for _, x := range []struct {
		name   string
		config httpConfig
		ok     bool
	}{
		{"loopback", httpConfig{Listen: "127.0.0.1:9529"}, true},
		{"loopback by name", httpConfig{Listen: "localhost:9529"}, true},
		{"loopback of IPv6", httpConfig{Listen: "[::1]:9529"}, true},
		{"another loopback", httpConfig{Listen: "127.0.0.2:9529"}, true},
		{"a socket", httpConfig{Listen: "unix:/run/engine.sock"}, true},
		{"all addresses", httpConfig{Listen: "0.0.0.0:9529"}, false},
		{"all addresses, unwritten", httpConfig{Listen: ":9529"}, false},
		{"all addresses of IPv6", httpConfig{Listen: "[::]:9529"}, false},
		{"docker0", httpConfig{Listen: "172.17.0.1:9529"}, false},
		{"a name", httpConfig{Listen: "web01:9529"}, false},
		{"tokens in clear", httpConfig{Listen: "0.0.0.0:9529", Tokens: tokens}, false},
		{"TLS for everybody", httpConfig{Listen: "0.0.0.0:9529", TLS: tls}, false},
		{"TLS and tokens", httpConfig{Listen: "0.0.0.0:9529", TLS: tls, Tokens: tokens}, true},
		{"a network", httpConfig{Listen: "172.17.0.1:9529", Allow: []string{"172.17.0.0/16"}}, true},
		{"said aloud", httpConfig{Listen: "0.0.0.0:9529", Insecure: true}, true},
		{"no port", httpConfig{Listen: "127.0.0.1"}, false},
	} {
		if err := reachable(x.config); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestHTTPAccess is the table of who is served.
func TestHTTPAccess(t *testing.T) {
	const token = "tok_0123456789"
	open, tokens := httpConfig{}, httpConfig{Tokens: []engine.Secret{engine.NewSecret("tok_old_old_old"), engine.NewSecret(token)}}
	docker := httpConfig{Allow: []string{"172.17.0.0/16", "fd00::/8", "192.0.2.7"}}
	both := httpConfig{Allow: docker.Allow, Tokens: tokens.Tokens}
	for _, x := range []struct {
		name   string
		config httpConfig
		remote string
		header string
		want   bool
	}{
		{"a socket whose name looks like an address", docker, "unix:172.17.0.5:4000", "", true},
		{"a socket whose name looks like an address, without its token", both, "unix:172.17.0.5:4000", "", false},
		{"a wrong bearer beside the token", tokens, "10.0.0.1:4000", "Authorization: Bearer x|X-Token: " + token, true},
		{"a proxy that says nothing", open, "127.0.0.1:4000", "X-Forwarded-For:", false},
		{"the machine", open, "127.0.0.1:4000", "", true},
		{"through a proxy of RFC 7239", open, "127.0.0.1:4000", "Forwarded: for=10.0.0.1", false},
		{"the machine by IPv6", open, "[::1]:4000", "", true},
		{"the machine, mapped", open, "[::ffff:127.0.0.1]:4000", "", true},
		{"through a proxy", open, "127.0.0.1:4000", "X-Forwarded-For: 10.0.0.1", false},
		{"through another proxy", open, "127.0.0.1:4000", "X-Real-IP: 10.0.0.1", false},
		{"from elsewhere", open, "10.0.0.1:4000", "", false},
		{"from elsewhere, pretending", open, "10.0.0.1:4000", "X-Forwarded-For: 127.0.0.1", false},
		{"a socket", open, "unix:@", "", true},
		{"insecure", httpConfig{Insecure: true}, "10.0.0.1:4000", "", true},
		{"a container", docker, "172.17.0.5:4000", "", true},
		{"a container, mapped", docker, "[::ffff:172.17.0.5]:4000", "", true},
		{"beside the network", docker, "172.18.0.5:4000", "", false},
		{"a single address", docker, "192.0.2.7:4000", "", true},
		{"the next address", docker, "192.0.2.8:4000", "", false},
		{"IPv6", docker, "[fd12::5]:4000", "", true},
		{"IPv6 with a zone", docker, "[fd12::5%eth0]:4000", "", true},
		{"the machine beside a network", docker, "127.0.0.1:4000", "", true},
		{"the machine without its token", tokens, "127.0.0.1:4000", "", false},
		{"bearer", tokens, "10.0.0.1:4000", "Authorization: Bearer " + token, true},
		{"bearer in lower case", tokens, "10.0.0.1:4000", "authorization: bearer  " + token, true},
		{"X-Token", tokens, "10.0.0.1:4000", "X-Token: " + token, true},
		{"the old token", tokens, "10.0.0.1:4000", "X-Token: tok_old_old_old", true},
		{"a part of a token", tokens, "10.0.0.1:4000", "X-Token: tok_012345678", false},
		{"no token", tokens, "10.0.0.1:4000", "X-Token: ", false},
		{"basic", tokens, "10.0.0.1:4000", "Authorization: Basic " + token, false},
		{"a container without a token", both, "172.17.0.5:4000", "", true},
		{"elsewhere with a token", both, "10.0.0.1:4000", "X-Token: " + token, true},
		{"elsewhere without", both, "10.0.0.1:4000", "", false},
	} {
		a, err := newAccess(x.config)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{RemoteAddr: x.remote, Header: http.Header{}}
		for _, line := range strings.Split(x.header, "|") {
			if key, value, ok := strings.Cut(line, ":"); ok {
				r.Header.Set(key, strings.TrimSpace(value))
			}
		}
		client := peerOf(r)
		if name, ok := strings.CutPrefix(x.remote, "unix:"); ok {
			client = peerAt(&net.UnixAddr{Name: name, Net: "unix"})
		}
		if got := a.permits(r, client); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
	for _, text := range []string{"", "10.0.0.0/33", "web01", "10.0.0/8", "::ffff:10.0.0.0/104"} {
		if _, err := newAccess(httpConfig{Allow: []string{text}}); err == nil {
			t.Errorf("the network %q is taken", text)
		}
	}
}

// TestHTTPTokenNotInURL holds tokens out of addresses, which end up in logs.
func TestHTTPTokenNotInURL(t *testing.T) {
	a := newAPI(t, func(_ *engine.Env, c *httpConfig) { c.Tokens = []engine.Secret{engine.NewSecret("tok_0123456789")} })
	for _, path := range []string{"/v1/write/metric?token=tok_0123456789", "/v1/ping?token=tok_0123456789", "/v1/nosuch", "/v1/query/raw?token=tok_0123456789"} {
		status, _, answer := a.post(t, path, "", []byte("m f=1i"))
		if status != http.StatusForbidden || !strings.Contains(answer, "datakit.publicAccessDisabled") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if got := a.lines(); got != nil {
		t.Errorf("points came in: %q", got)
	}
	if status, _, _ := a.post(t, "/v1/write/metric", "", []byte("m f=1i"), "X-Token", "tok_0123456789"); status != 200 {
		t.Errorf("with the token: %d", status)
	}
}

// FuzzHTTPAccess sends headers to a source that wants a token: no request may pass.
func FuzzHTTPAccess(f *testing.F) {
	f.Add("Bearer x", "x", "10.0.0.1:1")
	f.Add("bearer tok_0123456789", "", "127.0.0.1:1")
	a, err := newAccess(httpConfig{Tokens: []engine.Secret{engine.NewSecret("tok_0123456789")}, Allow: []string{"192.0.2.0/24"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, token, remote string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"Authorization": {authorization}, "X-Token": {token}}}
		if !a.permits(r, peerOf(r)) {
			return
		}
		ap, err := netip.ParseAddrPort(remote)
		inside := err == nil && netip.MustParsePrefix("192.0.2.0/24").Contains(ap.Addr().Unmap().WithZone(""))
		if !inside && !strings.Contains(authorization, "tok_0123456789") && token != "tok_0123456789" {
			t.Fatalf("passed: %q %q %q", authorization, token, remote)
		}
	})
}
