package otlpwire_test

import (
	"bytes"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/otlpwire"
)

// oracle makes requests of lines in the other way: Decoder and otlploghttp.
type oracle struct {
	decoder *otelline.Decoder
	records []sdklog.Record
	export  *otlploghttp.Exporter
	body    []byte // of the last request
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newOracle(tb testing.TB, cfg otelline.DecoderConfig) *oracle {
	tb.Helper()
	o := &oracle{decoder: otelline.NewDecoder(cfg)}
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (_ *http.Response, err error) {
		o.body, err = io.ReadAll(r.Body)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, err
	})}
	var err error
	o.export, err = otlploghttp.New(tb.Context(), otlploghttp.WithHTTPClient(client),
		otlploghttp.WithCompression(otlploghttp.NoCompression), otlploghttp.WithMaxRequestSize(1<<30),
		otlploghttp.WithEndpointURL("http://127.0.0.1:1/v1/logs"))
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

func (o *oracle) add(line []byte, offset int64) error {
	r, err := o.decoder.Decode(line, offset)
	if err == nil {
		o.records = append(o.records, r)
	}
	return err
}

// request returns what otlploghttp sends for the records from from to before
// to, one export for each resource, since it would merge those that differ only
// in their schema URL.
func (o *oracle) request(tb testing.TB, from, to int) *collogspb.ExportLogsServiceRequest {
	tb.Helper()
	type key struct {
		attributes attribute.Distinct
		schemaURL  string
	}
	var keys []key
	byResource := map[key][]sdklog.Record{}
	for i, r := range o.records[from:to] {
		// otlploghttp wraps around what does not fit into an int64. It is given numbers
		// of records, which become their times below.
		r.SetTimestamp(time.Unix(0, int64(i)+1))
		r.SetObservedTimestamp(time.Unix(0, int64(i)+1))
		k := key{r.Resource().Equivalent(), r.Resource().SchemaURL()}
		if byResource[k] == nil {
			keys = append(keys, k)
		}
		byResource[k] = append(byResource[k], r)
	}
	all := new(collogspb.ExportLogsServiceRequest)
	for _, k := range keys {
		if err := o.export.Export(tb.Context(), byResource[k]); err != nil {
			tb.Fatal(err)
		}
		all.ResourceLogs = append(all.ResourceLogs, parse(tb, o.body).GetResourceLogs()...)
	}
	for _, r := range recordsOf(all) {
		of := o.records[from+int(r.GetTimeUnixNano())-1]
		r.TimeUnixNano, r.ObservedTimeUnixNano = exact(of.Timestamp()), exact(of.ObservedTimestamp())
	}
	return all
}

// exact returns nanoseconds since 1970, 0 if OTLP cannot hold them.
func exact(t time.Time) uint64 {
	n := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1e9))
	if n.Add(n, big.NewInt(int64(t.Nanosecond()))); !n.IsUint64() {
		return 0
	}
	return n.Uint64()
}

func parse(tb interface {
	Helper()
	Fatalf(string, ...any)
}, body []byte) *collogspb.ExportLogsServiceRequest {
	tb.Helper()
	request := new(collogspb.ExportLogsServiceRequest)
	// A level of JSON is up to four messages.
	if err := (proto.UnmarshalOptions{RecursionLimit: 1 << 17}).Unmarshal(body, request); err != nil {
		tb.Fatalf("the request is no protobuf: %v", err)
	}
	return request
}

// both are the two ways beside each other.
type both struct {
	*oracle
	*otlpwire.Encoder
}

func newBoth(tb testing.TB, cfg otelline.DecoderConfig) *both {
	tb.Helper()
	return &both{newOracle(tb, cfg), otlpwire.NewEncoder(cfg)}
}

// add adds a line to both, which must say the same of it.
func (b *both) add(tb testing.TB, line []byte, offset int64) error {
	tb.Helper()
	want, got := b.oracle.add(line, offset), b.Add(line, offset)
	if (want == nil) != (got == nil) || want != nil && want.Error() != got.Error() {
		tb.Errorf("got error %v, want %v\n%.2000q", got, want, line)
	}
	if b.Len() != len(b.records) {
		tb.Fatalf("got %d records, want %d", b.Len(), len(b.records))
	}
	return got
}

// compare compares the requests of the records from from to before to.
func (b *both) compare(tb testing.TB, from, to int) {
	tb.Helper()
	want := b.request(tb, from, to)
	prefix := []byte("kept")
	body := b.AppendRequest(prefix, from, to)
	if !bytes.HasPrefix(body, prefix) {
		tb.Error("what was in the buffer is gone")
	}
	body = body[len(prefix):]
	got := parse(tb, body)
	forgiveTimes(want, got)
	if !proto.Equal(want, got) {
		tb.Errorf("(-want +got):\n%s\n(they are not equal)", cmp.Diff(want, got, protocmp.Transform()))
	}
	if from == 0 && to == b.Len() && (len(body) > b.Bytes() || len(body)+64+14*b.Len()*3 < b.Bytes()) {
		tb.Errorf("the request has %d bytes, Bytes says %d", len(body), b.Bytes())
	}
}

func (b *both) reset() {
	b.records = b.records[:0]
	b.Reset()
}

// forgiveTimes takes the times of two records for equal if both are the time of
// reading, which lines without a time get.
func forgiveTimes(want, got *collogspb.ExportLogsServiceRequest) {
	wants, gots := recordsOf(want), recordsOf(got)
	now := uint64(time.Now().UnixNano())
	recent := func(ns uint64) bool { return ns <= now && now-ns < uint64(time.Hour) }
	for i := range min(len(wants), len(gots)) {
		w, g := wants[i], gots[i]
		if w.GetTimeUnixNano() == w.GetObservedTimeUnixNano() && g.GetTimeUnixNano() == g.GetObservedTimeUnixNano() &&
			recent(w.GetTimeUnixNano()) && recent(g.GetTimeUnixNano()) {
			g.TimeUnixNano, g.ObservedTimeUnixNano = w.GetTimeUnixNano(), w.GetObservedTimeUnixNano()
		}
	}
}

func recordsOf(request *collogspb.ExportLogsServiceRequest) (all []*logspb.LogRecord) {
	for _, r := range request.GetResourceLogs() {
		for _, s := range r.GetScopeLogs() {
			all = append(all, s.GetLogRecords()...)
		}
	}
	return all
}
