package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// sized is the number of records whose size is measured.
const sized = 10_000

// size shows how long lines are beside the other one that stands alone: an
// OTLP/JSON request of one record, with its resource and its scope. Both have
// the log.record.uid that the processor stamps, which no gzip makes smaller.
func size(dir string) ([]contest.Row, error) {
	records := recordtest.ModelCalls(sized)
	ours, err := auditLines(dir, records)
	if err != nil {
		return nil, err
	}
	theirs, err := otlpLines(records)
	if err != nil {
		return nil, err
	}
	oursZipped, err := zipped(ours)
	if err != nil {
		return nil, err
	}
	theirsZipped, err := zipped(theirs)
	if err != nil {
		return nil, err
	}
	return []contest.Row{
		smaller("size of a line", len(ours), len(theirs)),
		smaller("the same in gzip", oursZipped, theirsZipped),
	}, nil
}

// smaller is the row of so many bytes for all records.
func smaller(what string, ours, theirs int) contest.Row {
	each := func(bytes int) string { return fmt.Sprintf("%.0f bytes", float64(bytes)/sized) }
	return contest.Row{
		What: what, Ours: each(ours), Peer: "OTLP/JSON, one record per request: " + each(theirs),
		Ratio: fmt.Sprintf("%.2f ×", float64(ours)/float64(theirs)),
	}
}

// auditLines returns the log of records, which get what the processor stamps.
func auditLines(dir string, records []sdklog.Record) ([]byte, error) {
	at, err := os.MkdirTemp(dir, "size-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(at, "audit.jsonl")
	l, err := auditlog.Open(path, auditlog.WithMaxFileSize(never), auditlog.WithoutCadenceSync())
	if err != nil {
		return nil, err
	}
	exp, err := exporter.New(l)
	if err == nil {
		processor := exporter.NewProcessor(exp)
		for i := 0; err == nil && i < len(records); i++ {
			err = processor.OnEmit(context.Background(), &records[i])
		}
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path) //nolint:gosec // it was made here
	return text, errors.Join(err, os.RemoveAll(at))
}

// otlpLines has the SDK's own exporter build the requests.
func otlpLines(records []sdklog.Record) ([]byte, error) {
	ctx := context.Background()
	var out jsonLines
	exp, err := otlploghttp.New(ctx, otlploghttp.WithInsecure(), otlploghttp.WithCompression(otlploghttp.NoCompression),
		otlploghttp.WithHTTPClient(&http.Client{Transport: &out}))
	if err != nil {
		return nil, err
	}
	for i := range records {
		if err := exp.Export(ctx, records[i:i+1]); err != nil {
			return nil, errors.Join(err, exp.Shutdown(ctx))
		}
	}
	return out.text.Bytes(), exp.Shutdown(ctx)
}

// jsonLines answers OTLP requests by appending each as a line of JSON. protojson
// writes ids in base64; the hexadecimal of OTLP/JSON is 12 bytes longer.
type jsonLines struct{ text bytes.Buffer }

var _ http.RoundTripper = (*jsonLines)(nil)

func (j *jsonLines) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	var request collogspb.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(&request)
	if err != nil {
		return nil, err
	}
	// protojson puts in white space at random, so that nobody relies on its bytes.
	if err := json.Compact(&j.text, text); err != nil {
		return nil, err
	}
	j.text.WriteByte('\n')
	return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody, Request: r}, nil
}

// zipped returns the size of text as an archive.
func zipped(text []byte) (int, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(text)
	return out.Len(), errors.Join(err, w.Close())
}
