// Package harness runs the engine as its users do, as a process of its own against stand-ins in another one.
package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"dataflow/bench"
)

// Binary builds the command engine into a folder and returns its path.
func Binary(dir string) (string, error) {
	path := filepath.Join(dir, "engine")
	out, err := exec.Command("go", "build", "-o", path, "dataflow/cmd/engine").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the engine: %w\n%s", err, out)
	}
	return path, nil
}

// StandIn starts the stand-ins for Kafka and DataWay in a process of their own. Topics are name:partitions, by commas.
func StandIn(binary, topics string) (*bench.StandIn, error) {
	cmd := exec.Command(binary, "bench", "stand-in", "--topics", topics)
	cmd.Stderr = os.Stderr
	return bench.StartStandIn(cmd)
}

// An Engine is a process that runs a graph.
type Engine struct {
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{}
	err  error
}

// buffer keeps what a process has logged.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the log.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Start runs a graph against stand-ins.
func Start(binary, graph string, s *bench.StandIn, args ...string) (*Engine, error) {
	return start(Command(binary, graph, s.StandInAddresses, args...))
}

func start(cmd *exec.Cmd) (*Engine, error) {
	e := &Engine{cmd: cmd, log: &buffer{}, done: make(chan struct{})}
	cmd.Stderr = e.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		e.err = cmd.Wait()
		close(e.done)
	}()
	return e, nil
}

// Command returns the command that runs a graph against stand-ins.
func Command(binary, graph string, a bench.StandInAddresses, args ...string) *exec.Cmd {
	all := append([]string{"run", graph, "--stand-in", "kafka=" + a.Kafka + ",dataway=" + a.DataWay}, args...)
	return exec.Command(binary, all...)
}

// Kill kills the process with SIGKILL and waits for its end.
func (e *Engine) Kill() {
	_ = e.cmd.Process.Kill()
	<-e.done
}

// Terminate asks the process to end.
func (e *Engine) Terminate() { _ = e.cmd.Process.Signal(syscall.SIGTERM) }

// Stop asks the process to end, waits for it, and returns its exit code.
func (e *Engine) Stop() int {
	e.Terminate()
	return e.Wait()
}

// Wait waits for the process's end and returns its exit code.
func (e *Engine) Wait() int {
	<-e.done
	return e.cmd.ProcessState.ExitCode()
}

// Ended reports whether the process has ended by itself.
func (e *Engine) Ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// Log returns what the process has written to its standard error.
func (e *Engine) Log() string { return e.log.String() }

// Usage returns what the process cost, once it has ended.
func (e *Engine) Usage() bench.Usage { return bench.UsageOf(e.cmd.ProcessState) }

// Graph writes a graph with its scripts to a folder and returns its path. Files are name, text pairs.
func Graph(dir string, files ...string) (string, error) {
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, files[0]), nil
}

// Until polls cond until it holds or the time is over.
func Until(limit time.Duration, cond func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := cond()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing happened within %v", limit)
		}
		<-tick.C
	}
}
