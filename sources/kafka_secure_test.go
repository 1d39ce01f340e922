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
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"dataflow/engine"
	"dataflow/engine/embedded"
)

// kafkaCA signs certificates for tests.
type kafkaCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newKafkaCA(t *testing.T, name string) *kafkaCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spec := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &kafkaCA{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue signs a certificate for names and addresses that is valid until then, and returns it with its key in PEM.
func (a *kafkaCA) issue(t *testing.T, until time.Time, names ...string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spec := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			spec.IPAddresses = append(spec.IPAddresses, ip)
		} else {
			spec.DNSNames = append(spec.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, spec, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// server returns the configuration of a broker with a certificate of a.
func (a *kafkaCA) server(t *testing.T, until time.Time, names ...string) *tls.Config {
	t.Helper()
	cert, key := a.issue(t, until, names...)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

var on = true

// trusting is the tls option of a client that trusts a.
func (a *kafkaCA) trusting() kafkaTLS {
	return kafkaTLS{Enabled: &on, CA: engine.File{Path: "ca.pem", Data: a.pem}}
}

func login(mechanism, user, password string) kafkaSASL {
	return kafkaSASL{Mechanism: mechanism, Username: user, Password: engine.NewSecret(password)}
}

// startSecure starts a broker that knows alice by all mechanisms, with TLS where c is set.
func startSecure(t *testing.T, c *tls.Config, sasl bool) *embedded.Kafka {
	t.Helper()
	opts := []kfake.Opt{}
	if c != nil {
		opts = append(opts, kfake.TLS(c))
	}
	if sasl {
		opts = append(opts, kfake.EnableSASL())
		for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			opts = append(opts, kfake.Superuser(m, "alice", "alice-secret"))
		}
	}
	k, err := embedded.StartKafka(map[string]int32{"logs": 2}, embedded.KafkaOptions{More: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// produceSecurely writes messages by a client with the given security.
func produceSecurely(t *testing.T, k *embedded.Kafka, s kafkaSASL, c kafkaTLS, messages ...string) {
	t.Helper()
	env, _ := testEnv(t)
	security, err := newKafkaSecurity(env, c, s)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := security.options(env.Dial)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, m := range messages {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "logs", Value: []byte(m)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKafkaSecure reads by every mechanism, in clear and over TLS, as the source of a user does.
func TestKafkaSecure(t *testing.T) {
	t.Parallel()
	ca := newKafkaCA(t, "ca")
	for _, encrypted := range []bool{false, true} {
		for _, mechanism := range []string{"", "plain", "scram_sha_256", "scram_sha_512"} {
			name := mechanism
			if encrypted {
				name += "+tls"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var server *tls.Config
				var client kafkaTLS
				if encrypted {
					server, client = ca.server(t, time.Now().Add(time.Hour), "127.0.0.1"), ca.trusting()
				}
				var s kafkaSASL
				if mechanism != "" {
					s = login(mechanism, "alice", "alice-secret")
				}
				k := startSecure(t, server, mechanism != "")
				produceSecurely(t, k, s, client, "hello")
				r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.SASL, c.TLS = s, client }).start()
				r.await("logs/0", 1)
				r.stop()
			})
		}
	}
}

// TestKafkaClientCertificate reads from a broker that asks for a certificate.
func TestKafkaClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newKafkaCA(t, "ca")
	server := ca.server(t, time.Now().Add(time.Hour), "127.0.0.1")
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	server.ClientCAs.AddCert(ca.cert)
	k := startSecure(t, server, false)
	cert, key := ca.issue(t, time.Now().Add(time.Hour), "client")
	client := ca.trusting()
	client.Cert, client.Key = engine.File{Path: "client.pem", Data: cert}, engine.File{Path: "client.key", Data: key}
	produceSecurely(t, k, kafkaSASL{}, client, "hello")
	r := newReader(t, k, func(c *kafkaConfig) { oneStream("logs", "logging")(c); c.TLS = client }).start()
	r.await("logs/0", 1)
	r.stop()
}

// refuser is a listener that records what a client sends and answers as it is told.
func refuser(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// TestKafkaTroubles is the table of configurations that do not work: the state of the node, within 15 s, names the broker, how it was spoken to and what to do.
func TestKafkaTroubles(t *testing.T) {
	t.Parallel()
	ca, other := newKafkaCA(t, "ca"), newKafkaCA(t, "other")
	valid := time.Now().Add(time.Hour)
	past := time.Now().Add(-24 * time.Hour)
	wrong := login("plain", "alice", "wrong")
	nobody := refuser(t, func(net.Conn) {})
	junk := refuser(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	withAuth := ca.server(t, valid, "127.0.0.1")
	withAuth.ClientAuth, withAuth.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	withAuth.ClientCAs.AddCert(ca.cert)
	strange := other.trusting()
	strange.CA.Data = append(append([]byte{}, other.pem...), ca.pem...)
	cert, key := other.issue(t, valid, "client")
	strange.Cert, strange.Key = engine.File{Path: "client.pem", Data: cert}, engine.File{Path: "client.key", Data: key}

	for _, c := range []struct {
		name   string
		server *tls.Config
		sasl   bool
		broker string // instead of one that is started
		change func(*kafkaConfig)
		want   string // broker ADDR stands in front
	}{
		{name: "wrong password", sasl: true, change: func(c *kafkaConfig) { c.SASL = wrong },
			want: "(SASL_PLAINTEXT): it ends the connection during the login of alice; look at sasl, and whether the listener is one with SASL, without TLS"},
		{name: "unknown user", sasl: true, change: func(c *kafkaConfig) { c.SASL = login("scram_sha_512", "mallory", "x") },
			want: "(SASL_PLAINTEXT): it ends the connection during the login of mallory"},
		{name: "unknown mechanism", sasl: true, change: func(c *kafkaConfig) {
			c.SASL = kafkaSASL{Mechanism: "oauthbearer", Token: engine.NewSecret("t")}
		}, want: "(SASL_PLAINTEXT): it does not know OAUTHBEARER on this listener; choose another sasl.mechanism, or the port of another listener"},
		{name: "no login", sasl: true, change: func(*kafkaConfig) {}, want: "(PLAINTEXT): it ends the connection at the first"},
		{name: "wrong authority", server: ca.server(t, valid, "127.0.0.1"), change: func(c *kafkaConfig) { c.TLS = other.trusting() },
			want: "(SSL): its certificate is not signed by an authority of tls.ca (ca.pem); name the authority that signed it: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{name: "authority of the system", server: ca.server(t, valid, "127.0.0.1"), change: func(c *kafkaConfig) { c.TLS = kafkaTLS{Enabled: &on} },
			want: "(SSL): its certificate is not signed by an authority that this machine trusts; name the authority's PEM file in tls.ca"},
		{name: "expired", server: ca.server(t, past, "127.0.0.1"), change: func(c *kafkaConfig) { c.TLS = ca.trusting() },
			want: "(SSL): its certificate has expired on " + past.UTC().Format(time.RFC3339) + "; the broker needs a new one"},
		{name: "wrong host", server: ca.server(t, valid, "kafka-1", "10.0.0.1"), change: func(c *kafkaConfig) { c.TLS = ca.trusting() },
			want: "(SSL): its certificate is for kafka-1, 10.0.0.1, not for 127.0.0.1; connect by a name of the certificate, or say it in tls.server_name"},
		{name: "wrong server_name", server: ca.server(t, valid, "kafka-1"), change: func(c *kafkaConfig) { c.TLS = ca.trusting(); c.TLS.ServerName = "kafka-2" },
			want: "(SSL): its certificate is for kafka-1, not for kafka-2"},
		{name: "client certificate is missing", server: withAuth, change: func(c *kafkaConfig) { c.TLS = ca.trusting() },
			want: "(SSL): it ends the TLS connection, as brokers do that want a certificate of the client; say tls.cert and tls.key"},
		{name: "client certificate of another authority", server: withAuth, change: func(c *kafkaConfig) { c.TLS = strange },
			want: "(SSL): it does not accept the client's certificate (client.pem)"},
		{name: "in clear to TLS", server: ca.server(t, valid, "127.0.0.1"), change: func(*kafkaConfig) {},
			want: "(PLAINTEXT): it "},
		{name: "TLS to clear", change: func(c *kafkaConfig) { c.TLS = ca.trusting() },
			want: "(SSL): it does not answer the TLS handshake within 4s; is it a listener with TLS"},
		{name: "login with TLS to clear", sasl: true, change: func(c *kafkaConfig) { c.TLS, c.SASL = ca.trusting(), wrong },
			want: "(SASL_SSL): it does not answer the TLS handshake within 4s; is it a listener with TLS"},
		{name: "TLS to what is not TLS", broker: junk, change: func(c *kafkaConfig) { c.TLS = ca.trusting() },
			want: "(SSL): it does not speak TLS there; take the port of a listener with TLS (SSL or SASL_SSL), or leave tls out"},
		{name: "nobody there", broker: closed.Addr().String(), change: func(*kafkaConfig) {},
			want: "(PLAINTEXT): nobody listens there; is the broker running, and is the port of brokers right"},
		{name: "ends at once", broker: nobody, change: func(*kafkaConfig) {},
			want: "(PLAINTEXT): it ends the connection at the first byte: does the listener want TLS (say tls: {enabled: true})"},
		{name: "not Kafka", broker: junk, change: func(*kafkaConfig) {}, want: "(PLAINTEXT): what answers there is not Kafka"},
		{name: "unknown name", broker: "no-such-host.invalid:9092", change: func(*kafkaConfig) {},
			want: `(PLAINTEXT): the name no-such-host.invalid does not resolve on this machine; look at brokers, or add a line "ADDRESS no-such-host.invalid" to /etc/hosts`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := startSecure(t, c.server, c.sasl)
			addr := k.Addr()
			states := make(chan error, 1000)
			r := newReader(t, k, func(o *kafkaConfig) {
				oneStream("logs", "logging")(o)
				if c.broker != "" {
					addr = c.broker
					o.Brokers = []string{addr}
				}
				c.change(o)
			})
			r.source.health.env.Health = func(err error) {
				select {
				case states <- err:
				default:
				}
			}
			r.start()
			timeout := time.After(15 * time.Second)
			last := ""
			for found := false; !found; {
				select {
				case err := <-states:
					if err != nil {
						last = err.Error()
						found = strings.HasPrefix(last, "broker "+addr+" "+c.want)
					}
				case <-timeout:
					t.Fatalf("the state is\n%s\nwant\nbroker %s %s", last, addr, c.want)
				}
			}
			t.Log(last)
			// It stays: the library's own words do not replace it.
			for len(states) > 0 {
				if err := <-states; err == nil {
					t.Error("the source became healthy")
				} else if !errors.As(err, new(*trouble)) && !errors.Is(err, errSilent) {
					t.Errorf("the state became %v", err)
				}
			}
			r.endRun()
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_ = r.source.Close(ctx)
		})
	}
}

// TestKafkaNothingInClear holds a source with a login over TLS to a listener that is not verified: it must not see the password, nor a byte that is not TLS.
func TestKafkaNothingInClear(t *testing.T) {
	t.Parallel()
	ca, other := newKafkaCA(t, "ca"), newKafkaCA(t, "other")
	impostor := other.server(t, time.Now().Add(time.Hour), "127.0.0.1")
	seen := make(chan string, 100)
	addr := refuser(t, func(c net.Conn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		if first[0] != 22 { // a TLS handshake record
			seen <- "a byte in clear"
			return
		}
		server := tls.Server(&prefixed{c, first}, impostor)
		if err := server.Handshake(); err != nil {
			seen <- "refused"
			return
		}
		if n, _ := server.Read(make([]byte, 1)); n > 0 {
			seen <- "data after the handshake"
			return
		}
		seen <- "refused" // TLS 1.3: the client's refusal comes behind the server's end of the handshake
	})
	k := startKafka(t, map[string]int32{"logs": 1})
	r := newReader(t, k, func(c *kafkaConfig) {
		oneStream("logs", "logging")(c)
		c.Brokers, c.SASL, c.TLS = []string{addr}, login("plain", "alice", "alice-secret"), ca.trusting()
	}).start()
	for range 3 {
		select {
		case what := <-seen:
			if what != "refused" {
				t.Errorf("the impostor saw %s", what)
			}
		case <-time.After(15 * time.Second):
			t.Fatal("the source has stopped trying")
		}
	}
	r.endRun()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = r.source.Close(ctx)
}

// prefixed is a connection whose first bytes were read already.
type prefixed struct {
	net.Conn
	first []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// TestKafkaAdvertised names a broker that advertises what does not resolve.
func TestKafkaAdvertised(t *testing.T) {
	t.Parallel()
	s := &kafkaSecurity{now: time.Now}
	rack := kgo.BrokerMetadata{NodeID: 3, Host: "kafka-3.internal", Port: 9092}
	got := s.explain(rack, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "kafka-3.internal", IsNotFound: true}})
	want := `broker kafka-3.internal:9092 (PLAINTEXT): the brokers advertise the name kafka-3.internal (advertised.listeners of broker 3), which does not resolve on this machine; ` +
		`add a line "ADDRESS kafka-3.internal" to /etc/hosts, or have the brokers advertise a name that resolves here: dial tcp: lookup kafka-3.internal: no such host`
	if got.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := s.explain(rack, context.Canceled); got != nil {
		t.Errorf("a cancelled dial is explained: %v", got)
	}
}
