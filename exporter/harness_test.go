package exporter_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// newExporter returns an exporter to a log of its own.
func newExporter(t testing.TB, opts ...exporter.Option) (*exporter.Exporter, *auditlog.Log) {
	t.Helper()
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"))
	exp, err := exporter.New(log, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return exp, log
}

// rawLines returns the lines of a log, without line feeds.
func rawLines(t testing.TB, log *auditlog.Log) (lines []string) {
	t.Helper()
	for e, err := range log.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(e.Raw))
	}
	return lines
}

// decodedLines returns the lines of a log as encoding/json reads them.
func decodedLines(t testing.TB, log *auditlog.Log) (lines []map[string]any) {
	t.Helper()
	for _, raw := range rawLines(t, log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(raw), &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// onlyLine returns the line of a log that has one, beside span records.
func onlyLine(t testing.TB, log *auditlog.Log) map[string]any {
	t.Helper()
	lines := slices.DeleteFunc(decodedLines(t, log), isSpanRecord)
	if len(lines) != 1 {
		t.Fatalf("got %d lines, want 1", len(lines))
	}
	return lines[0]
}

func isSpanRecord(line map[string]any) bool { return line["event"] == exporter.EventSpan }

// derivedOf returns otel.derived of a line.
func derivedOf(line map[string]any) (derived []string) {
	list, _ := line["otel"].(map[string]any)["derived"].([]any)
	for _, key := range list {
		derived = append(derived, key.(string))
	}
	return derived
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// requestOf returns the OTLP request that otlploghttp sends for records.
func requestOf(t testing.TB, records ...sdklog.Record) (*collogspb.ExportLogsServiceRequest, error) {
	t.Helper()
	request := new(collogspb.ExportLogsServiceRequest)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				return nil, err
			}
		}
		data, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r,
		}, proto.Unmarshal(data, request)
	})}
	exp, err := otlploghttp.New(t.Context(), otlploghttp.WithHTTPClient(client), otlploghttp.WithEndpointURL("http://127.0.0.1:1/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	return request, exp.Export(t.Context(), records)
}

// sortAttributes brings attributes into the order of their keys, those of one
// key in their own: the order of different keys means nothing.
func sortAttributes(attrs []*commonpb.KeyValue) {
	slices.SortStableFunc(attrs, func(a, b *commonpb.KeyValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
}

// diffRequests returns how got, which went through the audit line, differs
// from want, which did not, in anything but what the line may add.
func diffRequests(want, got *collogspb.ExportLogsServiceRequest) string {
	wantRecord, gotRecord := onlyRecord(want), onlyRecord(got)
	if wantRecord == nil || gotRecord == nil {
		return cmp.Diff(want, got, protocmp.Transform())
	}
	for _, key := range []string{"log.record.uid", "session.id"} {
		has := func(kv *commonpb.KeyValue) bool { return kv.GetKey() == key }
		if slices.ContainsFunc(wantRecord.GetAttributes(), has) {
			continue
		}
		if !slices.ContainsFunc(gotRecord.GetAttributes(), has) {
			return "there is no attribute " + key
		}
		gotRecord.Attributes = slices.DeleteFunc(gotRecord.GetAttributes(), has)
	}
	sortAttributes(wantRecord.GetAttributes())
	sortAttributes(gotRecord.GetAttributes())
	if proto.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got, protocmp.Transform()) + "(they are not equal)"
}

// onlyRecord returns the record of a request that has one.
func onlyRecord(r *collogspb.ExportLogsServiceRequest) *logspb.LogRecord {
	if len(r.GetResourceLogs()) != 1 || len(r.GetResourceLogs()[0].GetScopeLogs()) != 1 {
		return nil
	}
	records := r.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()
	if len(records) != 1 {
		return nil
	}
	return records[0]
}
