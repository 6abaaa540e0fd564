package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP receiver that keeps the requests as they arrive.
type receiver struct {
	mu       sync.Mutex
	requests []*collogspb.ExportLogsServiceRequest
}

// serve starts a receiver on loopback and returns its URL.
func serve(t *testing.T) (*receiver, string) {
	t.Helper()
	r := new(receiver)
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return r, s.URL
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	request, err := decode(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func decode(req *http.Request) (*collogspb.ExportLogsServiceRequest, error) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	request := new(collogspb.ExportLogsServiceRequest)
	return request, proto.Unmarshal(data, request)
}

// take returns the requests that arrived since the last call.
func (r *receiver) take() []*collogspb.ExportLogsServiceRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests := r.requests
	r.requests = nil
	return requests
}
