package e2e

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/recordtest/random"
)

// ways are the two ways of a record to a receiver each.
type ways struct {
	direct   *otlploghttp.Exporter
	exporter *exporter.Exporter
	bridge   *bridge.Bridge
}

func newWays(t *testing.T, direct, replayed string) ways {
	t.Helper()
	// What the environment says of this process is not said of the records.
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=replayer,service.name=replayer")
	t.Setenv("OTEL_SERVICE_NAME", "replayer")
	d, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(direct+"/v1/logs"),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	e, err := exporter.New(audittest.Open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.New(path, bridge.WithEndpoint(replayed), bridge.WithInFlight(1), bridge.WithBackoff(time.Millisecond, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return ways{d, e, b}
}

// sendDirectly sends each record in a request of its own: in one with others
// otlploghttp gives resources that differ in nothing but their schema URL the
// one of the first.
func (w ways) sendDirectly(ctx context.Context, t rapid.TB, records []sdklog.Record) {
	t.Helper()
	for i := range records {
		if err := w.direct.Export(ctx, records[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
}

// replay writes the records to the log and has the bridge send what is new there.
func (w ways) replay(ctx context.Context, t rapid.TB, records []sdklog.Record) {
	t.Helper()
	if err := w.exporter.Export(ctx, records); err != nil {
		t.Fatal(err)
	}
	stats, err := w.bridge.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(records))
	if want := (bridge.Stats{Read: n, Sent: n}); stats != want {
		t.Fatalf("replay: got %+v, want %+v", stats, want)
	}
}

// withTimesOfTheClient takes the times from records that otlploghttp does not send
// as they are: it wraps around what is no int64. The tests of package otlpwire have
// records with such times.
func withTimesOfTheClient(records []sdklog.Record) {
	fits := func(t time.Time) bool { return !t.Before(time.Unix(0, 0)) && !t.After(time.Unix(0, math.MaxInt64)) }
	for i := range records {
		if r := &records[i]; !fits(r.Timestamp()) {
			r.SetTimestamp(time.Time{})
		}
		if r := &records[i]; !fits(r.ObservedTimestamp()) {
			r.SetObservedTimestamp(time.Time{})
		}
	}
}

// TestReplayedRecordsEqualThoseSentDirectly is the promise of FORMAT.md section 6,
// of batches whose records have resources and scopes of their own.
func TestReplayedRecordsEqualThoseSentDirectly(t *testing.T) {
	direct, directURL := serve(t)
	replayed, replayedURL := serve(t)
	w := newWays(t, directURL, replayedURL)
	rapid.Check(t, func(rt *rapid.T) {
		var c recordtest.Capturer
		for range rapid.IntRange(1, 12).Draw(rt, "records") {
			random.Emit(rt, &c)
		}
		withTimesOfTheClient(c.Records)
		w.sendDirectly(t.Context(), rt, c.Records)
		w.replay(t.Context(), rt, c.Records)
		if diff := diff(direct.take(), replayed.take()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// TestMegabyteStringsArriveExact sends more than one request takes, of what
// gets longest as JSON too.
func TestMegabyteStringsArriveExact(t *testing.T) {
	direct, directURL := serve(t)
	replayed, replayedURL := serve(t)
	w := newWays(t, directURL, replayedURL)
	var c recordtest.Capturer
	logger := sdklog.NewLoggerProvider(sdklog.WithProcessor(&c)).Logger("megabytes")
	for _, unit := range []string{"a", "\x00", "\"\\", "\u202e", "é\n", "\U0001f600\x7f", "{\"a\":1}\r\n"} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		var r log.Record
		r.SetBody(attribute.StringValue(text))
		r.AddAttributes(
			attribute.String("reason", text),
			attribute.Map("map", attribute.StringSlice("slice", []string{text, ""})))
		logger.Emit(t.Context(), r)
	}
	w.sendDirectly(t.Context(), t, c.Records)
	w.replay(t.Context(), t, c.Records)
	requests := replayed.take()
	if len(requests) < 2 {
		t.Errorf("got %d requests, want several", len(requests))
	}
	if diff := diff(direct.take(), requests); diff != "" {
		t.Fatalf("%.2000s", diff)
	}
}

// TestACollectorReceivesTheSameBothWays compares the files that two collectors
// write of what they received.
func TestACollectorReceivesTheSameBothWays(t *testing.T) {
	var c recordtest.Capturer
	rapid.Check(t, func(rt *rapid.T) { random.Emit(rt, &c) })
	withTimesOfTheClient(c.Records)
	direct, replayed := startCollector(t), startCollector(t)
	w := newWays(t, direct.URL(), replayed.URL())
	w.sendDirectly(t.Context(), t, c.Records)
	w.replay(t.Context(), t, c.Records)
	if diff := diff(direct.received(t), replayed.received(t)); diff != "" {
		t.Fatal(diff)
	}
}

// TestInvalidUTF8IsDelivered: protobuf has no strings that are not UTF-8, so
// otlploghttp fails with all records that are in a batch with one. Replayed they
// all arrive, and equal the ones in which each byte that is none of UTF-8 is
// U+FFFD.
func TestInvalidUTF8IsDelivered(t *testing.T) {
	direct, directURL := serve(t)
	replayed, replayedURL := serve(t)
	w := newWays(t, directURL, replayedURL)
	bytes := rapid.Map(rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("ab\"\\\n\xc3\xa9\xff\xed\xa0\x80"))), 0, 12),
		func(b []byte) string { return string(b) })
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SliceOfN(bytes, len(textPlaces), len(textPlaces)).Draw(rt, "texts")
		texts[rapid.IntRange(0, len(texts)-1).Draw(rt, "invalid")] += "\xff"
		var given, repaired recordtest.Capturer
		emitTexts(&given, texts)
		emitTexts(&given, make([]string, len(texts)))
		for i := range texts {
			texts[i] = string([]rune(texts[i])) // each byte that is not part of a rune is one
		}
		emitTexts(&repaired, texts)
		emitTexts(&repaired, make([]string, len(texts)))

		if err := w.direct.Export(t.Context(), given.Records); err == nil {
			rt.Error("otlploghttp sends invalid UTF-8 now: say so in FORMAT.md")
		}
		if requests := direct.take(); len(requests) != 0 {
			rt.Errorf("otlploghttp sent %v", requests)
		}
		w.sendDirectly(t.Context(), rt, repaired.Records)
		w.replay(t.Context(), rt, given.Records)
		if diff := diff(direct.take(), replayed.take()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// textPlaces are the places of a record that hold text.
var textPlaces = [...]string{
	"body", "severity text", "event name", "attribute", "attribute key", "field", "in a slice", "in a map", "key in a map",
	"scope name", "scope version", "scope attribute", "resource attribute", "resource key",
}

// emitTexts emits a record with a text in each of the textPlaces. Keys begin with
// something else, so that no two become the same.
func emitTexts(p sdklog.Processor, texts []string) {
	text := func(place string) string {
		for i, p := range textPlaces {
			if p == place {
				return texts[i]
			}
		}
		panic(place)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithResource(resource.NewSchemaless(
		attribute.String("text", text("resource attribute")), attribute.Bool("k"+text("resource key"), true))))
	logger := provider.Logger(text("scope name"), log.WithInstrumentationVersion(text("scope version")),
		log.WithInstrumentationAttributes(attribute.String("text", text("scope attribute"))))
	var r log.Record
	r.SetBody(attribute.StringValue(text("body")))
	r.SetSeverityText(text("severity text"))
	r.SetEventName(text("event name"))
	r.SetTimestamp(time.Unix(1, 0))
	r.SetObservedTimestamp(time.Unix(2, 0))
	r.AddAttributes(
		attribute.String("text", text("attribute")), attribute.Int("k"+text("attribute key"), 1),
		attribute.String("reason", text("field")),
		attribute.StringSlice("slice", []string{text("in a slice")}),
		attribute.Map("map", attribute.String("text", text("in a map")), attribute.Bool("k"+text("key in a map"), true)))
	logger.Emit(context.Background(), r)
}
