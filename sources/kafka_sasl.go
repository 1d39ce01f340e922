package sources

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"dataflow/engine"
)

// kafkaSASL is the sasl option of what speaks to Kafka.
type kafkaSASL struct {
	Mechanism string        `yaml:"mechanism" enum:"plain,scram_sha_256,scram_sha_512,oauthbearer" doc:"how to log in; nothing is no login. plain and oauthbearer show the password or token to whoever listens: use tls with them"`
	Username  string        `yaml:"username" doc:"name of the user"`
	Password  engine.Secret `yaml:"password" doc:"password of the user"`
	Token     engine.Secret `yaml:"token" doc:"token of oauthbearer. It is read once: a token that expires ends the session, and its successor needs a restart"`
}

// saslNames are the mechanisms as Kafka calls them.
var saslNames = map[string]string{
	"plain": "PLAIN", "scram_sha_256": "SCRAM-SHA-256", "scram_sha_512": "SCRAM-SHA-512", "oauthbearer": "OAUTHBEARER",
}

// check reports what is wrong whatever the values of secrets are.
func (s *kafkaSASL) check() error {
	var errs []error
	bad := func(option, text string) {
		errs = append(errs, engine.FieldError("sasl."+option, errors.New(text)))
	}
	switch {
	case s.Mechanism == "":
		if s.Username != "" || s.Password.Reveal() != "" || s.Token.Reveal() != "" {
			bad("mechanism", "is missing: say plain, scram_sha_256, scram_sha_512 or oauthbearer")
		}
	case saslNames[s.Mechanism] == "":
		bad("mechanism", fmt.Sprintf("%q is none of plain, scram_sha_256, scram_sha_512, oauthbearer", s.Mechanism))
	case s.Mechanism == "oauthbearer":
		if s.Username != "" || s.Password.Reveal() != "" {
			bad("username", "username and password are not for oauthbearer, which takes a token")
		}
	default:
		if s.Username == "" {
			bad("username", "is missing")
		}
		if s.Token.Reveal() != "" {
			bad("token", "is for oauthbearer only")
		}
	}
	return errors.Join(errs...)
}

// mechanism returns the way to log in, nil if there is none. An error says that a secret is empty: it often comes from a file or variable
// that is there only where the graph runs, so it is no error of the graph.
func (s *kafkaSASL) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == "oauthbearer" {
		if s.Token.Reveal() == "" {
			return nil, errors.New("sasl.token is empty: the file or variable that it comes from is missing or empty")
		}
		return oauth.Auth{Token: s.Token.Reveal()}.AsMechanism(), nil
	}
	if s.Mechanism != "" && s.Password.Reveal() == "" {
		return nil, errors.New("sasl.password is empty: the file or variable that it comes from is missing or empty")
	}
	login := scram.Auth{User: s.Username, Pass: s.Password.Reveal()}
	switch s.Mechanism {
	case "plain":
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism(), nil
	case "scram_sha_256":
		return login.AsSha256Mechanism(), nil
	case "scram_sha_512":
		return login.AsSha512Mechanism(), nil
	}
	return nil, nil
}

// kafkaSecurity is how connections to brokers are secured.
type kafkaSecurity struct {
	now    func() time.Time
	tls    *tls.Config // nil is in clear
	silent silentBrokers
	config struct {
		tls  kafkaTLS
		sasl kafkaSASL
	}
}

// newKafkaSecurity checks the options. Where env leads to a stand-in they are checked and left out.
func newKafkaSecurity(env engine.Env, t kafkaTLS, s kafkaSASL) (*kafkaSecurity, error) {
	c, err := t.config(env.Now)
	if err := errors.Join(err, s.check()); err != nil {
		return nil, err
	}
	if env.Plain {
		return &kafkaSecurity{now: env.Now}, nil
	}
	out := &kafkaSecurity{now: env.Now, tls: c}
	out.config.tls, out.config.sasl = t, s
	return out, nil
}

// options returns those of a client that connects by dial.
func (s *kafkaSecurity) options(dial dialFunc) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.Dialer(s.dialer(dial))}
	m, err := s.config.sasl.mechanism()
	if err != nil {
		return nil, err
	}
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// listener says what kind of listener is expected at a broker, as Kafka calls it.
func (s *kafkaSecurity) listener() string {
	login := s.config.sasl.Mechanism != ""
	switch {
	case login && s.tls != nil:
		return "SASL_SSL"
	case login:
		return "SASL_PLAINTEXT"
	case s.tls != nil:
		return "SSL"
	}
	return "PLAINTEXT"
}
