package otlprepairextension

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// nestedJSON returns a request with lists, or maps, in each other.
func nestedJSON(levels int, maps bool) []byte {
	before, after := `{"arrayValue":{"values":[`, `]}}`
	if maps {
		before, after = `{"kvlistValue":{"values":[{"key":"k","value":`, `}]}}`
	}
	return fmt.Appendf(nil, frames["/v1/logs"], `{"body":`+strings.Repeat(before, levels)+`{"stringValue":"core"}`+strings.Repeat(after, levels)+`}`)
}

// nestedProto is nestedJSON in protobuf. It is built from the inside, backwards.
func nestedProto(levels int, maps bool) []byte {
	size := 0
	var parts [][]byte
	wrap := func(field protowire.Number) {
		part := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(size))
		parts = append(parts, part)
		size += len(part)
	}
	core := append(protowire.AppendTag(nil, 1, protowire.BytesType), 4, 'c', 'o', 'r', 'e')
	parts, size = append(parts, core), len(core)
	for range levels {
		if maps {
			wrap(2)
			wrap(1)
			wrap(6)
			continue
		}
		wrap(1)
		wrap(5)
	}
	for _, field := range []protowire.Number{5, 2, 2, 1} { // body, log_records, scope_logs, resource_logs
		wrap(field)
	}
	slices.Reverse(parts)
	return bytes.Join(parts, nil)
}

func levelsOf(t *testing.T, request plogotlp.ExportRequest) (levels int) {
	t.Helper()
	v := request.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body()
	for ; ; levels++ {
		switch v.Type() {
		case pcommon.ValueTypeSlice:
			v = v.Slice().At(0)
		case pcommon.ValueTypeMap:
			for _, v = range v.Map().All() {
			}
		default:
			return levels
		}
	}
}

// TestNestingBeyondTheLimitIsRefused over HTTP in both encodings and over gRPC;
// at the limit it is received whole. Deeper values in JSON would end the process:
// the decoder recurses, and the stack of a goroutine has a limit.
func TestNestingBeyondTheLimitIsRefused(t *testing.T) {
	r := startReceiver(t, true)
	for _, maps := range []bool{false, true} {
		deepest := (maxRecursion - 1) / 2
		if maps {
			deepest = maxRecursion / 3
		}
		for _, levels := range []int{1, deepest, deepest + 1, 1_000_000} {
			body := nestedProto(levels, maps)
			want, code := http.StatusOK, codes.OK
			if levels > deepest {
				want, code = http.StatusBadRequest, codes.InvalidArgument
			}
			if got, answer := r.post(t, "/v1/logs", "application/x-protobuf", body); got != want {
				t.Fatalf("%d levels in protobuf: got %d %.200q, want %d", levels, got, answer, want)
			}
			r.holds(t, levels, want == http.StatusOK)
			if err := r.invoke(t.Context(), body); status.Code(err) != code {
				t.Fatalf("%d levels over gRPC: got %v, want %v", levels, err, code)
			}
			r.holds(t, levels, want == http.StatusOK)
		}
		for _, levels := range []int{1, maxNesting, 4*maxNesting + 1, 1_000_000} {
			want := http.StatusOK
			if levels > maxNesting {
				want = http.StatusBadRequest
			}
			got, answer := r.post(t, "/v1/logs", "application/json", nestedJSON(levels, maps))
			if got != want || want != http.StatusOK && !strings.Contains(answer, "nested deeper than 9993 levels") {
				t.Fatalf("%d levels in JSON: got %d %.200s, want %d", levels, got, answer, want)
			}
			r.holds(t, levels, want == http.StatusOK)
		}
	}
	if n := r.log.FilterMessage("refused a request").Len(); n == 0 {
		t.Error("no line in the log")
	}
}

// holds fails the test unless a value of that many levels was received, or nothing.
func (r *otlpReceiver) holds(t *testing.T, levels int, received bool) {
	t.Helper()
	got := r.take(t)
	if (got != "") != received {
		t.Fatalf("%d levels: received %.100q", levels, got)
	}
	if !received {
		return
	}
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalJSON([]byte(got)); err != nil {
		t.Fatal(err)
	}
	if got := levelsOf(t, request); got != levels {
		t.Fatalf("got %d levels, want %d", got, levels)
	}
}

// invoke sends a request in protobuf over gRPC.
func (r *otlpReceiver) invoke(ctx context.Context, body []byte) error {
	return r.conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", rawMessage(body), &logspb.ExportLogsServiceResponse{}, rawCodec)
}

// TestABodyBeyondTheLimitIs413 also if it is small before it is decompressed, and
// the gRPC message is ResourceExhausted, each with a line in the log. What is just
// below is received.
func TestABodyBeyondTheLimitIs413(t *testing.T) {
	const limitMiB = 4 // 64 take minutes with the race detector
	r := startReceiverWith(t, true, limitMiB)
	const limit = limitMiB << 20
	request := func(size int) plogotlp.ExportRequest {
		ld := plog.NewLogs()
		ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", size))
		return plogotlp.NewExportRequestFromLogs(ld)
	}
	below, above := request(limit-1000), request(limit)
	for encoding, contentTypes := range map[string][]string{
		"": {"application/json", "application/x-protobuf"}, "gzip": {"application/json"}, "deflate": {"application/x-protobuf"},
	} {
		for _, contentType := range contentTypes {
			for _, test := range []struct {
				request plogotlp.ExportRequest
				want    int
			}{{below, http.StatusOK}, {above, http.StatusRequestEntityTooLarge}} {
				body, err := test.request.MarshalProto()
				if contentType == "application/json" {
					body, err = test.request.MarshalJSON()
				}
				if err != nil {
					t.Fatal(err)
				}
				var header []string
				if encoding != "" {
					body, header = compressed(t, encoding, body), []string{"Content-Encoding", encoding}
				}
				got, answer := r.post(t, "/v1/logs", contentType, body, header...)
				if got != test.want || got != http.StatusOK && !strings.Contains(answer, "max_request_body_size") {
					t.Errorf("%s %q, %d bytes: got %d %.200q, want %d", contentType, encoding, len(body), got, answer, test.want)
				}
				r.take(t)
			}
		}
	}
	refused := r.log.FilterMessage("refused a request").Len()
	for _, test := range []struct {
		request plogotlp.ExportRequest
		want    codes.Code
	}{{below, codes.OK}, {above, codes.ResourceExhausted}} {
		body, err := test.request.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.invoke(t.Context(), body); status.Code(err) != test.want {
			t.Errorf("over gRPC: got %v, want %v", err, test.want)
		}
		r.take(t)
	}
	if got := r.log.FilterMessage("refused a request").Len() - refused; got != 1 || refused != 4 {
		t.Errorf("got %d lines of the log for HTTP and %d for gRPC, want 4 and 1", refused, got)
	}
	if n := r.ext.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func compressed(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var to bytes.Buffer
	var w io.WriteCloser
	var err error
	if encoding == "deflate" {
		w, err = zlib.NewWriterLevel(&to, zlib.BestSpeed)
	} else {
		w, err = gzip.NewWriterLevel(&to, gzip.BestSpeed)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(body)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

// TestARequestOfTooManyMessagesIsRefused: each takes 2 bytes of a body, and about
// 250 in memory.
func TestARequestOfTooManyMessagesIsRefused(t *testing.T) {
	r := startReceiver(t, true)
	records := bytes.Repeat([]byte{0x12, 0}, maxMessages+1)
	for _, field := range []protowire.Number{2, 1} {
		records = append(protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(records))), records...)
	}
	if got, answer := r.post(t, "/v1/logs", "application/x-protobuf", records); got != http.StatusBadRequest || !strings.Contains(answer, "messages") {
		t.Errorf("protobuf: got %d %.200q, want 400", got, answer)
	}
	if err := r.invoke(t.Context(), records); status.Code(err) != codes.InvalidArgument {
		t.Errorf("gRPC: got %v, want InvalidArgument", err)
	}
	body := fmt.Appendf(nil, frames["/v1/logs"], "{}"+strings.Repeat(",{}", maxMessages))
	if got, answer := r.post(t, "/v1/logs", "application/json", body); got != http.StatusBadRequest || !strings.Contains(answer, "messages") {
		t.Errorf("JSON: got %d %.200q, want 400", got, answer)
	}
}

// TestBodiesInFlightAreBounded: what would be more than that is asked to come
// again.
func TestBodiesInFlightAreBounded(t *testing.T) {
	r := startReceiver(t, true)
	r.ext.inFlight.Store(maxInFlight - 10)
	body := []byte(fmt.Sprintf(frames["/v1/logs"], `{"eventName":"e"}`))
	for _, contentType := range []string{"application/json", "application/x-protobuf"} {
		if got, answer := r.post(t, "/v1/logs", contentType, body); got != http.StatusServiceUnavailable {
			t.Errorf("got %d %q, want 503", got, answer)
		}
	}
	r.ext.inFlight.Add(-maxInFlight + 10)
	if got, answer := r.post(t, "/v1/logs", "application/json", body); got != http.StatusOK {
		t.Errorf("got %d %s, want 200", got, answer)
	}
}

// TestALargeRequestIsRepaired has the shapes that made repairs slow.
func TestALargeRequestIsRepaired(t *testing.T) {
	const n = 5_000
	for name, request := range map[string]string{
		"odd values":      fmt.Sprintf(frames["/v1/logs"], strings.Repeat(`{"attributes":[{"key":"a","value":{"doubleValue":{}}}]},`, n)+`{"body":5}`),
		"one record":      fmt.Sprintf(frames["/v1/logs"], `{"attributes":[`+strings.Repeat(`{"key":"a","value":{"doubleValue":{}}},`, n)+`{}]}`),
		"unknown members": fmt.Sprintf(frames["/v1/logs"], `{`+strings.Repeat(`"x":"x",`, n)+`"body":5}`),
		"repeated":        fmt.Sprintf(frames["/v1/logs"], `{`+strings.Repeat(`"flags":-1,`, n)+`"body":5}`),
		"odd resources":   `{"resourceLogs":[` + strings.Repeat(`{"schemaUrl":5,"scopeLogs":[{"scope":{"name":6},"logRecords":[]}]},`, n) + `{}]}`,
		"deep and odd":    fmt.Sprintf(frames["/v1/logs"], `{"flags":-1,"x":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}`),
	} {
		fixed, count := repair([]byte(request))
		if count == (repaired{}) || plogotlp.NewExportRequest().UnmarshalJSON(fixed) != nil {
			t.Errorf("%s: it is not repaired", name)
		}
	}
}
