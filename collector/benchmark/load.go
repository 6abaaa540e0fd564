package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"

	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// requests is how many requests make up the records.
func requests() int { return (*records + *batch - 1) / *batch }

// load has the clients send the requests. They all send the same bytes, so that
// they cost next to nothing beside the collector.
func load(ctx context.Context, url string, body []byte) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	errs := make([]error, *clients)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(requests()) {
				errs[i] = post(ctx, client, url, body)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
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
