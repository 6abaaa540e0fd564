package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// emit emits a record with attrs through p.
func emit(ctx context.Context, p sdklog.Processor, attrs ...attribute.KeyValue) {
	var r log.Record
	r.SetEventName("nav")
	r.AddAttributes(attrs...)
	sdklog.NewLoggerProvider(sdklog.WithProcessor(p)).Logger("test").Emit(ctx, r)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	_, log := newExporter(t)
	for want, opts := range map[string][]exporter.Option{
		"the fields are":     {exporter.WithSources("price", "x")},
		"never derived":      {exporter.WithSources("config", "x")},
		"attribute key is e": {exporter.WithSources("cost", "")},
	} {
		if _, err := exporter.New(log, opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	if _, err := exporter.New(nil); err == nil {
		t.Error("a nil log is no error")
	}
}

// TestShutdownEndsTheExporterAndNotTheLog holds the SDK's contract.
func TestShutdownEndsTheExporterAndNotTheLog(t *testing.T) {
	exp, log := newExporter(t)
	records := recordtest.ModelCalls(3)
	if err := exp.Export(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := exp.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
	if err := exp.Export(t.Context(), records); !errors.Is(err, sdklog.ErrExporterShutdown) {
		t.Errorf("Export after Shutdown: got %v, want ErrExporterShutdown", err)
	}
	if err := exp.ForceFlush(t.Context()); err != nil {
		t.Errorf("ForceFlush after Shutdown: %v", err)
	}
	if err := log.Append(t.Context(), auditlog.Event{Name: "still open"}); err != nil {
		t.Error(err)
	}
	if got := len(rawLines(t, log)); got != 4 {
		t.Errorf("got %d lines, want 4", got)
	}
}

func TestExportReturnsTheErrorsOfTheLog(t *testing.T) {
	exp, log := newExporter(t)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := exp.Export(t.Context(), recordtest.ModelCalls(1)); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("Export: got %v, want auditlog.ErrClosed", err)
	}
	if err := exp.ForceFlush(t.Context()); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("ForceFlush: got %v, want auditlog.ErrClosed", err)
	}
}

// TestACancelledContextLosesNoRecord exports under contexts that have ended,
// while others are writing.
func TestACancelledContextLosesNoRecord(t *testing.T) {
	const goroutines, each = 8, 50
	exp, log := newExporter(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	records := recordtest.ModelCalls(1)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				err := exp.Export(ended, records)
				if _, ok := errors.AsType[*auditlog.SyncError](err); err != nil && !ok {
					t.Errorf("got %v, want none but a SyncError", err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(rawLines(t, log)); got != goroutines*each {
		t.Errorf("got %d lines, want %d", got, goroutines*each)
	}
}

// TestExporterConcurrentSafe exports and emits from many goroutines, with
// scopes and resources of their own.
func TestExporterConcurrentSafe(t *testing.T) {
	const goroutines, each = 8, 40
	exp, log := newExporter(t)
	processor := exporter.NewProcessor(exp)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			provider := sdklog.NewLoggerProvider(
				sdklog.WithProcessor(struct{ sdklog.Processor }{processor}),
				sdklog.WithResource(resource.NewSchemaless(attribute.Int("process", g))))
			for n := range each {
				var r log2
				r.SetEventName("nav")
				r.AddAttributes(attribute.Int("g", g), attribute.Int("n", n))
				provider.Logger(fmt.Sprint("scope ", n%3)).Emit(t.Context(), r)
				if err := exp.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := make(map[float64]float64)
	uids := make(map[any]bool)
	for _, line := range decodedLines(t, log) {
		g, n := line["g"].(float64), line["n"].(float64)
		if n != next[g] {
			t.Errorf("goroutine %v: got event %v, want %v", g, n, next[g])
		}
		next[g] = n + 1
		otel := line["otel"].(map[string]any)
		scope, res := otel["scope"].(map[string]any), otel["resource"].(map[string]any)
		if got, want := scope["name"], fmt.Sprint("scope ", int(n)%3); got != want {
			t.Errorf("got scope %v, want %v", got, want)
		}
		if got := res["attributes"].(map[string]any)["process"]; got != g {
			t.Errorf("got resource of process %v, want %v", got, g)
		}
		uids[line["log.record.uid"]] = true
	}
	if len(uids) != goroutines*each {
		t.Errorf("got %d different uids, want %d", len(uids), goroutines*each)
	}
}

type log2 = log.Record

var uuidV7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestTheRecordUIDIsAUUIDv7UnlessTheRecordHasOne(t *testing.T) {
	exp, log := newExporter(t)
	p := sdklog.NewSimpleProcessor(exp)
	emit(t.Context(), p)
	emit(t.Context(), p, attribute.String("log.record.uid", "mine"))
	emit(t.Context(), p, attribute.Int("log.record.uid", 7))
	lines := decodedLines(t, log)
	if got, _ := lines[0]["log.record.uid"].(string); !uuidV7.MatchString(got) {
		t.Errorf("got uid %q, want a UUIDv7", got)
	}
	if lines[1]["log.record.uid"] != "mine" || lines[2]["log.record.uid"] != 7.0 {
		t.Errorf("got uids %v and %v, want the records' own", lines[1]["log.record.uid"], lines[2]["log.record.uid"])
	}

	exp, log = newExporter(t, exporter.WithoutRecordUID())
	emit(t.Context(), exporter.NewProcessor(exp))
	if got, ok := onlyLine(t, log)["log.record.uid"]; ok {
		t.Errorf("WithoutRecordUID: got uid %v", got)
	}
}

// TestWhatHasNoTimeGetsOne covers the order of FORMAT.md section 5.
func TestWhatHasNoTimeGetsOne(t *testing.T) {
	stamp, observed := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	exp, log := newExporter(t)
	for _, test := range []struct {
		time, observed time.Time
		event          string
	}{
		{stamp, observed, "2024-01-01T00:00:00Z"},
		{time.Time{}, observed, "2024-01-01T00:00:00+01:00"},
		{time.Time{}, observed, "yesterday"},
	} {
		c := new(recordtest.Capturer)
		emit(t.Context(), c, attribute.String("event.timestamp", test.event))
		r := &c.Records[0]
		r.SetTimestamp(test.time)
		r.SetObservedTimestamp(test.observed)
		if err := exp.Export(t.Context(), c.Records); err != nil {
			t.Fatal(err)
		}
	}
	c := new(recordtest.Capturer)
	emit(t.Context(), c)
	c.Records[0].SetObservedTimestamp(time.Time{})
	before := time.Now().Truncate(time.Millisecond)
	if err := exp.Export(t.Context(), c.Records); err != nil {
		t.Fatal(err)
	}
	lines := decodedLines(t, log)
	for i, want := range []string{"2026-01-02T03:04:05.678Z", "2023-12-31T23:00:00.000Z", "2025-01-01T00:00:00.000Z"} {
		if lines[i]["ts"] != want {
			t.Errorf("got ts %v, want %s", lines[i]["ts"], want)
		}
	}
	got, err := time.Parse(time.RFC3339, lines[3]["ts"].(string))
	if err != nil || got.Before(before) || got.After(time.Now()) {
		t.Errorf("got ts %v, want the time of writing", lines[3]["ts"])
	}
}

// TestTheTimeOfWritingIsThatOfEachBatch, though they share their memory.
func TestTheTimeOfWritingIsThatOfEachBatch(t *testing.T) {
	exp, log := newExporter(t)
	var c recordtest.Capturer
	emit(t.Context(), &c)
	emit(t.Context(), &c)
	for i := range c.Records {
		c.Records[i].SetObservedTimestamp(time.Time{})
	}
	synctest.Test(t, func(t *testing.T) { // only for its clock
		begin := time.Now()
		for range 2 {
			if err := exp.Export(t.Context(), c.Records); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		for i, line := range decodedLines(t, log) {
			want := begin.Add(time.Duration(i/2) * time.Hour).UTC().Format(time.RFC3339)
			if got, _ := line["ts"].(string); !strings.HasPrefix(got, strings.TrimSuffix(want, "Z")) {
				t.Errorf("line %d has ts %s, want %s", i, got, want)
			}
		}
	})
}

// TestTheSessionIsThatOfTheNearest covers record, context, scope, resource and
// process.
func TestTheSessionIsThatOfTheNearest(t *testing.T) {
	emitIn := func(ctx context.Context, p sdklog.Processor, scope, res string, attrs ...attribute.KeyValue) {
		named := func(id string) (attrs []attribute.KeyValue) {
			if id != "" {
				attrs = append(attrs, attribute.String("session.id", id))
			}
			return attrs
		}
		var r log.Record
		r.AddAttributes(attrs...)
		sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithResource(resource.NewSchemaless(named(res)...))).
			Logger("test", log.WithInstrumentationAttributes(named(scope)...)).Emit(ctx, r)
	}
	in := exporter.ContextWithSession(t.Context(), "context")
	record := attribute.String("gen_ai.conversation.id", "record")
	exp, log := newExporter(t)
	p := exporter.NewProcessor(exp)
	emitIn(in, p, "scope", "resource", record)
	emitIn(in, p, "scope", "resource")
	emitIn(t.Context(), p, "scope", "resource")
	emitIn(t.Context(), p, "", "resource")
	emitIn(t.Context(), p, "", "")
	emitIn(in, p, "scope", "resource", attribute.Map("gen_ai", attribute.Map("conversation", attribute.String("id", "group"))))
	for i, line := range decodedLines(t, log) {
		if want := []string{"record", "context", "scope", "resource", "process", "group"}[i]; line["session_id"] != want {
			t.Errorf("got session %v, want %s", line["session_id"], want)
		}
	}
}

// TestProcessorStampsTheRecordItself shows the next processor what the line
// says, of each of several records of one encoder, and that a record which is
// exported behind them has an id of its own.
func TestProcessorStampsTheRecordItself(t *testing.T) {
	same := func(kv attribute.KeyValue) attribute.KeyValue { return kv }
	only := func(kv attribute.KeyValue) attribute.KeyValue {
		if kv.Key != "n" {
			return attribute.KeyValue{}
		}
		return kv
	}
	for name, tt := range map[string]struct {
		opts    []exporter.Option
		session string // of the context
	}{
		"with a hook that takes it away": {opts: []exporter.Option{exporter.WithReplaceAttribute(only)}, session: "s"},
		"id":                             {},
		"id and session":                 {session: "s"},
		"id, with a hook":                {opts: []exporter.Option{exporter.WithReplaceAttribute(same)}},
		"session":                        {opts: []exporter.Option{exporter.WithoutRecordUID()}, session: "s"},
	} {
		t.Run(name, func(t *testing.T) {
			exp, log := newExporter(t, tt.opts...)
			next := new(recordtest.Capturer)
			provider := sdklog.NewLoggerProvider(
				sdklog.WithProcessor(exporter.NewProcessor(exp)), sdklog.WithProcessor(next))
			ctx := t.Context()
			if tt.session != "" {
				ctx = exporter.ContextWithSession(ctx, tt.session)
			}
			for n := range 3 {
				var r log2
				r.AddAttributes(attribute.Int("n", n))
				provider.Logger("test").Emit(ctx, r)
			}
			emit(t.Context(), sdklog.NewSimpleProcessor(exp))
			ids := make(map[any]bool)
			lines := decodedLines(t, log)
			for n, line := range lines {
				uid, _ := line["log.record.uid"].(string)
				if wantUID := name != "session"; wantUID != uuidV7.MatchString(uid) || wantUID && ids[uid] {
					t.Errorf("line %d has uid %q, want one of its own: %v", n, uid, wantUID)
				}
				ids[uid] = true
				if n == len(lines)-1 {
					break
				}
				seen := make(map[attribute.Key]string)
				next.Records[n].WalkAttributes(func(kv attribute.KeyValue) bool {
					seen[kv.Key] = kv.Value.AsString()
					return true
				})
				if uid != seen["log.record.uid"] {
					t.Errorf("the next processor sees uid %q, the line has %q", seen["log.record.uid"], uid)
				}
				if seen["session.id"] != tt.session || tt.session != "" && line["session_id"] != tt.session {
					t.Errorf("the next processor sees session %q, the line has %v", seen["session.id"], line["session_id"])
				}
			}
		})
	}
}

// TestStampingLeavesALimitedRecordAsItIs has a provider that would drop or cut
// what is stamped, and count that.
func TestStampingLeavesALimitedRecordAsItIs(t *testing.T) {
	for name, limit := range map[string]sdklog.LoggerProviderOption{
		"count":  sdklog.WithAttributeCountLimit(1),
		"length": sdklog.WithAttributeValueLengthLimit(5),
	} {
		t.Run(name, func(t *testing.T) {
			exp, log := newExporter(t)
			next := new(recordtest.Capturer)
			provider := sdklog.NewLoggerProvider(
				sdklog.WithProcessor(exporter.NewProcessor(exp)), sdklog.WithProcessor(next), limit)
			var r log2
			r.AddAttributes(attribute.Int("n", 1))
			provider.Logger("test").Emit(exporter.ContextWithSession(t.Context(), "session-1"), r)
			got := next.Records[0]
			if got.AttributesLen() != 1 || got.DroppedAttributes() != 0 {
				t.Errorf("the record has %d attributes and %d dropped, want 1 and 0", got.AttributesLen(), got.DroppedAttributes())
			}
			line := onlyLine(t, log)
			if uid, _ := line["log.record.uid"].(string); !uuidV7.MatchString(uid) {
				t.Errorf("the line has uid %q, want one", uid)
			}
			if line["session_id"] != "session-1" {
				t.Errorf("the line has session %v, want that of the context", line["session_id"])
			}
		})
	}
}

// TestStampingLeavesWhatTheRecordHas where the line does not take it for an id or
// a session.
func TestStampingLeavesWhatTheRecordHas(t *testing.T) {
	drop := func(kv attribute.KeyValue) attribute.KeyValue {
		if kv.Key == "log.record.uid" || kv.Key == "session.id" {
			return attribute.KeyValue{}
		}
		return kv
	}
	for name, tt := range map[string]struct {
		opts    []exporter.Option
		session attribute.Value
	}{
		"a hook takes both away":    {[]exporter.Option{exporter.WithReplaceAttribute(drop)}, attribute.StringValue("its own")},
		"aliases are off":           {[]exporter.Option{exporter.WithoutAliases()}, attribute.StringValue("its own")},
		"its session is no text":    {nil, attribute.Int64Value(5)},
		"its session is empty":      {nil, attribute.StringValue("")},
		"its session has no value":  {nil, attribute.Value{}},
		"its session is in a group": {nil, attribute.MapValue(attribute.String("a", "b"))},
	} {
		t.Run(name, func(t *testing.T) {
			exp, log := newExporter(t, tt.opts...)
			next := new(recordtest.Capturer)
			provider := sdklog.NewLoggerProvider(
				sdklog.WithProcessor(exporter.NewProcessor(exp)), sdklog.WithProcessor(next))
			want := []attribute.KeyValue{
				attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3), attribute.Int("d", 4), attribute.Int("e", 5), attribute.Int("f", 6),
				attribute.String("log.record.uid", "id"), {Key: "session.id", Value: tt.session}, attribute.Int("g", 7),
			}
			var r log2
			r.AddAttributes(want...)
			provider.Logger("test").Emit(exporter.ContextWithSession(t.Context(), "context"), r)
			var got []attribute.KeyValue
			next.Records[0].WalkAttributes(func(kv attribute.KeyValue) bool {
				got = append(got, kv)
				return true
			})
			if !slices.Equal(got, want) {
				t.Errorf("the next processor sees\n%v, want\n%v", got, want)
			}
			if session := onlyLine(t, log)["session_id"]; session != "context" {
				t.Errorf("the line has session %v, want that of the context", session)
			}
		})
	}
}

// TestProcessorsOfTheSDKWriteToo runs the exporter under both.
func TestProcessorsOfTheSDKWriteToo(t *testing.T) {
	for name, processor := range map[string]func(sdklog.Exporter) sdklog.Processor{
		"simple": func(e sdklog.Exporter) sdklog.Processor { return sdklog.NewSimpleProcessor(e) },
		"batch":  func(e sdklog.Exporter) sdklog.Processor { return sdklog.NewBatchProcessor(e) },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 100
			exp, log := newExporter(t)
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(processor(exp)))
			for i := range n {
				var r log2
				r.AddAttributes(attribute.Int("n", i))
				provider.Logger("test").Emit(t.Context(), r)
			}
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			lines := decodedLines(t, log)
			if len(lines) != n {
				t.Fatalf("got %d lines, want %d", len(lines), n)
			}
			for i, line := range lines {
				if line["n"] != float64(i) {
					t.Errorf("line %d has n %v", i, line["n"])
				}
			}
		})
	}
}

func TestAProcessorThatIsShutDownDoesNothing(t *testing.T) {
	exp, log := newExporter(t)
	p := exporter.NewProcessor(exp)
	if !p.Enabled(t.Context(), sdklog.EnabledParameters{}) {
		t.Error("it is not enabled before")
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	emit(t.Context(), p)
	if p.Enabled(t.Context(), sdklog.EnabledParameters{}) {
		t.Error("it is enabled after")
	}
	if err := errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	if got := rawLines(t, log); len(got) != 0 {
		t.Errorf("got lines %q, want none", got)
	}
}

// TestWhatCannotBeSaidIsReplacedAndSaysSo covers the two ways in which a part of
// a record cannot be encoded.
func TestWhatCannotBeSaidIsReplacedAndSaysSo(t *testing.T) {
	exp, log := newExporter(t)
	deep := attribute.StringValue("bottom")
	for range 10_050 {
		deep = attribute.SliceValue(deep)
	}
	var r log2
	r.SetEventName("bad \xff name")
	r.AddAttributes(
		attribute.String("bad \xff key", "bad \xff\xfe value"), attribute.KeyValue{Key: "deep", Value: deep},
		attribute.String("bad \ufffd key", "another"))
	sdklog.NewLoggerProvider(
		sdklog.WithProcessor(exporter.NewProcessor(exp)), sdklog.WithAttributeValueDepthLimit(-1)).Logger("test").Emit(t.Context(), r)
	lines := rawLines(t, log)
	if len(lines) != 1 {
		t.Fatalf("got %d lines, want 1", len(lines))
	}
	for _, want := range []string{
		`"event":"bad ` + "\ufffd" + ` name"`,
		`"attributes":{"kvlistValue":{"values":[{"key":"bad ` + "\ufffd" + ` key","value":"bad ` + "\ufffd\ufffd" + ` value"},`,
		`nested deeper than 10000 levels`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("the line lacks %s", want)
		}
	}
}

// TestForceFlushSyncsAsLongAsItsProcessorWrites has two processors on one
// exporter, of which one was shut down.
func TestForceFlushSyncsAsLongAsItsProcessorWrites(t *testing.T) {
	exp, log := newExporter(t)
	first, second := exporter.NewProcessor(exp), exporter.NewProcessor(exp)
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	emit(t.Context(), second)
	if err := second.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := log.Stats(); stats.Appended != 1 || stats.Synced != 1 {
		t.Errorf("got %d appended and %d synced, want 1 and 1", stats.Appended, stats.Synced)
	}
}
