package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
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

// errHTTP2 says that the peer sent a frame of HTTP/2 where an answer of HTTP/1 was
// due. Servers of gRPC do: RFC 9113 section 3.4 has a server begin with SETTINGS.
var errHTTP2 = errors.New("the endpoint speaks HTTP/2 only, as servers of gRPC do")

// http1Conn is a connection for HTTP/1. Its reads end with errHTTP2 if the peer
// begins with a frame of HTTP/2. Not more than one goroutine reads from it.
type http1Conn struct {
	net.Conn
	head    [frameHeader]byte // the first bytes
	n       int               // of head
	decided bool
}

// frameHeader is the size of the header of a frame, RFC 9113 section 4.1: length
// (3 bytes), type (1), flags (1), stream (4).
const frameHeader = 9

func (c *http1Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.decided {
		return n, err
	}
	c.n += copy(c.head[c.n:], p[:n])
	switch {
	case c.n == 0:
	case c.head[0] != 0: // no answer of HTTP/1 begins with 0, and no first frame has 64 KiB
		c.decided = true
	case c.n == frameHeader:
		c.decided = true
		const settings, goAway = 4, 7
		if kind, stream := c.head[3], c.head[5:]; (kind == settings || kind == goAway) && string(stream) == "\x00\x00\x00\x00" {
			return 0, errHTTP2
		}
	}
	return n, err
}
