package kafka

import (
	"bufio"
	"context"
	crand "crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options say what a [Cluster] is.
type Options struct {
	Version string // [Kafka3] or [Kafka4]
	Nodes   int    // 1 if 0; each is broker and controller
	// Security adds listeners with users and certificates to PLAINTEXT.
	Security bool
	// Properties are further lines of every node's configuration. The last one wins.
	Properties []string
	// Heap is the memory of a node as Java's options have it, KAFKA_HEAP or "-Xms64m -Xmx320m" if empty. Several nodes, which share this machine and are
	// started again and again, get "-XX:+UseSerialGC -XX:TieredStopAtLevel=1" besides: they start in half the time.
	Heap string
}

// Cluster is a running Kafka. Its folder holds configuration, data and logs.
type Cluster struct {
	options Options
	dir     string
	libs    string
	ports   int // the first one

	mu     sync.Mutex
	nodes  map[int]*process
	client *kgo.Client // of [Cluster.admin]
}

// process is a running node.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it said so
	done  chan struct{} // closed when it has ended
}

// quickStart are options of Java for programs that do not run for long.
const quickStart = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"

const (
	portsPerNode = 100
	startTimeout = 90 * time.Second
	stopTimeout  = 30 * time.Second
)

// Start installs Kafka if need be, and runs a cluster in an empty folder until all nodes are ready.
func Start(ctx context.Context, dir string, o Options) (*Cluster, error) {
	o.Nodes = max(1, o.Nodes)
	if o.Heap == "" {
		o.Heap = os.Getenv("KAFKA_HEAP")
	}
	if o.Heap == "" {
		o.Heap = "-Xms64m -Xmx320m"
		if o.Nodes > 1 {
			o.Heap += " " + quickStart
		}
	}
	libs, err := Install(ctx, o.Version)
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: o, dir: dir, libs: libs, nodes: map[int]*process{}}
	if c.ports, err = freePorts(o.Nodes); err != nil {
		return nil, err
	}
	if err := c.configure(ctx); err != nil {
		return nil, err
	}
	for node := 1; node <= o.Nodes; node++ {
		if err := c.launch(node); err != nil {
			c.Close()
			return nil, err
		}
	}
	for node := 1; node <= o.Nodes; node++ {
		if err := c.awaitReady(ctx, node); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// freePorts finds room for the ports of all nodes, below those that the kernel hands out to clients.
func freePorts(nodes int) (int, error) {
	const lowest, highest = 15000, 32000
	for range 50 {
		first := lowest + rand.IntN((highest-lowest-nodes*portsPerNode)/10)*10
		if allFree(first, nodes) {
			return first, nil
		}
	}
	return 0, errors.New("starting Kafka: no free ports")
}

func allFree(first, nodes int) bool {
	for node := range nodes {
		for i := range listeners {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+node*portsPerNode+i)))
			if err != nil {
				return false
			}
			l.Close()
		}
	}
	return true
}

func (c *Cluster) listeners() []string {
	if c.options.Security {
		return listeners
	}
	return listeners[:2]
}

func (c *Cluster) address(node int, listener string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports+(node-1)*portsPerNode+slices.Index(listeners, listener)))
}

func (c *Cluster) node(n int) string { return filepath.Join(c.dir, "node"+strconv.Itoa(n)) }

// Brokers returns the addresses of a listener, as in PLAINTEXT or SASL_SSL, on all nodes.
func (c *Cluster) Brokers(listener string) []string {
	var out []string
	for node := 1; node <= c.options.Nodes; node++ {
		out = append(out, c.address(node, listener))
	}
	return out
}

// Certificate returns the path of a file of the certificates.
func (c *Cluster) Certificate(file string) string { return filepath.Join(c.dir, "certs", file) }

// configure writes the configuration and formats the nodes' storage.
func (c *Cluster) configure(ctx context.Context) error {
	if c.options.Security {
		if err := writeCertificates(filepath.Join(c.dir, "certs")); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"log4j.properties": log4j, "log4j2.properties": log4j2} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var id [16]byte
	_, _ = crand.Read(id[:]) // never fails
	id[0] &= 0x7f            // else it may begin with a hyphen, and be taken for an option
	for node := 1; node <= c.options.Nodes; node++ {
		if err := os.MkdirAll(c.node(node), 0o700); err != nil {
			return err
		}
		file := filepath.Join(c.node(node), "server.properties")
		if err := os.WriteFile(file, []byte(c.properties(node)), 0o600); err != nil {
			return err
		}
		args := []string{"format", "-t", base64.RawURLEncoding.EncodeToString(id[:]), "-c", file}
		if c.options.Security { // users of SCRAM are part of the first format
			args = append(args, "--add-scram", "SCRAM-SHA-256=[name=bob,password=bob-secret]", "--add-scram", "SCRAM-SHA-512=[name=carol,password=carol-secret]")
		}
		if out, err := exec.CommandContext(ctx, "java", append(strings.Fields(quickStart), c.java("kafka.tools.StorageTool", args...)...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("formatting node %d: %w\n%s", node, err, out)
		}
	}
	return nil
}

func (c *Cluster) java(class string, args ...string) []string {
	out := append(strings.Fields(c.options.Heap), "-Djava.awt.headless=true",
		"-Dlog4j.configuration=file:"+filepath.Join(c.dir, "log4j.properties"), "-Dlog4j2.configurationFile="+filepath.Join(c.dir, "log4j2.properties"),
		"-cp", filepath.Join(c.libs, "*"), class)
	return append(out, args...)
}

// launch starts a node without waiting for it.
func (c *Cluster) launch(node int) error {
	log, err := os.OpenFile(filepath.Join(c.node(node), "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command("java", c.java("kafka.Kafka", filepath.Join(c.node(node), "server.properties"))...), ready: make(chan struct{}), done: make(chan struct{})}
	withTest(p.cmd)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		log.Close()
		return err
	}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		log.Close()
		return fmt.Errorf("starting node %d: %w", node, err)
	}
	go func() {
		defer close(p.done)
		defer log.Close()
		said := false
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			_, _ = io.WriteString(log, line)
			if !said && strings.Contains(line, ready) {
				said = true
				close(p.ready)
			}
			if err != nil {
				_ = p.cmd.Wait()
				return
			}
		}
	}()
	c.mu.Lock()
	c.nodes[node] = p
	c.mu.Unlock()
	return nil
}

func (c *Cluster) awaitReady(ctx context.Context, node int) error {
	p, err := c.running(node)
	if err != nil {
		return err
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		return fmt.Errorf("node %d has ended at its start:\n%s", node, c.tail(node))
	case <-timeout.C:
		return fmt.Errorf("node %d is not ready after %v:\n%s", node, startTimeout, c.tail(node))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tail returns the end of a node's log.
func (c *Cluster) tail(node int) string {
	text, err := os.ReadFile(filepath.Join(c.node(node), "server.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (c *Cluster) running(node int) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.nodes[node]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("node %d does not run", node)
}

// Signal sends a signal to a node.
func (c *Cluster) Signal(node int, s syscall.Signal) error {
	p, err := c.running(node)
	if err != nil {
		return err
	}
	return p.cmd.Process.Signal(s)
}

// Kill ends a node as a crash does.
func (c *Cluster) Kill(node int) error { return c.end(node, syscall.SIGKILL) }

// Stop ends a node in order, by SIGKILL if it takes too long.
func (c *Cluster) Stop(node int) error { return c.end(node, syscall.SIGTERM) }

func (c *Cluster) end(node int, s syscall.Signal) error {
	p, err := c.running(node)
	if err != nil {
		return err
	}
	_ = p.cmd.Process.Signal(s)
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	c.mu.Lock()
	delete(c.nodes, node)
	c.mu.Unlock()
	return nil
}

// Restart starts a node that was ended, on its data, and waits until it is ready.
func (c *Cluster) Restart(ctx context.Context, node int) error {
	if err := c.launch(node); err != nil {
		return err
	}
	return c.awaitReady(ctx, node)
}

// Mend starts the nodes that do not run, as those that a test has left so when it failed.
func (c *Cluster) Mend(ctx context.Context) error {
	for node := 1; node <= c.options.Nodes; node++ {
		if _, err := c.running(node); err == nil {
			continue
		}
		if err := c.Restart(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all nodes, as a crash does: nobody needs what they hold. Their folder stays.
func (c *Cluster) Close() {
	c.mu.Lock()
	if c.client != nil {
		c.client.Close()
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for node := 1; node <= c.options.Nodes; node++ {
		wg.Go(func() { _ = c.Kill(node) })
	}
	wg.Wait()
}
