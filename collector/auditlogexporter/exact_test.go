package auditlogexporter

import (
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// TestAnyRequestComesBackExact sends random records through the exporter, its
// file, the decoder and what the SDK's own exporter sends, and compares that
// with the request that the collector received.
func TestAnyRequestComesBackExact(t *testing.T) {
	cfg := newConfig(t)
	cfg.Sync.Mode = SyncNever
	e := startLogs(t, cfg)
	reader, err := auditlog.NewReader(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := otelline.NewDecoder(otelline.DecoderConfig{})
	var offset int64
	rapid.Check(t, func(rt *rapid.T) {
		ld := drawLogs(rt)
		if err := e.ConsumeLogs(t.Context(), ld); err != nil {
			rt.Fatal(err)
		}
		last, err := reader.LastEvents(t.Context(), 1, "")
		if err != nil || len(last) != 1 {
			rt.Fatal(last, err)
		}
		offset++
		decoded, err := decoder.Decode(last[0].Raw, offset)
		if err != nil {
			rt.Fatalf("decode: %v\n%s", err, last[0].Raw)
		}
		if diff := diffRequests(received(t, ld), sent(t, decoded)); diff != "" {
			rt.Fatalf("(-want +got):\n%s\n%s", diff, last[0].Raw)
		}
	})
}

// TestATimeBeyondInt64IsOnTheLine as it was received: exporters of the SDK could
// not send it.
func TestATimeBeyondInt64IsOnTheLine(t *testing.T) {
	cfg := newConfig(t)
	ld := events("late")
	r := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	r.SetTimestamp(math.MaxUint64)
	r.SetDroppedAttributesCount(math.MaxUint32)
	if err := startLogs(t, cfg).ConsumeLogs(t.Context(), ld); err != nil {
		t.Fatal(err)
	}
	const ts, nano, dropped = `{"ts":"2554-07-21T23:34:33.709Z"`, `"time_unix_nano":"18446744073709551615"`, `"dropped_attributes_count":4294967295`
	line := rawLines(t, cfg.Path)[0]
	for _, want := range []string{ts, nano, dropped} {
		if !strings.Contains(line, want) {
			t.Errorf("got %s, want %s in it", line, want)
		}
	}
}

// TestANestedValueIsWrittenWholeOrRefused, wherever it is: what a line cannot hold
// is an error that is permanent, and 400 for the sender. The deepest value that is
// written is also read back whole.
func TestANestedValueIsWrittenWholeOrRefused(t *testing.T) {
	lists := func(v pcommon.Value, levels int) {
		for range levels {
			v = v.SetEmptySlice().AppendEmpty()
		}
	}
	maps := func(v pcommon.Value, levels int) {
		for range levels {
			v = v.SetEmptyMap().PutEmpty("k")
		}
	}
	wrapped := func(v pcommon.Value, levels int) {
		for range levels {
			v = v.SetEmptyMap().PutEmpty("intValue")
		}
	}
	for name, place := range map[string]func(plog.Logs) pcommon.Value{
		"body":      func(ld plog.Logs) pcommon.Value { return recordOf(ld).Body() },
		"attribute": func(ld plog.Logs) pcommon.Value { return recordOf(ld).Attributes().PutEmpty("deep") },
		"resource": func(ld plog.Logs) pcommon.Value {
			return ld.ResourceLogs().At(0).Resource().Attributes().PutEmpty("deep")
		},
		"scope": func(ld plog.Logs) pcommon.Value {
			return ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutEmpty("deep")
		},
	} {
		for _, test := range []struct {
			nest   func(pcommon.Value, int)
			levels int
			taken  bool
		}{
			{lists, 3, true},
			{lists, otelline.MaxNesting, true},
			{lists, otelline.MaxNesting + 1, false},
			{lists, 20_000, false},
			{maps, otelline.MaxNesting, true},
			{maps, otelline.MaxNesting + 1, false},
			{wrapped, otelline.MaxNesting / 4, true},
			{wrapped, otelline.MaxNesting/4 + 2, false},
		} {
			cfg := newConfig(t)
			ld := events("deep")
			test.nest(place(ld), test.levels)
			err := startLogs(t, cfg).ConsumeLogs(t.Context(), ld)
			if !test.taken {
				if !consumererror.IsPermanent(err) || status.Code(err) != codes.InvalidArgument {
					t.Errorf("%s, %d levels: got %v, want a permanent error", name, test.levels, err)
				}
				if lines := rawLines(t, cfg.Path); len(lines) > 0 {
					t.Errorf("%s, %d levels: got %.100s, want no line", name, test.levels, lines[0])
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %d levels: %v", name, test.levels, err)
				continue
			}
			line := rawLines(t, cfg.Path)[0]
			if strings.Contains(line, "left out") {
				t.Errorf("%s, %d levels: got a text in place of the value", name, test.levels)
			}
			if _, err := otelline.NewDecoder(otelline.DecoderConfig{}).Decode([]byte(line), 1); err != nil {
				t.Errorf("%s, %d levels: read back: %v", name, test.levels, err)
			}
		}
	}
}

func recordOf(ld plog.Logs) plog.LogRecord {
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// received returns a request as protobuf has it, with each byte of invalid UTF-8
// as the line has it: the library would not decode it otherwise.
func received(t testing.TB, ld plog.Logs) *collogspb.ExportLogsServiceRequest {
	t.Helper()
	repaired := plog.NewLogs()
	ld.CopyTo(repaired)
	rl := repaired.ResourceLogs().At(0)
	r := rl.ScopeLogs().At(0).LogRecords().At(0)
	repairMap(rl.Resource().Attributes())
	repairMap(rl.ScopeLogs().At(0).Scope().Attributes())
	repairMap(r.Attributes())
	repairValue(r.Body())
	text, err := new(plog.ProtoMarshaler).MarshalLogs(repaired)
	if err != nil {
		t.Fatal(err)
	}
	request := new(collogspb.ExportLogsServiceRequest)
	if err := proto.Unmarshal(text, request); err != nil {
		t.Fatal(err)
	}
	return request
}

// Keys are valid here: they are drawn so.
func repairMap(m pcommon.Map) {
	for _, v := range m.All() {
		repairValue(v)
	}
}

func repairValue(v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		v.SetStr(string([]rune(v.Str())))
	case pcommon.ValueTypeMap:
		repairMap(v.Map())
	case pcommon.ValueTypeSlice:
		for _, e := range v.Slice().All() {
			repairValue(e)
		}
	}
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sent returns the request that otlploghttp sends for a record.
func sent(t testing.TB, record sdklog.Record) *collogspb.ExportLogsServiceRequest {
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
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, proto.Unmarshal(text, request)
	})}
	exp, err := otlploghttp.New(t.Context(), otlploghttp.WithHTTPClient(client), otlploghttp.WithEndpointURL("http://127.0.0.1:1/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := exp.Export(t.Context(), []sdklog.Record{record}); err != nil {
		t.Fatal(err)
	}
	return request
}

// diffRequests returns how got differs from want in anything but what a line
// adds, and the order of different keys.
func diffRequests(want, got *collogspb.ExportLogsServiceRequest) string {
	wantRecord, gotRecord := onlyRecord(want), onlyRecord(got)
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
	for _, r := range []*collogspb.ExportLogsServiceRequest{want, got} {
		record, scope, resource := onlyRecord(r), r.GetResourceLogs()[0].GetScopeLogs()[0].GetScope(), r.GetResourceLogs()[0].GetResource()
		sortMembers(record.GetAttributes())
		sortValue(record.GetBody())
		sortMembers(scope.GetAttributes())
		sortMembers(resource.GetAttributes())
		// That one is absent and that it is empty means the same.
		if proto.Size(record.GetBody()) == 0 {
			record.Body = nil
		}
		if proto.Size(scope) == 0 {
			r.GetResourceLogs()[0].GetScopeLogs()[0].Scope = nil
		}
		if proto.Size(resource) == 0 {
			r.GetResourceLogs()[0].Resource = nil
		}
	}
	if proto.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got, protocmp.Transform())
}

func onlyRecord(r *collogspb.ExportLogsServiceRequest) *logspb.LogRecord {
	return r.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0]
}

// sortMembers sorts by key at every depth; equal keys keep their order.
func sortMembers(list []*commonpb.KeyValue) {
	slices.SortStableFunc(list, func(a, b *commonpb.KeyValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	for _, kv := range list {
		sortValue(kv.GetValue())
	}
}

func sortValue(v *commonpb.AnyValue) {
	sortMembers(v.GetKvlistValue().GetValues())
	for _, e := range v.GetArrayValue().GetValues() {
		sortValue(e)
	}
}

var (
	keyGen = rapid.OneOf(
		rapid.SampledFrom([]string{
			"ts", "event", "session_id", "cost", "model", "input_t", "output_t", "files", "reason", "confidence", "duration_ms", "config",
			"trace_id", "span_id", "trace_flags", "otel", "log.record.uid", "session.id", "intValue", "doubleValue", "bytesValue", "kvlistValue",
			"event.name", "event.timestamp", "gen_ai.usage.input_tokens", "cost_usd", "task_id", "a", "b",
			"gen_ai", "usage", "usage.input_tokens", "input_tokens", "amount", "error", "message",
		}),
		rapid.StringN(1, 12, 40),
	)
	textGen = rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", "0.25", "x.api_error", "\x00\x7f\u0085\u2028\u202e\ufeff", "\xff\xfe", "a\xc3", "\xed\xa0\x80"}))
	intGen = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 130),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 1 << 53, 1<<53 - 1, -1 << 53}))
	floatGen = rapid.OneOf(rapid.Float64(),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 5e-324, 3e-6, 7}))
	timeGen = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, math.MaxInt64))
)

func drawLogs(rt *rapid.T) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	drawMap(rt, rl.Resource().Attributes(), 2, true)
	rl.SetSchemaUrl(rapid.SampledFrom([]string{"", "https://example.com/resource"}).Draw(rt, "resource schema"))
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(rapid.SampledFrom([]string{"", "scope", "litellm"}).Draw(rt, "scope"))
	sl.Scope().SetVersion(rapid.SampledFrom([]string{"", "1.2.3"}).Draw(rt, "version"))
	sl.SetSchemaUrl(rapid.SampledFrom([]string{"", "https://example.com/scope"}).Draw(rt, "scope schema"))
	drawMap(rt, sl.Scope().Attributes(), 2, true)
	r := sl.LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.Timestamp(timeGen.Draw(rt, "time")))
	r.SetObservedTimestamp(pcommon.Timestamp(timeGen.Draw(rt, "observed")))
	r.SetEventName(rapid.SampledFrom([]string{"", "", "nav", "task.tokens", "x.api_error", "an \"event\"\n"}).Draw(rt, "event name"))
	r.SetSeverityNumber(plog.SeverityNumber(rapid.Int32Range(0, 24).Draw(rt, "severity")))
	r.SetSeverityText(rapid.SampledFrom([]string{"", "WARN", "\x7f\u202e"}).Draw(rt, "severity text"))
	r.SetDroppedAttributesCount(rapid.SampledFrom([]uint32{0, 0, 1, 5000}).Draw(rt, "dropped"))
	r.SetFlags(plog.LogRecordFlags(rapid.Byte().Draw(rt, "flags")))
	if rapid.Bool().Draw(rt, "trace") {
		r.SetTraceID(pcommon.TraceID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "trace id")))
	}
	if rapid.Bool().Draw(rt, "span") {
		r.SetSpanID(pcommon.SpanID(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(rt, "span id")))
	}
	drawValue(rt, r.Body(), 3, false)
	drawMap(rt, r.Attributes(), 3, false)
	return ld
}

// drawMap fills m. The resource and the scope of the SDK, which the comparison
// goes through, know no key twice, at any depth; the line does.
//
// PutEmpty finds a key that is there, so keys that are to be
// repeated get in under another one, by way of the protobuf.
func drawMap(rt *rapid.T, m pcommon.Map, depth int, unique bool) {
	n := rapid.IntRange(0, 6).Draw(rt, "members")
	kv := &commonpb.KeyValueList{}
	for range n {
		key := keyGen.Draw(rt, "key")
		if unique && slices.ContainsFunc(kv.GetValues(), func(o *commonpb.KeyValue) bool { return o.GetKey() == key }) {
			continue
		}
		kv.Values = append(kv.Values, &commonpb.KeyValue{Key: key})
	}
	decodeKeys(rt, kv, m)
	for _, v := range m.All() {
		drawValue(rt, v, depth-1, unique)
	}
}

// decodeKeys makes a map of empty values with keys that may repeat.
func decodeKeys(rt *rapid.T, kv *commonpb.KeyValueList, m pcommon.Map) {
	text, err := proto.Marshal(&collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{Attributes: kv.GetValues()}}}},
	}}})
	if err != nil {
		rt.Fatal(err)
	}
	ld, err := new(plog.ProtoUnmarshaler).UnmarshalLogs(text)
	if err != nil {
		rt.Fatal(err)
	}
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().CopyTo(m)
}

func drawValue(rt *rapid.T, v pcommon.Value, depth int, unique bool) {
	kinds := 7
	if depth <= 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds).Draw(rt, "kind") {
	case 0: // empty
	case 1:
		v.SetBool(rapid.Bool().Draw(rt, "bool"))
	case 2:
		v.SetInt(intGen.Draw(rt, "int"))
	case 3:
		v.SetDouble(floatGen.Draw(rt, "float"))
	case 4:
		v.SetEmptyBytes().FromRaw(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, "bytes"))
	case 5:
		v.SetStr(textGen.Draw(rt, "text"))
	case 6:
		list := v.SetEmptySlice()
		for range rapid.IntRange(0, 4).Draw(rt, "elements") {
			drawValue(rt, list.AppendEmpty(), depth-1, unique)
		}
	case 7:
		drawMap(rt, v.SetEmptyMap(), depth, unique)
	}
}
