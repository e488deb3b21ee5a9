package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeRefuses: what keeps serve from starting is said in one line that
// names what to change.
func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	setenv := func(name, value string) func(*testing.T) {
		return func(t *testing.T) { t.Setenv(name, value) }
	}
	matrix := func(t *testing.T) {
		t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "http://127.0.0.1:1")
		t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", "example.org")
		t.Setenv("PAPILLON_MATRIX_LISTEN", freeAddr(t))
	}
	for name, c := range map[string]struct {
		prepare func(*testing.T)
		want    string
	}{
		"port in use":             {setenv("PAPILLON_MSN_LISTEN", inUse), inUse + " is in use: stop the other server or set msn.listen"},
		"further port in use":     {setenv("PAPILLON_MSN_EXTRA_LISTEN", inUse), "msn.extra_listen"},
		"HTTP port in use":        {setenv("PAPILLON_HTTP_LISTEN", inUse), "http.listen"},
		"Matrix port in use":      {func(t *testing.T) { matrix(t); t.Setenv("PAPILLON_MATRIX_LISTEN", inUse) }, "matrix.listen"},
		"another's address":       {setenv("PAPILLON_MSN_LISTEN", "192.0.2.1:1863"), "192.0.2.1:1863 is no address of this machine: set msn.listen"},
		"no registration":         {func(t *testing.T) { matrix(t); remove(t, "registration-msn.yaml") }, "papillon init"},
		"no key":                  {func(t *testing.T) { remove(t, "papillon.key") }, "papillon.key"},
		"damaged key":             {func(t *testing.T) { write(t, "papillon.key", "garbage") }, "papillon.key"},
		"another's key":           {anothersKey, "papillon.key does not fit database"},
		"database in no folder":   {setenv("PAPILLON_STORE_PATH", "nowhere/papillon.db"), "store.path"},
		"database is a folder":    {setenv("PAPILLON_STORE_PATH", "."), "store.path"},
		"database is no database": {func(t *testing.T) { write(t, "papillon.db", strings.Repeat("garbage", 1000)) }, "store.path"},
		"database is served":      {servedAlready, "another papillon serve runs on database"},
		"media cache is a file": {func(t *testing.T) {
			must(t, "account", "list") // makes the database, of which serve would tell
			t.Setenv("PAPILLON_HTTP_LISTEN", freeAddr(t))
			t.Setenv("PAPILLON_MEDIA_CACHE", "config.yaml")
		}, "or change the setting"},
		"no certificate": {func(t *testing.T) {
			t.Setenv("PAPILLON_MSN_TLS_LISTEN", freeAddr(t))
			t.Setenv("PAPILLON_MSN_TLS_CERT", "cert.pem")
			t.Setenv("PAPILLON_MSN_TLS_KEY", "key.pem")
		}, "cert.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			freshInstall(t)
			t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
			c.prepare(t)
			refuses(t, exitFailed, c.want, "serve")
		})
	}
}

// anothersKey puts another installation's key in the place of ours.
func anothersKey(t *testing.T) {
	must(t, "account", "add", "alice")
	must(t, "init", "--dir", "other")
	write(t, "papillon.key", read(t, "other/papillon.key"))
}

// servedAlready starts another server on the database, on other ports.
func servedAlready(t *testing.T) {
	_, log := program(t, "serve")
	waitForLog(t, log, "Listening for MSN clients")
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// program starts papillon as a process of its own, and returns its log.
func program(t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // has ended unless the test failed
	return cmd, bufio.NewScanner(log)
}

// waitForLog reads the log up to a line with some words.
func waitForLog(t *testing.T, log *bufio.Scanner, words string) {
	t.Helper()
	for log.Scan() {
		if strings.Contains(log.Text(), words) {
			return
		}
	}
	t.Fatalf("the log ended without %q (%v)", words, log.Err())
}

// TestSignals: the first ends serve in good order, a second at once.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		freshInstall(t)
		t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
		cmd, log := program(t, "serve")
		waitForLog(t, log, "Listening for MSN clients")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		waitForLog(t, log, "Stopped")
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", sig, err)
		}
	}
}

func TestSecondSignal(t *testing.T) {
	freshInstall(t)
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
	t.Setenv("PAPILLON_HTTP_LISTEN", freeAddr(t))
	cmd, log := program(t, "serve")
	waitForLog(t, log, "operators")
	// A request that never ends keeps the orderly end waiting.
	nc, err := net.Dial("tcp", os.Getenv("PAPILLON_HTTP_LISTEN"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "GET /healthz HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, log, "Stopping")
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a second signal looks like a good end")
	}
	if took := time.Since(start); took > farewellTime {
		t.Errorf("a second signal took %v", took)
	}
}

// TestTLS: the listener with TLS serves the same protocol.
func TestTLS(t *testing.T) {
	freshInstall(t)
	makeCertificate(t, "cert.pem", "key.pem")
	addr := freeAddr(t)
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
	t.Setenv("PAPILLON_MSN_TLS_LISTEN", addr)
	t.Setenv("PAPILLON_MSN_TLS_CERT", "cert.pem")
	t.Setenv("PAPILLON_MSN_TLS_KEY", "key.pem")
	c, err := loadConfig(configName)
	if err != nil {
		t.Fatal(err)
	}
	stop := startServe(t, c)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(t, "cert.pem"))) {
		t.Fatal("no certificate")
	}
	nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "VER 1 MSNP2 CVR0\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(nc).ReadString('\n'); err != nil || line != "VER 1 MSNP2 CVR0\r\n" {
		t.Errorf("over TLS: %q, %v", line, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// makeCertificate writes a certificate for localhost that signs itself.
func makeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
