package sources

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
)

// served is an http source that runs as in a graph.
type served struct {
	source *httpSource
	counts *tally
	addr   string
	now    func(time.Duration) // moves its clock
	stop   func() error        // ends it and returns what Run returned
}

func defaultHTTP() httpConfig {
	return *engine.Lookup(engine.SourceNode, "http").NewConfig().(*httpConfig)
}

func serveHTTP(t *testing.T, emit engine.Emit, change func(*httpConfig), adjust ...func(*httpSource)) *served {
	t.Helper()
	env, counts := testEnv(t)
	var mu sync.Mutex
	var ahead time.Duration
	env.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	addr := make(chan string, 1)
	listen := env.Listen
	env.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := listen(ctx, network, address)
		if err == nil {
			addr <- l.Addr().String()
		}
		return l, err
	}
	c := defaultHTTP()
	c.Listen = "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	s, err := newHTTP(env, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range adjust {
		f(s.(*httpSource))
	}
	if emit == nil {
		emit = func(_ context.Context, b *engine.Batch) error { enginetest.Done(b); return nil }
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, emit) }()
	x := &served{source: s.(*httpSource), counts: counts}
	x.now = func(d time.Duration) { mu.Lock(); ahead += d; mu.Unlock() }
	x.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = x.stop() })
	select {
	case x.addr = <-addr:
	case err := <-ended:
		t.Fatal(err)
	}
	return x
}

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key, a.pem, _ = makeCert(t, name, nil, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	return a
}

func (a *authority) pair(t *testing.T, name string, from, to time.Time) (cert, key []byte) {
	t.Helper()
	_, _, cert, key = makeCert(t, name, a, from, to)
	return cert, key
}

func makeCert(t *testing.T, name string, by *authority, from, to time.Time) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	cert = &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := cert, key
	if by != nil {
		parent, signer = by.cert, by.key
	} else {
		cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// secured serves HTTPS with a certificate of an authority and returns a client that trusts it. ClientCA may be nil.
func secured(t *testing.T, emit engine.Emit, clientCA *authority) (x *served, ca *authority, dir string, trust *x509.CertPool) {
	t.Helper()
	ca, dir = newAuthority(t, "server's"), t.TempDir()
	cert, key := ca.pair(t, "one", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x = serveHTTP(t, emit, func(c *httpConfig) {
		c.TLS = httpTLS{Cert: put("cert.pem", cert), Key: put("key.pem", key)}
		if clientCA != nil {
			c.TLS.ClientCA = put("clients.pem", clientCA.pem)
		}
	})
	trust = x509.NewCertPool()
	trust.AddCert(ca.cert)
	return x, ca, dir, trust
}

// TestHTTPClientCertificates is the table of who may connect (guarantees E3).
func TestHTTPClientCertificates(t *testing.T) {
	t.Parallel()
	clients, strangers := newAuthority(t, "clients'"), newAuthority(t, "strangers'")
	x, _, _, trust := secured(t, nil, clients)
	now := time.Now()
	for _, c := range []struct {
		name     string
		by       *authority
		from, to time.Time
		ok       bool
	}{
		{"a client", clients, now.Add(-time.Hour), now.Add(time.Hour), true},
		{"none", nil, now, now, false},
		{"of another authority", strangers, now.Add(-time.Hour), now.Add(time.Hour), false},
		{"expired", clients, now.Add(-2 * time.Hour), now.Add(-time.Hour), false},
		{"not yet valid", clients, now.Add(time.Hour), now.Add(2 * time.Hour), false},
	} {
		for _, protocol := range []string{"h2", "http/1.1"} {
			config := &tls.Config{RootCAs: trust, NextProtos: []string{protocol}}
			if c.by != nil {
				cert, key := c.by.pair(t, "client", c.from, c.to)
				pair, err := tls.X509KeyPair(cert, key)
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = []tls.Certificate{pair}
			}
			transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2"}
			client := http.Client{Transport: transport, Timeout: 10 * time.Second}
			resp, err := client.Post("https://"+x.addr+"/v1/write/metric", "", strings.NewReader("m f=1i"))
			if err == nil {
				resp.Body.Close()
			}
			if ok := err == nil && resp.StatusCode == 200; ok != c.ok {
				t.Errorf("%s by %s: %v, %v", c.name, protocol, ok, err)
			}
			if err == nil && resp.ProtoMajor != map[string]int{"h2": 2, "http/1.1": 1}[protocol] {
				t.Errorf("%s speaks %s", protocol, resp.Proto)
			}
			transport.CloseIdleConnections()
		}
	}
}

// TestHTTPCertificateReload changes the certificate under connections that are in use: none is dropped.
func TestHTTPCertificateReload(t *testing.T) {
	t.Parallel()
	x, ca, dir, trust := secured(t, nil, nil)
	dialled := 0
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled++
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	post := func() {
		t.Helper()
		resp, err := client.Post("https://"+x.addr+"/v1/write/metric", "", strings.NewReader("m f=1i"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Error(resp.Status)
		}
	}
	name := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", x.addr, &tls.Config{RootCAs: trust})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	post()
	cert, key := ca.pair(t, "two", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	write := func(file string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cert.pem", append(cert, '\n')) // another length: the time of a file may be coarse
	x.now(2 * reloadEvery)
	if got := name(); got != "one" { // its key is still the old one
		t.Errorf("half a change: %s", got)
	}
	post()
	write("key.pem", append(key, '\n'))
	x.now(2 * reloadEvery)
	if got := name(); got != "two" {
		t.Errorf("after the change: %s", got)
	}
	post()
	if dialled != 1 {
		t.Errorf("%d connections were needed", dialled)
	}
}

// TestHTTPTLSFloor holds the protocol to what is safe (guarantees E4).
func TestHTTPTLSFloor(t *testing.T) {
	t.Parallel()
	x, _, _, trust := secured(t, nil, nil)
	for _, c := range []struct {
		name   string
		config *tls.Config
		ok     bool
	}{
		{"1.3", &tls.Config{MinVersion: tls.VersionTLS13}, true},
		{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		{"1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		{"1.0", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, false},
		{"RC4", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}}, false},
		{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}, false},
		{"GCM", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, true},
	} {
		c.config.RootCAs = trust
		conn, err := tls.Dial("tcp", x.addr, c.config)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestHTTPStops: requests that are on their way when the engine stops get their answer; a later one is told to come again.
func TestHTTPStops(t *testing.T) {
	t.Parallel()
	taken := make(chan *engine.Batch, 1)
	x := serveHTTP(t, func(_ context.Context, b *engine.Batch) error { taken <- b; return nil }, nil)
	status := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+x.addr+"/v1/write/metric", "", strings.NewReader("m f=1i"))
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	b := <-taken
	ended := make(chan error, 1)
	go func() { ended <- x.stop() }()
	for { // the port closes at once
		c, err := net.Dial("tcp", x.addr)
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case err := <-ended:
		t.Errorf("it ended with %v before its request", err)
	default:
	}
	enginetest.Done(b)
	if got := <-status; got != 200 {
		t.Errorf("the request that was on its way: %d", got)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := &record{header: http.Header{}}
	r, err := http.NewRequest(http.MethodPost, "/v1/write/metric", strings.NewReader("m f=1i"))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	x.source.handler(ctx, nil).ServeHTTP(w, r)
	if w.status != 503 || w.header.Get("Connection") != "close" || w.header.Get("Retry-After") == "" {
		t.Errorf("while it stops: %d %v", w.status, w.header)
	}
}

// record is an answer that is only looked at.
type record struct {
	header http.Header
	status int
	body   []byte
}

// Header returns the header.
func (r *record) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *record) WriteHeader(status int) { r.status = status }

// Write keeps the body.
func (r *record) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

// TestHTTPListen: what cannot be listened on is said, and shows in the health of the node.
func TestHTTPListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "file"), filepath.Join(dir, "socket")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy := serveHTTP(t, nil, nil)
	one := serveHTTP(t, nil, func(c *httpConfig) { c.Listen = "unix:" + socket })
	for _, x := range []struct{ name, listen, cert, want string }{
		{"a port in use", busy.addr, "", "in use"},
		{"no such address", "192.0.2.1:0", "", "192.0.2.1:0"},
		{"a file", "unix:" + file, "", errNotSocket.Error()},
		{"a socket in use", "unix:" + socket, "", errSocketUse.Error()},
		{"no such folder", "unix:" + filepath.Join(dir, "nosuch", "socket"), "", "nosuch"},
		{"no certificate", "127.0.0.1:0", filepath.Join(dir, "nosuch.pem"), "nosuch.pem"},
		{"a certificate that is none", "127.0.0.1:0", file, "certificate"},
	} {
		env, _ := testEnv(t)
		var health error
		env.Health = func(err error) { health = err }
		c := defaultHTTP()
		c.Listen, c.Insecure, c.TLS = x.listen, true, httpTLS{Cert: x.cert, Key: x.cert}
		s, err := newHTTP(env, c)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		err = s.Run(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), x.want) || health == nil {
			t.Errorf("%s: %v, health %v", x.name, err, health)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}, DisableKeepAlives: true}}
	resp, err := client.Post("http://engine/v1/write/metric", "", strings.NewReader("m f=1i"))
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != unixMode {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if err := one.stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// What a killed process leaves behind is in nobody's way.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again := serveHTTP(t, nil, func(c *httpConfig) { c.Listen = "unix:" + socket })
	if err := again.stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHTTPRefusesConfig is the table of what a graph cannot say.
func TestHTTPRefusesConfig(t *testing.T) {
	for _, x := range []struct {
		change func(*httpConfig)
		want   string
	}{
		{func(c *httpConfig) { c.Routes = []string{"otlp"} }, "later version"},
		{func(c *httpConfig) { c.Routes = []string{"ploffload"} }, "later version"},
		{func(c *httpConfig) { c.Routes = []string{"nosuch"} }, "none of write, query, debug"},
		{func(c *httpConfig) { c.Listen = "0.0.0.0:9529" }, "insecure: true"},
		{func(c *httpConfig) { c.Listen = "127.0.0.1:x" }, "no port"},
		{func(c *httpConfig) { c.Listen = "127.0.0.1:70000" }, "no port"},
		{func(c *httpConfig) { c.Listen = "unix:" }, "name a socket"},
		{func(c *httpConfig) { c.TLS.Cert = "x" }, "belong together"},
		{func(c *httpConfig) { c.TLS.ClientCA = "x" }, "needs cert and key"},
		{func(c *httpConfig) { c.Tokens = []engine.Secret{engine.NewSecret("short")} }, "at least 8"},
		{func(c *httpConfig) { c.Allow = []string{"x"} }, "no network"},
		{func(c *httpConfig) { c.AnswerTimeout = 0 }, "above 0"},
		{func(c *httpConfig) { c.MaxBody = 1 }, "at least 1KiB"},
		{func(c *httpConfig) { c.MaxCompressed = 1 }, "at least 1KiB"},
		{func(c *httpConfig) { c.MaxPoints = 0 }, "at least 1"},
		{func(c *httpConfig) { c.MaxConnections = 0 }, "at least 1"},
		{func(c *httpConfig) { c.ClientRate = engine.Rate{Amount: 1, Bytes: true} }, "counts requests"},
		{func(c *httpConfig) { c.Dataway = engine.NewSecret("openway?token=tkn_secret") }, "must be an address"},
	} {
		env, _ := testEnv(t)
		c := defaultHTTP()
		x.change(&c)
		if _, err := newHTTP(env, c); err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "tkn_secret") {
			t.Errorf("%v, want %s", err, x.want)
		}
	}
}
