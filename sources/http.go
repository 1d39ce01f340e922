package sources

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
)

type httpConfig struct {
	Listen         string          `yaml:"listen" doc:"address and port, or unix:/path of a socket. What is not loopback needs tls and tokens, or allow, or insecure"`
	TLS            httpTLS         `yaml:"tls" doc:"serves HTTPS; the files are read again when they change"`
	Tokens         []engine.Secret `yaml:"tokens" doc:"each request must carry one of them, as Authorization: Bearer or X-Token; several at once for a rotation"`
	Allow          []string        `yaml:"allow" doc:"networks whose clients need no token, as in 172.17.0.0/16"`
	Insecure       bool            `yaml:"insecure" doc:"serves everybody who can reach the address, without TLS, tokens or networks"`
	Routes         []string        `yaml:"routes" doc:"which parts of the API are served: write (with ping, ntp and lasterror), query (DQL and object labels, proxied to dataway), debug (pipeline/debug)"`
	MaxBody        engine.Size     `yaml:"max_body" doc:"largest body after decompression; more is answered with 413"`
	MaxCompressed  engine.Size     `yaml:"max_compressed" doc:"largest body as it is sent, where it is compressed"`
	MaxPoints      int             `yaml:"max_points" doc:"most points of a body"`
	AnswerTimeout  time.Duration   `yaml:"answer_timeout" doc:"a client waits so long for the graph to be done with its points, then it gets 503 and should send them again"`
	MaxConnections int             `yaml:"max_connections" doc:"connections at a time, an eighth of them from one address; when all are taken a new one displaces the one that waits longest for an answer"`
	ClientRate     engine.Rate     `yaml:"client_rate" doc:"requests that one address may make, as in 100/s; above it gets 429. 0/s is no limit"`
	Dataway        engine.Secret   `yaml:"dataway" doc:"address with its token that queries are proxied to"`
}

type httpTLS struct {
	Cert     string `yaml:"cert" path:"graph" doc:"PEM file of the certificate chain"`
	Key      string `yaml:"key" path:"graph" doc:"PEM file of its key"`
	ClientCA string `yaml:"client_ca" path:"graph" doc:"PEM file of authorities; clients must show a certificate of one of them"`
}

// laterRoutes are routes that the engine will serve.
var laterRoutes = map[string]string{
	"ploffload": "the receiver of pipeline offload", "otlp": "OTLP over HTTP", "skywalking": "SkyWalking over HTTP", "jaeger": "Jaeger over HTTP",
}

const (
	routeWrite = "write"
	routeQuery = "query"
	routeDebug = "debug"
)

func init() {
	engine.RegisterSource(engine.Info{
		Type:    "http",
		Summary: "takes points over HTTP, by the write API of DataKit",
		Doc: `Serves ` + "`POST /v1/write/{category}`" + ` with line protocol, protobuf, JSON and PBJSON, plain or compressed, and the other routes that clients of
a DataKit call. A 2xx is given when the graph is done with all points of the body, so that a client that got one need not keep them. A body with a bad line
is refused as a whole, with the lines and what is wrong with them.

Under pressure clients get 429 or 503 with ` + "`Retry-After`" + ` and should send again: above 70 % of ` + "`limits.in_flight`" + ` those that send most, above 90 % all. After
` + "`answer_timeout`" + ` the answer is 503 though the points may still arrive: what the client sends again is then delivered twice.

Without anything said only the machine itself is served.`,
		Examples: []engine.Example{
			{Title: "for what runs on this machine", Graph: "type: http\n"},
			{Title: "for DataFlux Func in its containers, which sends no token", Graph: "type: http\nlisten: 0.0.0.0:9529\nallow: [172.17.0.0/16]\n"},
			{Title: "for other machines", Graph: "type: http\nlisten: 0.0.0.0:9529\ntls: {cert: server.pem, key: server.key}\ntokens: [tok_0123456789abcdef]\n"},
		},
	}, httpConfig{
		Listen: "127.0.0.1:9529", Routes: []string{routeWrite, routeQuery, routeDebug}, MaxBody: 64 << 20, MaxCompressed: 10 << 20, MaxPoints: 100_000,
		AnswerTimeout: 4 * time.Second, MaxConnections: 1024,
	}, newHTTP)
}

// httpSource serves the write API. Requests run concurrently.
type httpSource struct {
	env      engine.Env
	config   httpConfig
	host     string   // name of the machine
	identity []string // the header X-DataKit
	access   access
	counters *httpCounters
	query    *httpclient.Fetcher
	dataway  url.URL // of queries; without a Host there is none

	running    sync.WaitGroup // requests, and batches on their way into the graph
	bodies     *bodies
	rooms      sync.Pool // of *workroom
	unfold     decompressor
	clients    *clients
	debugging  chan struct{} // scripts that are being tried
	started    time.Time
	lastErrors perSecond // in the log
	graces     graces
}

// mostDebugging is how many scripts are tried at once.
const mostDebugging = 2

func newHTTP(env engine.Env, c httpConfig) (engine.Source, error) {
	s := &httpSource{
		env: env, config: c, clients: newClients(c), lastErrors: perSecond{most: mostLastErrors}, counters: newHTTPCounters(env), bodies: newBodies(c), debugging: make(chan struct{}, mostDebugging),
		graces: graces{header: headerTimeout, body: slowGrace, answer: writeTimeout},
	}
	s.rooms.New = func() any { return new(workroom) }
	var errs []error
	fail := func(path, format string, a ...any) {
		errs = append(errs, engine.FieldError(path, fmt.Errorf(format, a...)))
	}
	for _, r := range c.Routes {
		switch {
		case slices.Contains([]string{routeWrite, routeQuery, routeDebug}, r):
		case laterRoutes[r] != "":
			fail("routes", "%s (%s) comes with a later version; there are write, query and debug", r, laterRoutes[r])
		default:
			fail("routes", "%q is none of write, query, debug", r)
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fail("tls", "cert and key belong together")
	}
	if c.TLS.ClientCA != "" && c.TLS.Cert == "" {
		fail("tls.client_ca", "needs cert and key")
	}
	for _, t := range c.Tokens {
		const shortest = 8
		if len(t.Reveal()) < shortest {
			fail("tokens", "a token has at least %d characters", shortest)
			break
		}
	}
	var err error
	if s.access, err = newAccess(c); err != nil {
		errs = append(errs, engine.FieldError("allow", err))
	}
	if err := reachable(c); err != nil {
		errs = append(errs, engine.FieldError("listen", err))
	}
	if c.AnswerTimeout <= 0 {
		fail("answer_timeout", "is %v, must be above 0", c.AnswerTimeout)
	}
	if c.MaxBody < 1<<10 {
		fail("max_body", "is %s, must be at least 1KiB", c.MaxBody)
	}
	if c.MaxCompressed < 1<<10 {
		fail("max_compressed", "is %s, must be at least 1KiB", c.MaxCompressed)
	}
	if c.ClientRate.Bytes {
		fail("client_rate", "counts requests, as in 100/s")
	}
	if c.MaxPoints < 1 {
		fail("max_points", "is %d, must be at least 1", c.MaxPoints)
	}
	if c.MaxConnections < 1 {
		fail("max_connections", "is %d, must be at least 1", c.MaxConnections)
	}
	if text := c.Dataway.Reveal(); text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			fail("dataway", "must be an address as in https://openway.example?token=TOKEN")
		} else {
			s.dataway = url.URL{Scheme: u.Scheme, Host: u.Host, User: u.User, RawQuery: u.RawQuery}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.query = httpclient.NewFetcher(env, httpclient.FetchOptions{Timeout: queryTimeout, MaxBody: int64(c.MaxBody)})
	if s.host, err = os.Hostname(); err != nil {
		s.host = "unknown"
	}
	s.identity = []string{s.version() + "/" + s.host}
	return s, nil
}

// reachable refuses a configuration that would serve other machines without meaning to.
func reachable(c httpConfig) error {
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		if path == "" {
			return errors.New("must name a socket, as in unix:/run/engine.sock")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("must be an address with a port, as in 127.0.0.1:9529: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no port", port)
	}
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return nil
	}
	if c.Insecure || len(c.Allow) > 0 || len(c.Tokens) > 0 && c.TLS.Cert != "" {
		return nil
	}
	return fmt.Errorf("%s can be reached from other machines: give tls and tokens, or the networks to allow, or insecure: true", c.Listen)
}
