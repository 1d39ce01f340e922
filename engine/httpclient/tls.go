package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"dataflow/engine"
)

// TLS is the tls option of what speaks HTTP.
type TLS struct {
	CA                 engine.File `yaml:"ca" doc:"PEM file of the authorities that are trusted, instead of the system's"`
	Cert               engine.File `yaml:"cert" doc:"PEM file of the client's certificate"`
	Key                engine.File `yaml:"key" doc:"PEM file of the client's key"`
	ServerName         string      `yaml:"server_name" doc:"name that the server's certificate must have, if it is not the URL's host"`
	InsecureSkipVerify bool        `yaml:"insecure_skip_verify" doc:"accept any certificate of the server"`
}

// Config returns the TLS configuration, with now as its clock. An error is one of [engine.FieldError] with the path tls.*.
func (t TLS) Config(now func() time.Time) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, Time: now,
	}
	if t.CA.Path != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA.Data) {
			return nil, engine.FieldError("tls.ca", fmt.Errorf("%s holds no PEM certificate", t.CA.Path))
		}
	}
	if (t.Cert.Path == "") != (t.Key.Path == "") {
		return nil, engine.FieldError("tls.key", errors.New("cert and key belong together"))
	}
	if t.Cert.Path != "" {
		pair, err := tls.X509KeyPair(t.Cert.Data, t.Key.Data)
		if err != nil {
			return nil, engine.FieldError("tls.cert", fmt.Errorf("reading %s and %s: %w", t.Cert.Path, t.Key.Path, err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
