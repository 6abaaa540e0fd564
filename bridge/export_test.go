package bridge

import (
	"errors"
	"net"
	"net/http"
)

// WithPolling looks at a log that is followed at each interval of the watcher
// only, so that a test with synctest decides when.
func WithPolling() Option {
	return optionFunc(func(c config) config {
		c.poll = true
		return c
	})
}

// WithProbe sends the first event alone, as is the default, or the first batch whole,
// so that the script of a collector meets batches.
func WithProbe(on bool) Option {
	return optionFunc(func(c config) config {
		c.noProbe = !on
		return c
	})
}

// CheckRejectFile is what Run does with the reject file before it sends anything.
func CheckRejectFile(b *Bridge) error {
	r := rejectFile{path: b.rejectFile, beside: b.beside}
	return r.check(b.path)
}

// AppendReject makes an entry of the reject file.
func AppendReject(b *Bridge, entry string) error {
	r := rejectFile{path: b.rejectFile, beside: b.beside}
	return errors.Join(r.append([]byte(entry)), r.close())
}

// NewHTTP1Conn returns conn as a connection for HTTP/1, and the errors of its reads.
func NewHTTP1Conn(conn net.Conn) (c net.Conn, http2, tls error) {
	return &http1Conn{Conn: conn}, errHTTP2, errTLS
}

// ProxyError returns the failure of a request to whose CONNECT a proxy answered.
func ProxyError(status int) error { return &proxyError{status, http.Header{}} }
