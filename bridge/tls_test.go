package bridge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/bridge"
)

// authority is a certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// issue returns the PEM files of a certificate and its key.
func (a *authority) issue(t *testing.T, name string, usage x509.ExtKeyUsage) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, "CERTIFICATE", der), pemFile(t, "PRIVATE KEY", keyDER)
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	return file
}

func TestClientCertificateOfTheVariablesIsShown(t *testing.T) {
	clearEnv(t)
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	serverCert, serverKey := ours.issue(t, "collector", x509.ExtKeyUsageServerAuth)
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	var c collector
	s := httptest.NewUnstartedServer(&c)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12,
	}
	s.TLS.ClientCAs.AddCert(ours.cert)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	path := logPath(t)
	write(t, path, line("a")+"\n")

	clientCert, clientKey := ours.issue(t, "bridge", x509.ExtKeyUsageClientAuth)
	foreignCert, foreignKey := others.issue(t, "bridge", x509.ExtKeyUsageClientAuth)
	ca := pemFile(t, "CERTIFICATE", ours.cert.Raw)
	for _, tt := range []struct {
		name          string
		ca, cert, key string
		stops         bool
	}{
		{"no client certificate", ca, "", "", true},
		{"that of another authority", ca, foreignCert, foreignKey, true},
		{"no authority", "", clientCert, clientKey, true},
		{"all", ca, clientCert, clientKey, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
			t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", tt.ca)
			t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", tt.cert)
			t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", tt.key)
			b, err := bridge.New(path)
			if err != nil {
				t.Fatal(err)
			}
			stats, err := b.Run(t.Context())
			if tt.stops {
				if stop, ok := errors.AsType[*bridge.StopError](err); !ok || stop.Hint == "" || stats.Sent > 0 {
					t.Errorf("got %+v, %v, want a StopError with a hint", stats, err)
				}
				return
			}
			if err != nil || stats.Sent != 1 {
				t.Errorf("got %+v, %v, want 1 sent", stats, err)
			}
		})
	}
}

func TestTLSConfigWinsOverTheVariables(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", pemFile(t, "CERTIFICATE", newAuthority(t, "others").cert.Raw))
	var c collector
	s := httptest.NewTLSServer(&c)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	path := logPath(t)
	write(t, path, line("a")+"\n")
	if got := run(t, path, s.URL, bridge.WithTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})); got.Sent != 1 {
		t.Errorf("got %+v, want 1 sent", got)
	}
}
