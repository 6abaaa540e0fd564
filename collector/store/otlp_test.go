package store

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
)

// arrival is a record as it arrived, and what it came from.
type arrival struct {
	*logspb.LogRecord

	resource map[string]*commonpb.AnyValue
	scope    *commonpb.InstrumentationScope
}

// attributes returns the attributes of the record.
func (a arrival) attributes() map[string]*commonpb.AnyValue { return byKey(a.GetAttributes()) }

func byKey(attrs []*commonpb.KeyValue) map[string]*commonpb.AnyValue {
	m := make(map[string]*commonpb.AnyValue)
	for _, kv := range attrs {
		m[kv.GetKey()] = kv.GetValue()
	}
	return m
}

// sink is an OTLP receiver that keeps what arrives.
type sink struct {
	url     string
	release chan struct{}      // closed when requests that hang are to end
	refuse  func(arrival) bool // whether it answers 400 to a request with such a record; nil: never

	mu       sync.Mutex
	take     int // how many requests it accepts before the next ones hang; negative: all
	hanging  int
	accepted []arrival
}

// serve starts a sink that accepts so many requests and lets the others wait
// for an answer that never comes; negative: it accepts all.
func serve(t *testing.T, take int) *sink {
	t.Helper()
	return serveBut(t, take, nil)
}

func serveBut(t *testing.T, take int, refuse func(arrival) bool) *sink {
	t.Helper()
	s := &sink{take: take, refuse: refuse, release: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(s.release) }) // before the server waits for its requests
	s.url = server.URL
	return s
}

var _ http.Handler = (*sink)(nil)

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrivals, err := decode(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if s.refuse != nil && slices.ContainsFunc(arrivals, s.refuse) {
		http.Error(w, "there is a record that is refused", http.StatusBadRequest)
		return
	}
	if !s.accept(arrivals) {
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *sink) accept(arrivals []arrival) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.take == 0 {
		s.hanging++
		return false
	}
	s.take--
	s.accepted = append(s.accepted, arrivals...)
	return true
}

// got returns what was accepted until now.
func (s *sink) got() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.accepted)
}

// hangs reports whether a request waits for its answer.
func (s *sink) hangs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hanging > 0
}

func decode(r *http.Request) ([]arrival, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
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
	if err := proto.Unmarshal(data, request); err != nil {
		return nil, err
	}
	var arrivals []arrival
	for _, rl := range request.GetResourceLogs() {
		for _, sl := range rl.GetScopeLogs() {
			for _, record := range sl.GetLogRecords() {
				arrivals = append(arrivals, arrival{record, byKey(rl.GetResource().GetAttributes()), sl.GetScope()})
			}
		}
	}
	return arrivals, nil
}
