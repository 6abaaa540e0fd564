package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/logid"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// maxAnswer bounds what is read of an answer, as the OTLP specification asks
// for. A longer one is no OTLP answer.
const maxAnswer = 4 << 20

// sender makes one request and says what came of it. What a request looks like
// but for its body, address, headers and compression, is otlploghttp's business:
// it is asked for one, which is kept from going out, and each request is a copy
// of that one. Its own way out is not used, because the error of Export does
// not tell an answer from a failure, a redirect from a success, or a web page from
// a collector, and because the body is not made of SDK records here.
type sender struct {
	exporter *otlploghttp.Exporter
	template *http.Request
	gzip     bool
	url      string
	timeout  time.Duration // of one request, 0: none
	base     http.RoundTripper
	own      *transport   // closed by close; nil if the caller brought one
	fitting  atomic.Int64 // a body of that size is known to be within the exporter's limit
}

// newSender resolves and checks all settings. It sends nothing.
func newSender(c config) (*sender, error) {
	endpoint, err := resolveEndpoint(c)
	if err != nil {
		return nil, err
	}
	if err := checkEnv(c); err != nil {
		return nil, err
	}
	s := new(sender)
	if s.timeout, err = resolveTimeout(c); err != nil {
		return nil, err
	}
	if s.base = c.transport; s.base == nil {
		if s.own, err = newTransport(c); err != nil {
			return nil, err
		}
		s.base = s.own
	}
	opts := []otlploghttp.Option{otlploghttp.WithEndpointURL(endpoint.String())}
	if name, _ := otlpEnv("COMPRESSION"); name == "" {
		opts = append(opts, otlploghttp.WithCompression(otlploghttp.GzipCompression))
	}
	if c.headersSet {
		opts = append(opts, otlploghttp.WithHeaders(c.headers))
	}
	opts = append(opts, c.exporter...)
	opts = append(opts,
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: false}),
		otlploghttp.WithHTTPClient(&http.Client{Transport: kept{}}))
	// The context is not kept.
	if s.exporter, err = otlploghttp.New(context.Background(), opts...); err != nil {
		return nil, fmt.Errorf("make OTLP exporter for %s: %w; a certificate needs an https:// endpoint", endpoint, err)
	}
	if len(c.exporter) == 0 {
		s.fitting.Store(64 << 20) // the exporter's default
	}
	return s, s.learn()
}

// learn asks the exporter what its requests look like: its options may name
// another endpoint too, and the checkpoint is bound to the true one.
func (s *sender) learn() error {
	req, err := s.ask(sdklog.Record{})
	if err != nil {
		return fmt.Errorf("check exporter options: %w", err)
	}
	if _, err := parseEndpoint(req.URL.String()); err != nil {
		return fmt.Errorf("endpoint of the exporter options %w", err)
	}
	switch encoding := req.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		s.gzip = true
	default:
		return fmt.Errorf("content encoding %q of the exporter options: it is not known here; use gzip or none", visible.Cut(encoding))
	}
	s.template, s.url = req, normalise(req.URL)
	return nil
}

// ask returns the request that the exporter would send record in.
func (s *sender) ask(record sdklog.Record) (*http.Request, error) {
	var req *http.Request
	err := s.exporter.Export(context.WithValue(context.Background(), keptKey{}, &req), []sdklog.Record{record})
	if err != nil {
		return nil, err
	}
	if req == nil {
		return nil, errors.New("the exporter made no request")
	}
	return req, nil
}

type keptKey struct{}

// kept is an [http.RoundTripper] that sends nothing.
type kept struct{}

var _ http.RoundTripper = kept{}

func (kept) RoundTrip(req *http.Request) (*http.Response, error) {
	to, ok := req.Context().Value(keptKey{}).(**http.Request)
	if !ok {
		return nil, errors.New("request that nobody asked for")
	}
	*to = req.Clone(context.Background())
	(*to).Body, (*to).GetBody = nil, nil
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}

// fits returns the error with which the exporter refuses a request of that many
// uncompressed bytes, nil if it does not. Its limit can be set and not be read.
func (s *sender) fits(size int) error {
	if int64(size) <= s.fitting.Load() {
		return nil
	}
	const around = 64 // more than what surrounds the body of a record
	var record sdklog.Record
	record.SetBody(attribute.StringValue(strings.Repeat("x", max(0, size-around))))
	if _, err := s.ask(record); err != nil {
		return err
	}
	s.fitting.Store(int64(size)) // of two sizes at a time either is right
	return nil
}

// exchange is what one request came to.
type exchange struct {
	url     string
	refused error       // it was not made
	status  int         // 0: no answer
	header  http.Header // trailers included
	body    []byte
	err     error // of the round trip, or of reading the body
}

// send makes one request, whose body is compressed if s.gzip says so, with the id of
// the log unless that is "". It does not keep the body.
func (s *sender) send(ctx context.Context, body []byte, logID string) *exchange {
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("no answer within %s: %w", s.timeout, context.DeadlineExceeded))
		defer cancel()
	}
	lent := &loan{data: body}
	defer lent.end()
	req := s.template.Clone(ctx)
	if logID != "" {
		req.Header.Set(logid.Header, logID)
	}
	req.ContentLength = int64(len(body))
	req.Body = &lentBody{loan: lent}
	req.GetBody = func() (io.ReadCloser, error) { return &lentBody{loan: lent}, nil }
	x := &exchange{url: s.url}
	resp, err := s.base.RoundTrip(req)
	if err != nil {
		x.err = err
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
			x.err = cause
		}
		return x
	}
	x.status, x.header = resp.StatusCode, resp.Header
	if x.status/100 != 1 { // behind a 101 is the bare connection, and ctx does not end a read from it
		x.body, x.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	}
	if err := resp.Body.Close(); err != nil && x.err == nil {
		x.err = err
	}
	for name, values := range resp.Trailer {
		x.header[name] = append(x.header[name], values...)
	}
	return x
}

// close lets go of idle connections.
func (s *sender) close() {
	if s.own != nil {
		s.own.close()
	}
}

// loan is bytes that a transport may read until the end of the request: it may
// go on in a goroutine of its own after RoundTrip returned.
type loan struct {
	mu   sync.Mutex
	data []byte
	over bool
}

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data, l.over = nil, true
}

type lentBody struct {
	*loan
	at int
}

func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errors.New("read the body of a request that ended")
	}
	if b.at == len(b.data) {
		return 0, io.EOF
	}
	n := copy(p, b.data[b.at:])
	b.at += n
	return n, nil
}

func (b *lentBody) Close() error { return nil }

var _ io.ReadCloser = (*lentBody)(nil)
