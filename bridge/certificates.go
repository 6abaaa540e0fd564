package bridge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// certificateFiles are the files that the variables name. "" is none.
type certificateFiles struct {
	caVariable, ca    string
	prefix, cert, key string // of the client; the variables begin with prefix
}

// certificates are what is in certificateFiles.
type certificates struct{ ca, cert, key string }

// maxCertificates bounds what is read of one file, in bytes. The authorities of a
// whole system have a quarter of that.
const maxCertificates = 1 << 20

func envCertificateFiles() (f certificateFiles, err error) {
	f.caVariable, f.ca = otlpEnv("CERTIFICATE")
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_LOGS_CLIENT_", "OTEL_EXPORTER_OTLP_CLIENT_"} {
		cert, key := os.Getenv(prefix+"CERTIFICATE"), os.Getenv(prefix+"KEY")
		if cert == "" && key == "" {
			continue
		}
		if cert == "" || key == "" {
			return f, fmt.Errorf("variables %[1]sCERTIFICATE and %[1]sKEY: one is set without the other", prefix)
		}
		f.prefix, f.cert, f.key = prefix, cert, key
		break
	}
	return f, nil
}

func (f certificateFiles) read() (c certificates, err error) {
	return f.each(func(file, _ string) (string, error) { return readBounded(file) }, certificates{})
}

// readAgain reads the regular files. A pipe gave what it had the first time.
func (f certificateFiles) readAgain(before certificates) (certificates, error) {
	return f.each(func(file, before string) (string, error) {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		if !info.Mode().IsRegular() {
			return before, nil
		}
		return readBounded(file)
	}, before)
}

func (f certificateFiles) each(read func(file, before string) (string, error), before certificates) (c certificates, err error) {
	for _, of := range []struct {
		variable, file, before string
		to                     *string
	}{
		{f.caVariable, f.ca, before.ca, &c.ca},
		{f.prefix + "CERTIFICATE", f.cert, before.cert, &c.cert},
		{f.prefix + "KEY", f.key, before.key, &c.key},
	} {
		if of.file == "" {
			continue
		}
		if *of.to, err = read(of.file, of.before); err != nil {
			return c, fmt.Errorf("read the file of the variable %s: %w", of.variable, err)
		}
	}
	return c, nil
}

func readBounded(file string) (text string, err error) {
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxCertificates {
		return "", fmt.Errorf("%s has more than %d MiB; name a file with certificates", file, maxCertificates>>20)
	}
	return string(b), nil
}

// config returns the TLS settings, nil if there are none. otlploghttp would go on
// without them if a file cannot be read.
func (f certificateFiles) config(c certificates) (*tls.Config, error) {
	if f == (certificateFiles{}) {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		var err error
		if cfg.RootCAs, err = authorities([]byte(c.ca)); err != nil {
			return nil, fmt.Errorf("read certificate of the variable %s: %s %w", f.caVariable, f.ca, err)
		}
	}
	if f.cert != "" {
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err == nil {
			err = whole([]byte(c.cert))
		}
		if err != nil {
			return nil, fmt.Errorf("read client certificate of the variables %[1]sCERTIFICATE and %[1]sKEY: %[2]w", f.prefix, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// authorities returns the certificates of a PEM file.
func authorities(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, whole(text)
}

// whole returns an error if the last PEM block of text is cut off: what decodes PEM
// leaves such a block out.
func whole(text []byte) error {
	for {
		block, rest := pem.Decode(text)
		if block != nil {
			text = rest
			continue
		}
		if bytes.Contains(text, []byte("-----BEGIN")) {
			return errors.New("ends within a PEM block")
		}
		return nil
	}
}
