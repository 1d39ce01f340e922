package sources

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// trouble is a broker that cannot be used: which, how it was spoken to, what is wrong and what to do.
type trouble struct {
	broker   string // host:port
	listener string // as Kafka calls what was expected there
	cause    string // one word, for the log's repetitions
	text     string
	err      error
}

// Error returns the whole in one line.
func (t *trouble) Error() string {
	return fmt.Sprintf("broker %s (%s): %s: %v", t.broker, t.listener, t.text, t.err)
}

// Unwrap returns the cause.
func (t *trouble) Unwrap() error { return t.err }

// explain says what a failed connection to a broker means. Nil means that it says nothing about the broker.
func (s *kafkaSecurity) explain(meta kgo.BrokerMetadata, err error) *trouble {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return nil
	}
	t := &trouble{broker: meta.Host, listener: s.listener(), err: err}
	if meta.Port != 0 {
		t.broker = net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	}
	advertised := meta.NodeID >= 0 // else it stands in brokers
	var hand *handshakeError
	switch {
	case errors.As(err, &hand):
		t.cause, t.text = s.explainHandshake(meta, hand.err)
		t.err = hand.err
	default:
		for _, explain := range []func(kgo.BrokerMetadata, error, bool) (cause, text string){explainDial, s.explainLogin, s.explainProtocol} {
			if t.cause, t.text = explain(meta, err, advertised); t.cause != "" {
				break
			}
		}
		if t.cause == "" {
			t.cause, t.text = "broken", "the connection fails"
		}
	}
	return t
}

// explainDial is about connections that did not come about.
func explainDial(meta kgo.BrokerMetadata, err error, advertised bool) (cause, text string) {
	var (
		name *net.DNSError
		op   *net.OpError
	)
	switch {
	case errors.As(err, &name) && advertised:
		return "resolve", fmt.Sprintf("the brokers advertise the name %s (advertised.listeners of broker %d), which does not resolve on this machine; "+
			"add a line \"ADDRESS %s\" to /etc/hosts, or have the brokers advertise a name that resolves here", name.Name, meta.NodeID, name.Name)
	case errors.As(err, &name):
		return "resolve", fmt.Sprintf("the name %s does not resolve on this machine; look at brokers, or add a line \"ADDRESS %s\" to /etc/hosts", name.Name, name.Name)
	case errors.Is(err, errNoAnswer):
		return "silent", "it has not answered the last request in time; it is overloaded or stopped. Other brokers are asked who does its work"
	case !errors.As(err, &op) || op.Op != "dial":
		return "", ""
	case errors.Is(err, syscall.ECONNREFUSED) && advertised:
		return "refused", fmt.Sprintf("nobody listens where broker %d says it is; it is down, or advertises an address that is not reachable from here (advertised.listeners)", meta.NodeID)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", "nobody listens there; is the broker running, and is the port of brokers right"
	case op.Timeout() && advertised:
		return "timeout", fmt.Sprintf("there is no answer where broker %d says it is; a firewall is in between, or it advertises an address that is not reachable from here (advertised.listeners)", meta.NodeID)
	case op.Timeout():
		return "timeout", "there is no answer; is the address right, is a firewall in between"
	}
	return "dial", "it cannot be reached"
}

// explainHandshake is about TLS.
func (s *kafkaSecurity) explainHandshake(meta kgo.BrokerMetadata, err error) (cause, text string) {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown) && s.config.tls.CA.Path != "":
		return "authority", fmt.Sprintf("its certificate is not signed by an authority of tls.ca (%s); name the authority that signed it", s.config.tls.CA.Path)
	case errors.As(err, &unknown):
		return "authority", "its certificate is not signed by an authority that this machine trusts; name the authority's PEM file in tls.ca"
	case errors.As(err, &host):
		return "name", fmt.Sprintf("its certificate is for %s, not for %s; connect by a name of the certificate, or say it in tls.server_name", certified(host.Certificate), host.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && s.now().Before(invalid.Cert.NotBefore):
		return "early", fmt.Sprintf("its certificate is not valid before %s; look at the clocks", invalid.Cert.NotBefore.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return "expired", fmt.Sprintf("its certificate has expired on %s; the broker needs a new one", invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &header), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "no_tls", "it does not speak TLS there; take the port of a listener with TLS (SSL or SASL_SSL), or leave tls out"
	case isAlert(err):
		return "client_certificate", s.clientCertificate()
	case errors.Is(err, context.DeadlineExceeded):
		return "handshake", fmt.Sprintf("it does not answer the TLS handshake within %v; is it a listener with TLS", dialTimeout)
	}
	return "handshake", "the TLS handshake fails"
}

// certified lists the names that a certificate is for.
func certified(c *x509.Certificate) string {
	if c == nil {
		return "nobody"
	}
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	return strings.Join(names, ", ")
}

func (s *kafkaSecurity) clientCertificate() string {
	if s.config.tls.Cert.Path == "" {
		return "it ends the TLS connection, as brokers do that want a certificate of the client; say tls.cert and tls.key"
	}
	return fmt.Sprintf("it does not accept the client's certificate (%s): is it expired, or signed by an authority that the broker does not trust", s.config.tls.Cert.Path)
}

func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// explainLogin is about SASL.
func (s *kafkaSecurity) explainLogin(_ kgo.BrokerMetadata, err error, _ bool) (cause, text string) {
	sasl := s.config.sasl
	who := fmt.Sprintf("user %s by %s", sasl.Username, saslNames[sasl.Mechanism])
	if sasl.Mechanism == "oauthbearer" {
		who = "the token"
	}
	switch {
	case sasl.Mechanism == "oauthbearer" && (errors.Is(err, kerr.SaslAuthenticationFailed) || strings.Contains(err.Error(), "oauth response")):
		return "login", "it refuses the token; look at sasl.token: is it expired, is it for this broker"
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "login", fmt.Sprintf("it refuses %s; look at sasl.username and sasl.password, and whether the user exists for this mechanism", who)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "mechanism", fmt.Sprintf("it does not know %s on this listener; choose another sasl.mechanism, or the port of another listener", saslNames[sasl.Mechanism])
	case errors.Is(err, kerr.IllegalSaslState):
		return "no_login", "nobody logs in on this listener; take the port of a listener with SASL, or leave sasl out"
	}
	return "", ""
}

// explainProtocol is about connections that end or make no sense behind the dial.
func (s *kafkaSecurity) explainProtocol(_ kgo.BrokerMetadata, err error, _ bool) (cause, text string) {
	var first *kgo.ErrFirstReadEOF
	login := s.config.sasl.Mechanism != ""
	ended := errors.As(err, &first) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case isAlert(err):
		return "client_certificate", s.clientCertificate()
	case s.tls == nil && strings.Contains(err.Error(), "tls alert record"):
		return "tls", "it speaks TLS there; say tls: {enabled: true}, or take the port of a listener without TLS"
	case ended && login:
		return "ended", fmt.Sprintf("it ends the connection during the login of %s; look at sasl, and whether the listener is one with SASL%s", s.config.sasl.Username, s.orTLS())
	case ended && first != nil && !strings.Contains(err.Error(), "api versions"):
		return "ended", "it ends the connection at the first request, as a listener with SASL does where nobody logs in; say sasl"
	case ended && s.tls != nil:
		return "ended", s.clientCertificate()
	case ended:
		return "ended", "it ends the connection at the first byte: does the listener want TLS (say tls: {enabled: true}); a broker older than Kafka 0.10 does so, too (say kafka_version: 0.9.0)"
	case strings.Contains(err.Error(), "invalid large response size"):
		return "not_kafka", "what answers there is not Kafka"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "silent", "it accepts connections and does not answer; it is overloaded or stopped, or the listener wants TLS"
	}
	return "", ""
}

func (s *kafkaSecurity) orTLS() string {
	if s.tls == nil {
		return ", without TLS"
	}
	return ""
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// explainGroup says what keeps a member out of its group, "" if err does not tell.
func (c *kafkaConfig) explainGroup(err error) string {
	switch {
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return fmt.Sprintf("the members of group %s share partitions in another way than assignor: %s; all need the same (DataKit's members know roundrobin, range and sticky), or this source needs a group of its own", c.Group, c.Assignor)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Sprintf("the user may not read as group %s; the broker's ACLs must allow READ on it", c.Group)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "the user may not read a topic; the broker's ACLs must allow READ and DESCRIBE on all"
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return fmt.Sprintf("the broker does not allow session_timeout: %v (its group.min.session.timeout.ms and group.max.session.timeout.ms)", c.SessionTimeout)
	case errors.Is(err, kerr.FencedInstanceID):
		return fmt.Sprintf("another member has instance_id %s; each needs its own", c.InstanceID)
	case errors.Is(err, kerr.UnreleasedInstanceID):
		return fmt.Sprintf("the member that had instance_id %s is still in the group; it is let go after the broker's session timeout", c.InstanceID)
	case errors.Is(err, kerr.GroupMaxSizeReached):
		return fmt.Sprintf("group %s is full (group.max.size of the broker)", c.Group)
	case errors.Is(err, kerr.UnsupportedAssignor):
		return fmt.Sprintf("the broker does not know the assignor that assignor: %s stands for (group.consumer.assignors)", c.Assignor)
	case errors.Is(err, kerr.GroupIDNotFound):
		return fmt.Sprintf("group %s is of another protocol on the broker; empty it, or use another group", c.Group)
	}
	return ""
}
