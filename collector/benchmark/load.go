package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"

	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// requests is how many requests make up the records.
func requests() int { return (*records + *batch - 1) / *batch }

// load has the clients send the requests, each on a connection of its own. They
// all send the same bytes, in one write, so that they cost little beside the
// collector: net/http copies a body in parts, with two goroutines.
func load(ctx context.Context, url string, body []byte) error {
	req, err := newRequest(ctx, url, body)
	if err != nil {
		return err
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return err
	}
	var next atomic.Int64
	errs := make([]error, *clients)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", req.URL.Host)
			if err != nil {
				errs[i] = err
				return
			}
			defer func() { errs[i] = errors.Join(errs[i], conn.Close()) }()
			answers := bufio.NewReader(conn)
			for errs[i] == nil && next.Add(1) <= int64(requests()) {
				if _, errs[i] = conn.Write(wire.Bytes()); errs[i] != nil {
					return
				}
				resp, err := http.ReadResponse(answers, req)
				if err != nil {
					errs[i] = err
					return
				}
				errs[i] = check(resp)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func newRequest(ctx context.Context, url string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	return req, nil
}

// post sends one request.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := newRequest(ctx, url, body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return check(resp)
}

// check reads an answer to its end, and returns what is wrong with it.
func check(resp *http.Response) error {
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the collector answered %s: %q", resp.Status, answer)
	}
	return nil
}

// requestOf returns the request that the SDK sends for n calls of a model.
func requestOf(ctx context.Context, n int) ([]byte, error) {
	var body []byte
	exp, err := otlploghttp.New(ctx, otlploghttp.WithInsecure(), otlploghttp.WithCompression(otlploghttp.NoCompression),
		otlploghttp.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			var err error
			body, err = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody, Request: r}, err
		})}))
	if err != nil {
		return nil, err
	}
	err = errors.Join(exp.Export(ctx, recordtest.ModelCalls(n)), exp.Shutdown(ctx))
	return body, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
