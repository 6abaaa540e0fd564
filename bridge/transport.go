package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// transport makes the round trips unless the caller brings a transport. It reads
// the certificate files of the variables again when they change. It is safe for
// concurrent use.
type transport struct {
	files    certificateFiles
	logger   *slog.Logger
	inFlight int

	mu      sync.Mutex
	http    *http.Transport
	used    certificates // of http
	looked  time.Time    // when the files were read last
	refused string       // the last warning, "" while the files are as http has them
}

var _ http.RoundTripper = (*transport)(nil)

// renewInterval is how often the certificate files are read again at most.
const renewInterval = time.Second

func newTransport(c config) (*transport, error) {
	t := &transport{logger: c.logger, inFlight: c.inFlight}
	if c.tls != nil {
		t.http = newHTTPTransport(c.tls.Clone(), c.inFlight) // the transport adds to it
		return t, nil
	}
	var err error
	if t.files, err = envCertificateFiles(); err != nil {
		return nil, err
	}
	if t.used, err = t.files.read(); err != nil {
		return nil, err
	}
	cfg, err := t.files.config(t.used)
	if err != nil {
		return nil, err
	}
	t.http, t.looked = newHTTPTransport(cfg, c.inFlight), time.Now()
	return t, nil
}

// RoundTrip makes one request, with the certificates that are on disk now.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.renewed().RoundTrip(req)
}

// renewed returns the transport with the certificates on disk, or with the last
// good ones. A request that is under way keeps its connection.
func (t *transport) renewed() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == (certificateFiles{}) || time.Since(t.looked) < renewInterval {
		return t.http
	}
	t.looked = time.Now()
	now, err := t.files.readAgain(t.used)
	var cfg *tls.Config
	if err == nil && now != t.used {
		cfg, err = t.files.config(now)
	}
	switch {
	case err != nil:
		if text := err.Error(); text != t.refused {
			t.refused = text
			t.logger.Warn("a renewed certificate cannot be used; the old one stays in use until the files change again", slog.String("error", text))
		}
		return t.http
	case cfg != nil:
		old := t.http
		t.http, t.used = newHTTPTransport(cfg, t.inFlight), now
		old.CloseIdleConnections()
		t.logger.Info("renewed certificates are in use")
	}
	t.refused = ""
	return t.http
}

// close closes idle connections.
func (t *transport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.http.CloseIdleConnections()
}

const handshakeTimeout = 10 * time.Second

// newHTTPTransport equals the transport of otlploghttp, which WithHTTPClient
// replaces together with its TLS settings, but that its connections recognise HTTP/2
// where HTTP/1 was asked for. It is no clone of [http.DefaultTransport], which a
// program may have replaced.
func newHTTPTransport(cfg *tls.Config, inFlight int) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &http1Conn{Conn: conn}, nil
		},
		TLSClientConfig:       cfg, // behind a proxy
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   inFlight, // the default of 2 would close the others after each request
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   handshakeTimeout,
		ExpectContinueTimeout: time.Second,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			return &proxyError{answer.StatusCode, answer.Header}
		},
	}
	t.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dialTLS(ctx, dialer, cfg, network, addr)
	}
	return t
}

// dialTLS returns a [*tls.Conn] if the peers agree on HTTP/2, which tells that to
// the transport.
func dialTLS(ctx context.Context, dialer *net.Dialer, cfg *tls.Config, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if cfg = cfg.Clone(); cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if cfg.NextProtos == nil {
		cfg.NextProtos = []string{"h2", "http/1.1"}
	}
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout, errHandshakeTimeout)
	defer cancel()
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
			err = cause
		}
		return nil, errors.Join(err, closed(conn))
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		return secured, nil
	}
	return &http1Conn{Conn: secured}, nil
}

var errHandshakeTimeout = errors.New("no TLS handshake within " + handshakeTimeout.String())

// closed closes conn. The handshake may have closed it, which is no error.
func closed(conn net.Conn) error {
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// proxyError is what a proxy answered to CONNECT, which asks it for a connection to
// the endpoint. The transport takes 200 alone.
type proxyError struct {
	status int
	header http.Header
}

func (e *proxyError) Error() string {
	text := fmt.Sprintf("the proxy answered %d", e.status)
	if name := http.StatusText(e.status); name != "" {
		text += " " + name
	}
	return text + " to CONNECT"
}

// What a peer sends where an answer of HTTP/1 is due.
var (
	// Servers of gRPC begin with a frame: RFC 9113 section 3.4 has a server send SETTINGS.
	errHTTP2 = errors.New("the endpoint speaks HTTP/2 only, as servers of gRPC do")
	// Servers of TLS answer plain HTTP with an alert, RFC 8446 section 6.
	errTLS = errors.New("the endpoint speaks TLS, and was asked without")
)

// http1Conn is a connection for HTTP/1. Its reads end with errHTTP2 or errTLS if the
// peer begins with a frame of HTTP/2 or an alert of TLS. Not more than one goroutine
// reads from it.
type http1Conn struct {
	net.Conn
	decided bool
}

const (
	// frameHeader is the size of the header of a frame, RFC 9113 section 4.1: length
	// (3 bytes), type (1), flags (1), stream (4).
	frameHeader = 9
	// alertRecord is the size of a record of TLS with an alert, RFC 8446 sections 5.1
	// and 6: type (1), version (2), length (2), level (1), description (1).
	alertRecord = 7
)

// Read reads the first bytes of a peer until they tell what it speaks: they may come
// in parts. No answer of HTTP/1 begins with the first byte of either other protocol.
func (c *http1Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.decided || n == 0 {
		return n, err
	}
	c.decided = true
	const ofFrame, ofAlert = 0, 21 // no first frame has 64 KiB
	need := 0
	switch p[0] {
	case ofFrame:
		need = frameHeader
	case ofAlert:
		need = alertRecord
	}
	for err == nil && n < need && n < len(p) {
		var more int
		more, err = c.Conn.Read(p[n:])
		n += more
	}
	if need == 0 || n < need {
		return n, err
	}
	switch p[0] {
	case ofFrame:
		const settings, goAway = 4, 7
		if kind, stream := p[3], p[5:frameHeader]; (kind == settings || kind == goAway) && string(stream) == "\x00\x00\x00\x00" {
			return 0, errHTTP2
		}
	case ofAlert:
		if version, length := p[1], p[3:5]; version == 3 && string(length) == "\x00\x02" {
			return 0, errTLS
		}
	}
	return n, err
}
