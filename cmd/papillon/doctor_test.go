package main

import (
	"net"
	"strings"
	"testing"
)

// TestDoctorListeners: what keeps serve from listening is found before it is started, in
// serve's own words; another program at its address is not taken for it.
func TestDoctorListeners(t *testing.T) {
	freshInstall(t)
	must(t, "account", "add", "alice")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	for name, c := range map[string]struct {
		set  map[string]string
		want string
	}{
		"port":         {map[string]string{"MSN_LISTEN": inUse}, "WRONG msn.listen " + inUse + ": " + inUse + " is in use: stop the other server or set msn.listen"},
		"further port": {map[string]string{"MSN_EXTRA_LISTEN": inUse}, "WRONG msn.extra_listen " + inUse + ": "},
		"HTTP port":    {map[string]string{"HTTP_LISTEN": inUse}, "WRONG http.listen " + inUse + ": "},
		"certificate": {
			map[string]string{"MSN_TLS_LISTEN": "127.0.0.1:0", "MSN_TLS_CERT": "cert.pem", "MSN_TLS_KEY": "key.pem"},
			"WRONG msn.tls.listen 127.0.0.1:0: load the certificate of msn.tls: open ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PAPILLON_MSN_LISTEN", "127.0.0.1:0")
			for key, value := range c.set {
				t.Setenv("PAPILLON_"+key, value)
			}
			r := command(t, "", "doctor")
			if r.code != exitFailed || !strings.Contains(r.out, c.want) || !strings.Contains(r.out, "ok    no server runs") {
				t.Errorf("%+v", r)
			}
		})
	}
}
