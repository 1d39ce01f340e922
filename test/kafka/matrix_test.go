package kafka

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/runtime"
	_ "dataflow/sources"
)

// required is the environment variable that CI sets: a machine on which no broker can run fails the test then.
const required = "ENGINE_TEST_BROKERS"

// long runs everything; without it one row runs, where this machine can run a broker at all.
var long = flag.Bool("long", false, "run every row against every version of Kafka")

// basket collects the messages of a running graph, by a name that the graph says.
type basket struct {
	mu   sync.Mutex
	got  map[string]int
	more chan struct{}
}

var baskets sync.Map // name: *basket

type basketConfig struct {
	Name string `yaml:"name" doc:"name of the basket"`
}

func init() {
	engine.RegisterSink(engine.Info{Type: "test_basket", Summary: "collects messages"}, basketConfig{}, func(_ engine.Env, c basketConfig) (engine.Sink, error) {
		b, _ := baskets.Load(c.Name)
		return b, nil
	})
}

// Write counts the messages.
func (b *basket) Write(_ context.Context, batch *engine.Batch) error {
	b.mu.Lock()
	for i := range batch.Points {
		v, _ := batch.Points[i].Get("message")
		b.got[strings.Clone(v.Str())]++
	}
	b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return nil
}

func (b *basket) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

// await waits until there are n different messages.
func (b *basket) await(t *testing.T, e *runner, n int) {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for b.count() < n {
		select {
		case <-b.more:
		case <-timeout:
			t.Fatalf("%d messages, want %d; the state is %v\n%s", b.count(), n, e.engine.Ready(), e.log.String())
		}
	}
}

// logText keeps what a graph logs.
type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// runner is a graph that runs in this process.
type runner struct {
	engine *runtime.Engine
	basket *basket
	log    *logText
	cancel context.CancelFunc
	ended  chan runtime.Result
}

// build makes a graph of a kafka source with the given options, a line each, and a basket.
func build(t *testing.T, options ...string) *runner {
	t.Helper()
	name := strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()) + fmt.Sprint(time.Now().UnixNano())
	b := &basket{got: map[string]int{}, more: make(chan struct{}, 1)}
	baskets.Store(name, b)
	text := "version: 1\nname: job\nsources:\n  mq:\n    type: kafka\n    category: logging\n    start: earliest\n    " + strings.Join(options, "\n    ") +
		"\nsinks:\n  out: {type: test_basket, from: mq, name: \"" + name + "\"}\n"
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := graph.Load(path, graph.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	log := &logText{}
	e, err := runtime.New(g, runtime.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Version: "test", DrainTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return &runner{engine: e, basket: b, log: log, ended: make(chan runtime.Result, 1)}
}

func (r *runner) start(t *testing.T) *runner {
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.ended <- r.engine.Run(ctx, nil) }()
	return r
}

func (r *runner) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if got := <-r.ended; got.Code != runtime.ExitDone {
		t.Errorf("the run ended with %d: %v\n%s", got.Code, got.Err, r.log.String())
	}
}

// startCluster runs a cluster for a test.
func startCluster(t *testing.T, o Options) *Cluster {
	t.Helper()
	if err := Missing(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c, err := Start(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	t.Logf("Kafka %s, %d nodes, ready after %v", o.Version, c.options.Nodes, time.Since(began).Round(100*time.Millisecond))
	return c
}

// topic makes a topic with n messages in it.
func topic(t *testing.T, c *Cluster, name string, partitions int32, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers("PLAINTEXT")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, -1
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), 20000
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	produce(t, client, name, 0, n)
}

func produce(t *testing.T, client *kgo.Client, name string, first, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: name, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "m%05d", first+i)})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// token is an unsecured JWT, which the brokers accept until it expires.
func token(until time.Time) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":"engine","iat":%d,"exp":%d}`, until.Add(-time.Hour).Unix(), until.Unix())) + "."
}

// row is a line of the matrix: how the source connects, and what it says if it cannot.
type row struct {
	name     string
	listener string
	options  []string
	fails    string // empty if it works
}

// rows are those of the matrix for a cluster.
func rows(c *Cluster) []row {
	sasl := func(mechanism, user, password string) string {
		return fmt.Sprintf("sasl: {mechanism: %s, username: %s, password: %s}", mechanism, user, password)
	}
	tls := func(more string) string {
		return fmt.Sprintf("tls: {enabled: true, ca: %q%s}", c.Certificate("ca.pem"), more)
	}
	client := func(name string) string {
		return tls(fmt.Sprintf(", cert: %q, key: %q", c.Certificate(name+".pem"), c.Certificate(name+".key")))
	}
	oauth := func(t string) string { return "sasl: {mechanism: oauthbearer, token: " + t + "}" }
	valid, expired := token(time.Now().Add(time.Hour)), token(time.Now().Add(-time.Hour))
	other := fmt.Sprintf("tls: {enabled: true, ca: %q}", c.Certificate("other-ca.pem"))
	list := []row{
		{"in clear", "PLAINTEXT", nil, ""},
		{"TLS", "SSL", []string{tls("")}, ""},
		{"TLS, name said", "STRANGE", []string{tls(", server_name: kafka.example")}, ""},
		{"TLS, not verified", "EXPIRED", []string{"tls: {enabled: true, insecure_skip_verify: true}"}, ""},
		{"mTLS", "MTLS", []string{client("client")}, ""},
		{"TLS, wrong authority", "SSL", []string{other}, "its certificate is not signed by an authority of tls.ca"},
		{"TLS, authority of the system", "SSL", []string{"tls: {enabled: true}"}, "its certificate is not signed by an authority that this machine trusts"},
		{"TLS, expired", "EXPIRED", []string{tls("")}, "its certificate has expired on "},
		{"TLS, wrong host name", "STRANGE", []string{tls("")}, "its certificate is for kafka.example, not for 127.0.0.1"},
		{"TLS to clear", "PLAINTEXT", []string{tls("")}, "it does not speak TLS there"},
		{"clear to TLS", "SSL", nil, "it speaks TLS there; say tls: {enabled: true}"},
		{"mTLS, no certificate", "MTLS", []string{tls("")}, "say tls.cert and tls.key"},
		{"mTLS, other authority", "MTLS", []string{client("other-client")}, "it does not accept the client's certificate"},
		{"mTLS, expired", "MTLS", []string{client("expired-client")}, "it does not accept the client's certificate"},
		{"login on a listener without", "PLAINTEXT", []string{sasl("plain", "alice", "alice-secret")}, "nobody logs in on this listener"},
		{"login over TLS on a listener without", "SSL", []string{sasl("plain", "alice", "alice-secret"), tls("")}, "nobody logs in on this listener"},
		{"no login", "SASL_PLAINTEXT", nil, "as a listener with SASL does where nobody logs in; say sasl"},
		{"login in clear to TLS", "SASL_SSL", []string{sasl("plain", "alice", "alice-secret")}, "it speaks TLS there"},
		{"login over TLS to clear", "SASL_PLAINTEXT", []string{sasl("plain", "alice", "alice-secret"), tls("")}, "it does not speak TLS there"},
	}
	for _, l := range []string{"SASL_PLAINTEXT", "SASL_SSL"} {
		var with []string
		if l == "SASL_SSL" {
			with = []string{tls("")}
		}
		add := func(name, option, fails string) {
			list = append(list, row{l + " " + name, l, append([]string{option}, with...), fails})
		}
		add("plain", sasl("plain", "alice", "alice-secret"), "")
		add("scram_sha_256", sasl("scram_sha_256", "bob", "bob-secret"), "")
		add("scram_sha_512", sasl("scram_sha_512", "carol", "carol-secret"), "")
		add("oauthbearer", oauth(valid), "")
		add("plain, wrong password", sasl("plain", "alice", "wrong"), "it refuses user alice by PLAIN; look at sasl.username and sasl.password")
		add("plain, unknown user", sasl("plain", "mallory", "x"), "it refuses user mallory by PLAIN")
		add("scram_sha_256, wrong password", sasl("scram_sha_256", "bob", "wrong"), "it refuses user bob by SCRAM-SHA-256")
		add("scram_sha_512, wrong password", sasl("scram_sha_512", "carol", "wrong"), "it refuses user carol by SCRAM-SHA-512")
		add("user of another mechanism", sasl("scram_sha_512", "bob", "bob-secret"), "it refuses user bob by SCRAM-SHA-512")
		add("oauthbearer, expired token", oauth(expired), "it refuses the token")
	}
	return list
}

// hold reads by a row, or sees that it fails as it should, in a run and in a look.
func (r row) hold(t *testing.T, c *Cluster, name string, messages int) {
	group := "g-" + strings.NewReplacer(" ", "-", ",", "").Replace(r.name)
	var addrs []string
	for _, b := range c.Brokers(r.listener) {
		addrs = append(addrs, fmt.Sprintf("%q", b))
	}
	options := append([]string{"brokers: [" + strings.Join(addrs, ", ") + "]", "group: " + group, "topics: [" + name + "]"}, r.options...)
	began := time.Now()
	var faults []string
	build(t, options...).engine.Connect(t.Context(), func(_ string, f engine.Finding) {
		if f.Grade == engine.Fault {
			faults = append(faults, f.Text)
		}
	})
	looked := time.Since(began).Round(10 * time.Millisecond)
	began = time.Now()
	e := build(t, options...).start(t)
	if r.fails == "" {
		if len(faults) > 0 {
			t.Errorf("validate --connect says %v", faults)
		}
		e.basket.await(t, e, messages)
		t.Logf("figure: %s %-45s reads after %v; looked at in %v", c.options.Version, r.name, time.Since(began).Round(10*time.Millisecond), looked)
		e.stop(t)
		return
	}
	said := func(text string) bool {
		return strings.HasPrefix(text, "broker "+c.Brokers(r.listener)[0]+" (") && strings.Contains(text, r.fails)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(15 * time.Second)
	for {
		state := e.engine.Ready()
		if i := slices.IndexFunc(state, func(h runtime.NodeHealth) bool { return h.Err != nil && said(h.Err.Error()) }); i >= 0 {
			t.Logf("figure: %s %-45s says after %v: %v", c.options.Version, r.name, time.Since(began).Round(10*time.Millisecond), state[i].Err)
			break
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the state is %v, want %q\n%s", state, r.fails, e.log.String())
		}
	}
	for !strings.Contains(e.log.String(), "connecting to a Kafka broker fails") { // said a moment after the state has changed
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the log says nothing of it:\n%s", e.log.String())
		}
	}
	if slices.IndexFunc(faults, said) < 0 {
		t.Errorf("validate --connect says %q, want %q", faults, r.fails)
	}
	if n := e.basket.count(); n > 0 {
		t.Errorf("%d messages were read", n)
	}
	e.cancel()
	<-e.ended // with an error or not: there was no broker to leave
}

// brokersRun reports whether the newest broker can be run here, which it says if not. Where that is required the test fails.
func brokersRun(t *testing.T) bool {
	t.Helper()
	err := Missing()
	if err == nil {
		_, err = Install(t.Context(), Kafka4)
	}
	switch {
	case err == nil:
		return true
	case os.Getenv(required) != "":
		t.Fatalf("%s is set, and no broker runs here: %v", required, err)
	}
	t.Logf("no broker runs here, so nothing is tested: %v", err)
	return false
}

// TestMatrix reads by every kind of listener of every version, and holds what does not work to its words. Without -long it is one row, in clear
// and with a wrong login, of the newest version, where there are Java and Maven.
func TestMatrix(t *testing.T) {
	versions, smoke := []string{Kafka3, Kafka4}, []string(nil)
	if !*long {
		if !brokersRun(t) {
			return
		}
		versions, smoke = []string{Kafka4}, []string{"SASL_SSL scram_sha_512", "SASL_SSL plain, wrong password"}
	}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			c := startCluster(t, Options{Version: v, Security: true})
			const messages = 20
			topic(t, c, "logs", 3, messages)
			ran := 0
			for _, r := range rows(c) {
				if smoke != nil && !slices.Contains(smoke, r.name) {
					continue
				}
				ran++
				t.Run(r.name, func(t *testing.T) { r.hold(t, c, "logs", messages) })
			}
			if smoke != nil && ran != len(smoke) {
				t.Errorf("%d rows were run", ran)
			}
		})
	}
}
