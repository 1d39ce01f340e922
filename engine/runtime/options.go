package runtime

import (
	"context"
	"log/slog"
	"net"
	"time"

	"dataflow/engine"
	"dataflow/engine/buffer"
)

// Options are what a graph is run with.
type Options struct {
	Log     *slog.Logger
	Version string
	// Env is what the nodes' environments are made of: clock, dialer, listener, file system. Its zero
	// functions are those of the machine.
	Env engine.Env
	// BufferFS is the file system of disk buffers, the machine's if nil.
	BufferFS buffer.FS
	// DialFor leads the connections of a role (kafka, dataway) elsewhere, without TLS and SASL; nil, or a nil
	// result, does not.
	DialFor func(role string) Dial
	// DrainTimeout is how long stopping may take until what is not done is given up, DefaultDrainTimeout if 0.
	DrainTimeout time.Duration
	// UntilIdle stops the graph once nothing has come in and nothing has been on its way for this long; 0 is never.
	UntilIdle time.Duration
}

// Dial opens a connection.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// DefaultDrainTimeout is below the 30 s that Kubernetes leaves a pod.
const DefaultDrainTimeout = 25 * time.Second
