package sources

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"dataflow/engine"
)

// reloadEvery is how often the files of certificates are looked at, on a handshake.
const reloadEvery = 5 * time.Second

// certificates serves the newest certificate that can be read. It is asked on each handshake.
type certificates struct {
	env    engine.Env
	config httpTLS

	mu     sync.Mutex
	looked time.Time
	stamp  string // of the files as they were read
	tls    *tls.Config
}

func (s *httpSource) tlsConfig() (*tls.Config, error) {
	c := &certificates{env: s.env, config: s.config.TLS}
	c.looked = c.env.Now()
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}, nil
}

var protocols = []string{"h2", "http/1.1"}

// current returns the configuration, read again if a file has changed. What cannot be read leaves the one before.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.env.Now(); now.Sub(c.looked) >= reloadEvery {
		c.looked = now
		if c.stamp != c.stamps() {
			if err := c.read(); err != nil {
				c.env.Log.Error("the certificate stays as it was", "error", err)
			} else {
				c.env.Log.Info("the certificate was read again")
			}
		}
	}
	return c.tls
}

// stamps says of which state the files are.
func (c *certificates) stamps() string {
	var out strings.Builder
	for _, path := range []string{c.config.Cert, c.config.Key, c.config.ClientCA} {
		if path == "" {
			continue
		}
		if info, err := c.env.FS.Stat(path); err == nil {
			fmt.Fprintln(&out, info.ModTime().UnixNano(), info.Size())
		}
	}
	return out.String()
}

func (c *certificates) read() error {
	stamp := c.stamps()
	cert, err := c.file(c.config.Cert)
	if err != nil {
		return err
	}
	key, err := c.file(c.config.Key)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("reading the certificate %s with the key %s: %w", c.config.Cert, c.config.Key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{pair}}
	if c.config.ClientCA != "" {
		pem, err := c.file(c.config.ClientCA)
		if err != nil {
			return err
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("reading %s: %w", c.config.ClientCA, errNoCertificate)
		}
	}
	c.tls, c.stamp = config, stamp
	return nil
}

var errNoCertificate = errors.New("holds no certificate")

func (c *certificates) file(path string) ([]byte, error) {
	f, err := c.env.FS.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 1 << 20
	return io.ReadAll(io.LimitReader(f, most))
}
