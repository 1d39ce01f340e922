package httpclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// names is a resolver: each look-up of a name takes the next of its answers, the last one for good.
type names map[string][]string

func (n names) resolve(_ context.Context, host string) (addrs []netip.Addr, err error) {
	answers := n[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, text := range strings.Fields(answers[0]) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	if len(answers) > 1 {
		n[host] = answers[1:]
	}
	return addrs, nil
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// dialled returns the address that a guard dials for an address, "" for none, and what it says.
func dialled(g Guard, addr string) (string, error) {
	to := ""
	conn, err := g.Dial(func(_ context.Context, _, addr string) (net.Conn, error) {
		to = addr
		local, _ := net.Pipe()
		return local, nil
	})(context.Background(), "tcp", addr)
	if conn != nil {
		conn.Close()
	}
	return to, err
}

func TestGuard(t *testing.T) {
	public := names{
		"api.example.com": {"93.184.216.34"}, "a.b.example.com": {"93.184.216.35"}, "example.com": {"93.184.216.36"}, "badexample.com": {"93.184.216.37"},
		"private": {"10.1.2.3"}, "carrier": {"100.64.0.1"}, "loop": {"127.0.0.1"}, "meta": {"169.254.169.254"}, "mapped": {"::ffff:127.0.0.1"},
		"both": {"10.9.9.9 93.184.216.38"}, "unique": {"fd00::1"}, "six": {"2606:2800:220:1::1"}, "nat64": {"64:ff9b::7f00:1"}, "compatible": {"::7f00:1"},
		"six2four": {"2002:7f00:1::"}, "nothing": {"0.0.0.0"}, "many": {"224.0.0.1"}, "everybody": {"255.255.255.255"}, "linklocal": {"fe80::1"}, "test": {"198.18.0.1"},
		"2130706433": {"93.184.216.39"}, "0x7f.1": {"93.184.216.39"},
	}
	any := []string{"private", "carrier", "loop", "meta", "mapped", "both", "unique", "six", "nat64", "compatible", "six2four", "nothing", "many", "everybody", "linklocal",
		"test", "api.example.com", "2130706433", "0x7f.1", "127.0.0.1", "127.1", "0177.0.0.1", "::1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "169.254.169.254", "93.184.216.34", "10.1.2.3", "gone"}
	hosts := Guard{Hosts: any}
	private := Guard{Hosts: any, Private: true}
	networks := Guard{Networks: prefixes("10.1.0.0/16", "127.0.0.0/8")}
	mixed := Guard{Hosts: []string{"*.Example.com"}, Networks: prefixes("10.1.0.0/16")}
	for _, c := range []struct {
		guard      Guard
		host, want string // "" is refused
	}{
		{Guard{}, "api.example.com", ""}, {Guard{}, "93.184.216.34", ""},
		{hosts, "api.example.com", "93.184.216.34"}, {hosts, "API.example.com.", "93.184.216.34"}, {hosts, "example.com", ""}, {hosts, "93.184.216.34", "93.184.216.34"},
		{hosts, "six", "2606:2800:220:1::1"}, {hosts, "both", "93.184.216.38"}, {private, "both", "10.9.9.9"},
		{hosts, "private", ""}, {private, "private", "10.1.2.3"}, {hosts, "10.1.2.3", ""}, {private, "10.1.2.3", "10.1.2.3"},
		{hosts, "carrier", ""}, {private, "carrier", "100.64.0.1"}, {hosts, "unique", ""}, {private, "unique", "fd00::1"},
		{private, "loop", ""}, {private, "meta", ""}, {private, "mapped", ""}, {private, "nat64", ""}, {private, "compatible", ""}, {private, "six2four", ""},
		{private, "nothing", ""}, {private, "many", ""}, {private, "everybody", ""}, {private, "linklocal", ""}, {private, "test", ""},
		{private, "127.0.0.1", ""}, {private, "127.1", ""}, {private, "0177.0.0.1", ""}, {private, "2130706433", ""}, {private, "0x7f.1", ""}, {private, "::1", ""},
		{private, "::ffff:127.0.0.1", ""}, {private, "::ffff:93.184.216.34", ""}, {private, "169.254.169.254", ""},
		{networks, "private", "10.1.2.3"}, {networks, "10.1.2.3", "10.1.2.3"}, {networks, "loop", "127.0.0.1"}, {networks, "mapped", "127.0.0.1"},
		{networks, "api.example.com", ""}, {networks, "93.184.216.34", ""}, {networks, "both", ""}, {networks, "meta", ""}, {networks, "127.1", ""},
		{mixed, "api.example.com", "93.184.216.34"}, {mixed, "a.b.example.com", "93.184.216.35"}, {mixed, "example.com", ""}, {mixed, "badexample.com", ""},
		{mixed, "private", "10.1.2.3"}, {mixed, "carrier", ""},
	} {
		c.guard.Resolve = public.resolve
		want := c.want
		if want != "" {
			want = net.JoinHostPort(want, "8080")
		}
		got, err := dialled(c.guard, net.JoinHostPort(c.host, "8080"))
		if got != want || (want == "") != errors.Is(err, ErrRefused) {
			t.Errorf("%v %v private=%v: %s dials %q, %v; want %q", c.guard.Hosts, c.guard.Networks, c.guard.Private, c.host, got, err, want)
		}
	}
	if got, err := dialled(Guard{Hosts: any, Resolve: public.resolve}, "gone:80"); got != "" || err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a name without address: %q, %v", got, err)
	}
	if _, err := dialled(Guard{}, "no port"); err == nil {
		t.Error("an address without a port is accepted")
	}
}

// TestGuardRebinding: a name that leads to a public address when it is judged and to this machine when it is dialled gets nowhere, since it
// is looked up once.
func TestGuardRebinding(t *testing.T) {
	g := Guard{Hosts: []string{"evil.example"}, Resolve: names{"evil.example": {"93.184.216.34", "127.0.0.1"}}.resolve}
	if got, err := dialled(g, "evil.example:80"); err != nil || got != "93.184.216.34:80" {
		t.Errorf("the first connection goes to %q, %v", got, err)
	}
	if got, err := dialled(g, "evil.example:80"); got != "" || !errors.Is(err, ErrRefused) {
		t.Errorf("the second connection goes to %q, %v", got, err)
	}
}

// listener is a server that counts the connections that it accepts.
func listener(t *testing.T, h http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var accepted atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, &accepted
}

func fetch(t *testing.T, f *Fetcher, url string) (Answer, error) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Do(t.Context(), req)
}

func newFetcher(t *testing.T, o FetchOptions) *Fetcher {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 10
	}
	f := NewFetcher(testEnv(), o)
	t.Cleanup(f.Close)
	return f
}

// TestGuardKeepsOut: with real connections, no form of an address of this machine gets to a listener, nor does a redirect.
func TestGuardKeepsOut(t *testing.T) {
	inside, accepted := listener(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	port := inside.Listener.Addr().(*net.TCPAddr).Port
	t.Setenv("HTTP_PROXY", inside.URL)
	t.Setenv("http_proxy", inside.URL)
	hosts := []string{"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]", "[::]", "0.0.0.0", "localhost", "rebound.example"}
	f := newFetcher(t, FetchOptions{Guard: &Guard{
		Hosts: append([]string{"*.example", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1"}, hosts...), Private: true,
		Resolve: names{"localhost": {"127.0.0.1 ::1"}, "rebound.example": {"127.0.0.1"}}.resolve,
	}})
	for _, host := range hosts {
		a, err := fetch(t, f, "http://"+host+":"+strconv.Itoa(port)+"/")
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s answered %d, %v", host, a.Status, err)
		}
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("the listener accepted %d connections", n)
	}

	// The outer server is allowed by its network; it sends us on to the metadata and to the inner one.
	for _, to := range []string{"http://169.254.169.254/latest/meta-data", inside.URL} {
		outside, _ := listener(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		f := newFetcher(t, FetchOptions{Guard: &Guard{Networks: prefixes("127.0.0.0/8")}})
		a, err := fetch(t, f, outside.URL)
		if err != nil || a.Status != http.StatusFound || a.Header.Get("Location") != to {
			t.Errorf("a redirect to %s: %d, %v", to, a.Status, err)
		}
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("a redirect was followed: %d connections", n)
	}
}

// TestGuardOwnAddress: a name of the list that leads to a public address of this machine is no way to its own listeners.
func TestGuardOwnAddress(t *testing.T) {
	s, _ := listener(t, func(http.ResponseWriter, *http.Request) { t.Error("a request came through") })
	g := Guard{Hosts: []string{"own.example"}, Resolve: names{"own.example": {"93.184.216.34"}}.resolve}
	dial := g.Dial(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String()) // as if it were an address of this machine
	})
	if _, err := dial(t.Context(), "tcp", "own.example:80"); !errors.Is(err, ErrRefused) {
		t.Errorf("own address: %v", err)
	}
}

func TestFetcher(t *testing.T) {
	hang := make(chan struct{})
	s, _ := listener(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = w.Write(make([]byte, 1025))
		case "/drip":
			w.(http.Flusher).Flush()
			for range 2000 {
				_, _ = w.Write([]byte("x"))
				w.(http.Flusher).Flush()
			}
		case "/hang":
			<-hang
		case "/cut":
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("12345"))
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write(append([]byte(r.URL.RawQuery), make([]byte, 1000)...))
		}
	})
	f := newFetcher(t, FetchOptions{})
	if a, err := fetch(t, f, s.URL+"/?secret-value-of-mine"); err != nil || a.Status != http.StatusTeapot || !strings.HasPrefix(string(a.Body), "secret-value-of-mine") || len(a.Body) != 1020 {
		t.Errorf("%d %d bytes, %v", a.Status, len(a.Body), err)
	}
	for _, path := range []string{"/long", "/drip"} {
		if _, err := fetch(t, f, s.URL+path); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := fetch(t, f, s.URL+"/cut"); err == nil {
		t.Error("a broken answer is taken for whole")
	}
	quick := newFetcher(t, FetchOptions{Timeout: 20 * time.Millisecond})
	_, err := fetch(t, quick, strings.Replace(s.URL, "://", "://user:pass@", 1)+"/hang?token=tkn_secret")
	close(hang)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "tkn_secret") || strings.Contains(err.Error(), "pass") {
		t.Errorf("a server that hangs: %v", err)
	}
}

func FuzzGuard(f *testing.F) {
	for _, host := range []string{"api.example.com", "127.0.0.1", "::1", "0x7f.1", "1.2.3.4.", "a..b", "fe80::1%eth0", "*.example.com", "", "."} {
		f.Add(host, []byte{127, 0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, host string, addr []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		g := Guard{Hosts: []string{host, "*.example.com"}, Private: true, Resolve: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{a}, nil }}
		to, _ := dialled(g, net.JoinHostPort(host, "80"))
		if to == "" {
			return
		}
		at, err := netip.ParseAddrPort(to)
		if err != nil {
			t.Fatalf("it dials %q, which is no address", to)
		}
		if a := at.Addr(); a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Is4In6() {
			t.Fatalf("%q leads to %s", host, a)
		}
	})
}
