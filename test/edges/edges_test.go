// Package edges holds what listens and what strangers send to the guarantees E1 to E10, on the command as it is: a process of its own.
package edges

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dataflow/test/harness"
)

var engine string

func TestMain(m *testing.M) {
	if address := os.Getenv(asClient); address != "" {
		os.Exit(reach(address))
	}
	if address := os.Getenv(asCrowd); address != "" {
		os.Exit(beCrowd(address))
	}
	os.Exit(withBinary(m))
}

// withBinary runs the tests with the command built.
func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "engine-edges")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if engine, err = harness.Binary(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// process is an engine that runs.
type process struct {
	*exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Write adds to the log.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// run starts the command in a folder; it ends with the test.
func run(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(engine, args...), ended: make(chan struct{})}
	p.Dir, p.Stderr = dir, p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // its exit code is asked for
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			t.Errorf("it does not end:\n%s", p.said())
			_ = p.Process.Kill()
			<-p.ended
		}
	})
	return p
}

// serve starts a graph and waits until its source says that it serves.
func serve(t *testing.T, graph string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "graph.yaml", graph)
	p := run(t, dir, append([]string{"run", "graph.yaml"}, args...)...)
	err := harness.Until(30*time.Second, func() (bool, error) {
		select {
		case <-p.ended:
			return false, fmt.Errorf("it ended:\n%s", p.said())
		default:
			return strings.Contains(p.said(), "msg=serving ") || strings.Contains(p.said(), `"msg":"serving"`), nil
		}
	})
	if err != nil {
		t.Fatal(err, p.said())
	}
	return p
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// graphOf is http -> discard. Options are those of the source, in flow style.
func graphOf(options string) string {
	return "version: 1\nname: edges\nlimits: {memory: 160MiB, in_flight: 32MiB}\nsources:\n  in: {type: http, " + options + "}\nsinks:\n  out: {type: discard, from: in}\n"
}

func freeAddress(t *testing.T) string {
	t.Helper()
	a, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certificate writes a certificate for loopback and its key into a folder.
func certificate(t *testing.T, dir string) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "edges"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, dir, "cert.pem", string(certPEM))
	write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(certPEM)
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), trust
}

// metric returns the value of a series of the admin server, the first whose name and labels contain all the words.
func metric(t *testing.T, admin string, words ...string) (value float64, found bool) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
lines:
	for line := range strings.Lines(text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:], &value); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return value, true
	}
	return 0, false
}
