package engine

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"dataflow/engine/point"
)

// Time and Duration are those of package time.
type (
	Time     = time.Time
	Duration = time.Duration
)

// Env is all that a component gets from outside. Its functions are safe for use by several goroutines.
type Env struct {
	Graph   string // name of the graph
	Node    string // id of the node
	Version string // of the engine, for User-Agent and client ids
	Log     *slog.Logger
	Now     func() time.Time
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Listen  func(ctx context.Context, network, addr string) (net.Listener, error)
	FS      FS // of the host: paths given by the user
	Rand    func() uint64
	Limits  Limits
	// Tags are what a sink adds to points that lack them, when it encodes. Nil for other nodes: theirs are
	// added by the runtime.
	Tags []point.Field
	// Pressure is how full the in-flight window is, 0 to 1.
	Pressure func() float64
	// Stalled reports whether every sink behind a source's port backs off: nothing that is on its way gets done soon.
	Stalled func(port string) bool
	// Counter returns the node's counter of the given name and label, made at the first call.
	Counter func(name, label string) Counter
	// Shared returns what the nodes of a graph have in common under a key, made at the first call.
	Shared func(key string, make func() any) any
	// Health sets the node's state for readiness: nil is healthy.
	Health func(err error)
	// Plain is set where Dial leads to an in-process stand-in: TLS and SASL are left out.
	Plain bool
	// DataDir is the node's own folder below the data directory. It is made when something is written to it.
	DataDir string
}

// Limits bound what a component accepts from outside (limits.message and limits.depth).
type Limits struct {
	Message int // bytes of a message, line or element
	Depth   int // of nested JSON
}

// DefaultLimits are those of a graph that gives none.
func DefaultLimits() Limits { return Limits{Message: 4 << 20, Depth: 64} }

// Counter is a number that a component adds to.
type Counter interface{ Add(n int64) }

// FS is the file system of the host. Names are slash-separated and relative to the working directory or
// absolute.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (FSFile, error)
	MkdirAll(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	Rename(from, to string) error
	Remove(name string) error
}

// FSFile is an open file.
type FSFile interface {
	io.ReadWriteCloser
	io.Seeker
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// OS is the file system of the machine.
type OS struct{}

// OpenFile is os.OpenFile.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (FSFile, error) {
	return os.OpenFile(filepath.FromSlash(name), flag, perm)
}

// MkdirAll is os.MkdirAll.
func (OS) MkdirAll(name string, perm fs.FileMode) error {
	return os.MkdirAll(filepath.FromSlash(name), perm)
}

// ReadDir is os.ReadDir.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(filepath.FromSlash(name)) }

// Stat is os.Stat.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(filepath.FromSlash(name)) }

// Rename is os.Rename.
func (OS) Rename(from, to string) error {
	return os.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

// Remove is os.Remove.
func (OS) Remove(name string) error { return os.Remove(filepath.FromSlash(name)) }

// HostEnv returns an Env of the machine: its clock, network, file system and randomness, without counters.
func HostEnv(log *slog.Logger) Env {
	var dialer net.Dialer
	var listen net.ListenConfig
	return Env{
		Limits: DefaultLimits(),
		Log:    log, Now: time.Now, Dial: dialer.DialContext, Listen: listen.Listen, FS: OS{}, Rand: rand.Uint64,
		Pressure: func() float64 { return 0 }, Stalled: func(string) bool { return false },
		Counter: func(string, string) Counter { return discard{} },
		Shared:  func(_ string, make func() any) any { return make() },
		Health:  func(error) {},
	}
}

type discard struct{}

func (discard) Add(int64) {}
