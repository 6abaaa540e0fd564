package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// maxAnswer bounds what is read of an answer, as the OTLP specification asks
// for. A longer one is no OTLP answer.
const maxAnswer = 4 << 20

// sender sends one batch in one request and says what came of it. otlploghttp
// makes the request; the sender sees the round trip beneath it, because the
// error of Export does not tell an answer from a failure, a redirect from a
// success, or a web page from a collector.
type sender struct {
	exporter *otlploghttp.Exporter
	url      string
	own      *http.Transport // closed by close; nil if the caller brought one
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
	timeout, err := resolveTimeout()
	if err != nil {
		return nil, err
	}
	s := new(sender)
	base := c.transport
	if base == nil {
		if s.own, err = defaultTransport(c.inFlight); err != nil {
			return nil, err
		}
		base = s.own
	}
	opts := []otlploghttp.Option{otlploghttp.WithEndpointURL(endpoint.String())}
	if c.headersSet {
		opts = append(opts, otlploghttp.WithHeaders(c.headers))
	}
	opts = append(opts, c.exporter...)
	opts = append(opts,
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: false}),
		otlploghttp.WithHTTPClient(&http.Client{
			Transport: &recorder{base: base},
			Timeout:   timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}))
	// The context is not kept: each request has its own.
	if s.exporter, err = otlploghttp.New(context.Background(), opts...); err != nil {
		return nil, fmt.Errorf("make OTLP exporter for %s: %w; a certificate needs an https:// endpoint", endpoint, err)
	}
	s.url = normalise(endpoint)
	if len(c.exporter) > 0 {
		return s, s.probe()
	}
	return s, nil
}

// probe asks the exporter where it sends to: its options may name another
// endpoint, and the checkpoint is bound to the true one. No byte is sent.
func (s *sender) probe() error {
	x := &exchange{probe: true}
	err := s.exporter.Export(context.WithValue(context.Background(), exchangeKey{}, x), make([]sdklog.Record, 1))
	if err != nil {
		return fmt.Errorf("check exporter options: %w", err)
	}
	if x.url == nil {
		return errors.New("check exporter options: the exporter made no request")
	}
	if _, err := parseEndpoint(x.url.String()); err != nil {
		return fmt.Errorf("endpoint of the exporter options %w", err)
	}
	s.url = normalise(x.url)
	return nil
}

// send makes one request. answered says whether the endpoint answered before in
// this run.
func (s *sender) send(ctx context.Context, records []sdklog.Record, answered bool) verdict {
	x := new(exchange)
	err := s.exporter.Export(context.WithValue(ctx, exchangeKey{}, x), records)
	return judge(x, err, answered)
}

// close lets go of idle connections.
func (s *sender) close() {
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

// exchange is what one request came to. Its owner is the goroutine that calls
// Export, which makes the round trip as well.
type exchange struct {
	probe   bool
	url     *url.URL
	tripped bool // a round trip was made, or at least begun
	status  int  // 0: no answer
	header  http.Header
	body    []byte
	err     error // of the round trip, or of reading the body
}

type exchangeKey struct{}

// recorder is an [http.RoundTripper] that writes down what each round trip
// came to in the exchange of the request's context.
type recorder struct {
	base http.RoundTripper
}

var _ http.RoundTripper = (*recorder)(nil)

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("request without an exchange in its context")
	}
	x.tripped, x.url = true, req.URL
	if x.probe {
		return &http.Response{
			StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: http.NoBody, Request: req,
		}, nil
	}
	resp, err := r.base.RoundTrip(req)
	if err != nil {
		x.err = err
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	x.body, x.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err := resp.Body.Close(); err != nil && x.err == nil {
		x.err = err
	}
	// otlploghttp gets the bytes that were judged. What it makes of them does
	// not count.
	resp.Body = io.NopCloser(bytes.NewReader(x.body))
	return resp, nil
}
