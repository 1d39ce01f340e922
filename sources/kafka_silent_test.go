package sources

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafkaSilentBroker refuses the one connection to a broker that follows an answer which did not come: with it the library looks for another one.
func TestKafkaSilentBroker(t *testing.T) {
	s := &kafkaSecurity{now: time.Now}
	dialled := 0
	dial := s.dialer(func(context.Context, string, string) (net.Conn, error) {
		dialled++
		a, b := net.Pipe()
		b.Close()
		return a, nil
	})
	meta := kgo.BrokerMetadata{NodeID: 2, Host: "kafka-2", Port: 9092}
	attempt := func(addr string) error {
		conn, err := dial(t.Context(), "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for _, harmless := range []error{nil, errors.New("closed"), context.DeadlineExceeded, &net.OpError{Op: "dial", Err: errNoAnswer}} {
		s.silent.note(meta, harmless)
		if err := attempt("kafka-2:9092"); err != nil {
			t.Errorf("after %v: %v", harmless, err)
		}
	}
	late := fmt.Errorf("reading: %w", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded})
	s.silent.note(meta, late)
	s.silent.note(meta, late)
	if err := attempt("kafka-1:9092"); err != nil {
		t.Errorf("another broker is refused: %v", err)
	}
	before := dialled
	err := attempt("kafka-2:9092")
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" || !op.Timeout() || dialled != before {
		t.Errorf("the error is %v, after %d attempts to connect: want one of dialling, without an attempt", err, dialled-before)
	}
	if got := s.explain(meta, err); got == nil || got.cause != "silent" {
		t.Errorf("it is explained by %+v", got)
	}
	if err := attempt("kafka-2:9092"); err != nil {
		t.Errorf("the second attempt is refused, too: %v", err)
	}
}
