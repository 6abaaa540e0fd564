package exporter_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/recordtest/random"
)

// TestAnyRecordComesBackExact holds the whole way through the line, real SDK at
// both ends, against what otlploghttp sends without it.
func TestAnyRecordComesBackExact(t *testing.T) {
	// What the environment says of this process is not said of the records.
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=replayer,service.name=replayer")
	t.Setenv("OTEL_SERVICE_NAME", "replayer")
	decoder := otelline.NewDecoder(otelline.DecoderConfig{})
	exp, log := newExporter(t)
	var offset int64
	rapid.Check(t, func(rt *rapid.T) {
		var c recordtest.Capturer
		random.Emit(rt, &c)
		if len(c.Records) != 1 {
			rt.Fatalf("got %d records, want 1", len(c.Records))
		}
		if err := exp.Export(t.Context(), c.Records); err != nil {
			rt.Fatal(err)
		}
		last, err := log.LastEvents(t.Context(), 1, "")
		if err != nil || len(last) != 1 {
			rt.Fatal(last, err)
		}
		offset++
		decoded, err := decoder.Decode(last[0].Raw, offset)
		if err != nil {
			rt.Fatalf("decode: %v\n%s", err, last[0].Raw)
		}
		want, err := requestOf(t, c.Records...)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := requestOf(t, decoded)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := diffRequests(want, got); diff != "" {
			rt.Fatalf("(-want +got):\n%s\n%s", diff, last[0].Raw)
		}
	})
}
