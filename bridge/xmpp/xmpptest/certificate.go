package xmpptest

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
	"path/filepath"
	"time"
)

// The files of a server's certificate, in its folder.
const (
	caFile   = "ca.crt"
	certFile = "server.crt"
	keyFile  = "server.key"
	bothFile = "server.pem" // what ejabberd wants: key and certificate
)

// makeCertificate writes a certificate authority and a certificate of it for
// the domain and everything one label below. The server gets a new one at each
// Start, also in a folder that it had before.
func (s *Server) makeCertificate() error {
	ca, caKey, err := issue(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "Authority of " + s.Domain},
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return err
	}
	name := s.options.CertificateDomain
	if name == "" {
		name = s.Domain
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "*." + name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if s.options.CertificateExpired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	leaf, leafKey, err := issue(template, ca, caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		return fmt.Errorf("encode the server's key: %w", err)
	}
	caPEM, certPEM := encode("CERTIFICATE", ca.Raw), encode("CERTIFICATE", leaf.Raw)
	keyPEM := encode("EC PRIVATE KEY", keyDER)
	s.RootCAs = x509.NewCertPool()
	s.RootCAs.AddCert(ca)
	s.CAFile = filepath.Join(s.dir, caFile)
	for file, content := range map[string][]byte{
		caFile: caPEM, certFile: certPEM, keyFile: keyPEM, bothFile: bytes.Join([][]byte{keyPEM, certPEM}, nil),
	} {
		if err := s.write(file, content); err != nil {
			return err
		}
	}
	return nil
}

// issue makes a key and a certificate for it, signed by the parent or, without
// one, by itself.
func issue(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template.NotBefore = time.Now().Add(-24 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read back a certificate: %w", err)
	}
	return cert, key, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
