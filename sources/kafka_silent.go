package sources

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// silentBrokers are those whose last answer did not come in time. The next attempt to connect to one fails at once, and only that one: the library
// asks anew who coordinates a group, or leads a partition, when it cannot connect, but not when a broker that is stopped, or whose machine is, still
// accepts connections. Without it nothing is committed until that broker wakes up, long after another one has taken over.
type silentBrokers struct {
	mu    sync.Mutex
	addrs map[string]bool
}

var errNoAnswer = silentError{errors.New("it has not answered in time")}

// silentError is a time-out, as that of a dial is.
type silentError struct{ error }

// Timeout makes net.OpError see it as one.
func (silentError) Timeout() bool { return true }

// note remembers a broker if err says that an answer did not come.
func (s *silentBrokers) note(meta kgo.BrokerMetadata, err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errNoAnswer) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addrs == nil {
		s.addrs = map[string]bool{}
	}
	s.addrs[net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))] = true
}

// refuse returns the error of an attempt to connect to addr, nil if it may be made.
func (s *silentBrokers) refuse(network, addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.addrs[addr] {
		return nil
	}
	delete(s.addrs, addr)
	return &net.OpError{Op: "dial", Net: network, Err: errNoAnswer}
}
