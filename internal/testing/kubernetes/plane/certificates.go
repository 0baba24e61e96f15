package plane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files of keys and certificates, in the directory of a control plane.
const (
	authority  = "ca.crt"
	serverCert = "server.crt"
	serverKey  = "server.key"
	adminCert  = "admin.crt"
	adminKey   = "admin.key"
	accountKey = "accounts.key" // signs tokens of service accounts
)

// certificates makes keys and certificates for a control plane on loopback, of which nothing is left but files in a directory:
// the authority's key is forgotten.
func certificates(dir string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if err := write(dir, authority, "CERTIFICATE", der); err != nil {
		return err
	}
	issue := func(cert, key string, c *x509.Certificate) error {
		private, err := newKey(dir, key)
		if err != nil {
			return err
		}
		c.NotBefore, c.NotAfter, c.KeyUsage = ca.NotBefore, ca.NotAfter, x509.KeyUsageDigitalSignature
		der, err := x509.CreateCertificate(rand.Reader, c, ca, private.Public(), caKey)
		if err != nil {
			return err
		}
		return write(dir, cert, "CERTIFICATE", der)
	}
	if err := issue(serverCert, serverKey, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}); err != nil {
		return err
	}
	if err := issue(adminCert, adminKey, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return err
	}
	_, err = newKey(dir, accountKey)
	return err
}

// newKey makes a private key and writes it to a file.
func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, write(dir, name, "EC PRIVATE KEY", der)
}

// write writes a file of PEM.
func write(dir, name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
