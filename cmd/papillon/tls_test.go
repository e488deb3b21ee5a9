package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// writeCertificate makes a certificate for 127.0.0.1 and returns its files and a
// pool that trusts it.
func writeCertificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "papillon"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}

// TestFurtherListeners: one server on several addresses, one of them with TLS.
func TestFurtherListeners(t *testing.T) {
	cert, key, pool := writeCertificate(t)
	c, password := install(t, func(c *Config) {
		c.MSN.ExtraListen = []string{freeAddr(t)}
		c.MSN.TLS = TLSConfig{Listen: freeAddr(t), Cert: cert, Key: key}
	})
	stop := startServe(t, c)
	secure := func(ctx context.Context, addr string) (net.Conn, error) {
		return (&tls.Dialer{Config: &tls.Config{RootCAs: pool}}).DialContext(ctx, "tcp", addr)
	}
	for addr, dial := range map[string]func(context.Context, string) (net.Conn, error){
		c.MSN.ExtraListen[0]: nil, c.MSN.TLS.Listen: secure,
	} {
		alice, err := msnptest.Dial(t.Context(), addr, msnptest.Options{
			Handle: "alice@example.org", Password: password, Status: msnp.Online, Dial: dial,
		})
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		if _, err := alice.Chat(t.Context(), "papillon@example.org"); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
		alice.Close()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
