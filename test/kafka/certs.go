package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates of a cluster in its folder certs, each as NAME.pem and NAME.key: the authorities ca and other-ca, which nobody trusts, and
// signed by ca server, client, expired-server, expired-client, strange-server (another name), by other-ca other-client.
type issuer struct {
	dir    string
	serial int64
	cert   map[string]*x509.Certificate
	key    map[string]*ecdsa.PrivateKey
}

// writeCertificates makes all certificates below dir.
func writeCertificates(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	i := &issuer{dir: dir, cert: map[string]*x509.Certificate{}, key: map[string]*ecdsa.PrivateKey{}}
	later, past := time.Now().AddDate(10, 0, 0), time.Now().Add(-24*time.Hour)
	loopback := []string{"localhost", "127.0.0.1", "::1"}
	for _, c := range []struct {
		name, by string
		until    time.Time
		names    []string
	}{
		{"ca", "", later, nil},
		{"other-ca", "", later, nil},
		{"server", "ca", later, loopback},
		{"client", "ca", later, loopback},
		{"expired-server", "ca", past, loopback},
		{"expired-client", "ca", past, loopback},
		{"strange-server", "ca", later, []string{"kafka.example"}},
		{"other-client", "other-ca", later, loopback},
	} {
		if err := i.issue(c.name, c.by, c.until, c.names); err != nil {
			return fmt.Errorf("making certificate %s: %w", c.name, err)
		}
	}
	return nil
}

// issue makes a certificate; that without an issuer is an authority.
func (i *issuer) issue(name, by string, until time.Time, names []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	i.serial++
	spec := &x509.Certificate{
		SerialNumber: big.NewInt(i.serial), Subject: pkix.Name{CommonName: "test " + name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			spec.IPAddresses = append(spec.IPAddresses, ip)
		} else {
			spec.DNSNames = append(spec.DNSNames, n)
		}
	}
	parent, signer := i.cert[by], i.key[by]
	if by == "" {
		spec.IsCA, spec.KeyUsage, spec.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		parent, signer = spec, key
	}
	der, err := x509.CreateCertificate(rand.Reader, spec, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	if i.cert[name], err = x509.ParseCertificate(der); err != nil {
		return err
	}
	i.key[name] = key
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for suffix, data := range map[string][]byte{".pem": cert, ".key": private, ".keystore.pem": append(append([]byte{}, private...), cert...)} {
		if err := os.WriteFile(filepath.Join(i.dir, name+suffix), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
