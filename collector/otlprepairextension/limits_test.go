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
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
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
			for _, member := range v.Map().All() {
				v = member
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

const logsMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

// invoke sends a request in protobuf over gRPC.
func (r *otlpReceiver) invoke(ctx context.Context, body []byte) error {
	return r.conn.Invoke(ctx, logsMethod, rawMessage(body), &logspb.ExportLogsServiceResponse{}, rawCodec)
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
	if refused != 4 {
		t.Errorf("got %d lines of the log for HTTP, want 4", refused)
	}
	r.logsRefusals(t, refused+1)
	r.ext.inFlight.isEmpty(t)
}

// isEmpty waits until nothing is counted. The end of a call over gRPC is counted
// after its answer.
func (l *load) isEmpty(t *testing.T) {
	t.Helper()
	for l.bytes.Load() != 0 || l.messages.Load() != 0 || l.uncounted.Load() != 0 {
		if t.Context().Err() != nil {
			return
		}
		runtime.Gosched()
	}
}

// logsRefusals waits until want refused requests are in the log. That of a call over
// gRPC is logged when the call has ended, which the client may see before.
func (r *otlpReceiver) logsRefusals(t *testing.T, want int) {
	t.Helper()
	refusals := func() int { return r.log.FilterMessage("refused a request").Len() }
	for refusals() < want && t.Context().Err() == nil {
		runtime.Gosched()
	}
	if got := refusals(); got != want {
		t.Errorf("got %d refused requests in the log, want %d", got, want)
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

// wrapped returns a message in others, the innermost field first.
func wrapped(message []byte, fields ...protowire.Number) []byte {
	for _, field := range fields {
		message = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), message)
	}
	return message
}

// TestARequestOfTooManyMessagesIsRefused: each takes 2 bytes of a body, and about
// 250 in memory. Texts and numbers of lists are counted too.
func TestARequestOfTooManyMessagesIsRefused(t *testing.T) {
	r := startReceiver(t, true)
	records := wrapped(bytes.Repeat([]byte{0x12, 0}, maxMessages+1), 2, 1)
	if err := r.invoke(t.Context(), records); status.Code(err) != codes.InvalidArgument {
		t.Errorf("gRPC: got %v, want InvalidArgument", err)
	}
	for name, test := range map[string]struct {
		path, contentType string
		body              []byte
	}{
		"records":      {"/v1/logs", "application/x-protobuf", records},
		"keys":         {"/v1/logs", "application/x-protobuf", wrapped(bytes.Repeat([]byte{0x1A, 0}, maxMessages+1), 3, 1, 1)},                             // id_keys of an entity
		"numbers":      {"/v1/metrics", "application/x-protobuf", wrapped(make([]byte, maxMessages*partsOfMessage+1), 2, 8, 1, 10, 2, 2, 1)},               // bucket_counts
		"one by one":   {"/v1/metrics", "application/x-protobuf", wrapped(bytes.Repeat([]byte{0x10, 0}, maxMessages*partsOfMessage+1), 8, 1, 10, 2, 2, 1)}, // not packed
		"JSON":         {"/v1/logs", "application/json", fmt.Appendf(nil, frames["/v1/logs"], "{}"+strings.Repeat(",{}", maxMessages))},
		"JSON numbers": {"/v1/metrics", "application/json", fmt.Appendf(nil, frames["/v1/metrics"], `{"histogram":{"dataPoints":[{"bucketCounts":[0`+strings.Repeat(",0", maxParts)+`]}]}}`)},
	} {
		if got, answer := r.post(t, test.path, test.contentType, test.body); got != http.StatusBadRequest || !strings.Contains(answer, "holds more than") {
			t.Errorf("%s: got %d %.200q, want 400", name, got, answer)
		}
	}
	r.ext.inFlight.isEmpty(t)
}

// TestRequestsInFlightAreBounded, by their bytes and by their messages: what would
// be more is asked to come again. Small requests are not looked into unless they
// are many.
func TestRequestsInFlightAreBounded(t *testing.T) {
	r := startReceiver(t, true)
	json := fmt.Appendf(nil, frames["/v1/logs"], `{"eventName":"e"}`)
	proto := wrapped([]byte("e"), 12, 2, 2, 1)
	in := &r.ext.inFlight
	for name, fill := range map[string]func(sign int64){
		"bytes": func(sign int64) { in.bytes.Add(sign * (maxInFlight - 1)) },
		"messages": func(sign int64) {
			in.messages.Add(sign * maxMessagesInFlight)
			in.uncounted.Add(sign * 2 * maxMessages)
		},
	} {
		fill(1)
		for contentType, body := range map[string][]byte{"application/json": json, "application/x-protobuf": proto} {
			if got, answer := r.post(t, "/v1/logs", contentType, body); got != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d %q, want 503", name, got, answer)
			}
		}
		if err := r.invoke(t.Context(), proto); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v, want Unavailable", name, err)
		}
		fill(-1)
		in.isEmpty(t)
		if got, answer := r.post(t, "/v1/logs", "application/json", json); got != http.StatusOK {
			t.Errorf("got %d %s, want 200", got, answer)
		}
		if err := r.invoke(t.Context(), proto); err != nil {
			t.Error(err)
		}
		in.isEmpty(t)
	}
	r.logsRefusals(t, 6)
}

// TestACallWithTwoRequestsIsRefused, and nothing of it stays in memory.
func TestACallWithTwoRequestsIsRefused(t *testing.T) {
	r := startReceiver(t, true)
	stream, err := r.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, logsMethod, rawCodec)
	if err != nil {
		t.Fatal(err)
	}
	message := rawMessage(wrapped([]byte("e"), 12, 2, 2, 1))
	if err := errors.Join(stream.SendMsg(message), stream.SendMsg(message), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&logspb.ExportLogsServiceResponse{}); status.Code(err) != codes.Internal {
		t.Errorf("got %v, want Internal", err)
	}
	r.ext.inFlight.isEmpty(t)
	if got := r.take(t); got != "" {
		t.Errorf("received %s", got)
	}
}

// TestARepairEndsWithItsSender: it takes long if much is odd, and is alone.
func TestARepairEndsWithItsSender(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	document := fmt.Appendf(nil, frames["/v1/logs"], `{"flags":-1}`)
	if fixed, count := repairDocument(ctx, document, nil); fixed != nil || count != (repaired{}) {
		t.Errorf("got %s", fixed)
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
