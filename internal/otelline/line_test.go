package otelline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// capturer keeps the record.
type capturer struct{ record sdklog.Record }

func (c *capturer) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.record = r.Clone()
	return nil
}
func (c *capturer) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (c *capturer) Shutdown(context.Context) error                         { return nil }
func (c *capturer) ForceFlush(context.Context) error                       { return nil }

func emitAt(provider *sdklog.LoggerProvider, at time.Time, attrs ...attribute.KeyValue) {
	var r log.Record
	r.SetTimestamp(at)
	r.SetObservedTimestamp(at)
	r.AddAttributes(attrs...)
	provider.Logger("").Emit(context.Background(), r)
}

// encode returns the line of a record, with nothing derived, without its line
// feed.
func encode(r *sdklog.Record) string {
	attrs := otelline.NewAttributes(otelline.NewKeyTable())
	attrs.Read(r, nil)
	scope := r.InstrumentationScope()
	origin := otelline.OriginOf(&scope, nil)
	l := otelline.Line{
		Attributes: attrs, Event: "e", Time: time.Unix(0, 0),
		Origin: otelline.AppendOrigin(nil, &origin),
	}
	var record otelline.Record
	record.Read(r)
	return strings.TrimSuffix(string(l.Append(nil, &record)), "\n")
}

// TestARepeatedKeyGoesAside looks for repeated keys among few and among many.
func TestARepeatedKeyGoesAside(t *testing.T) {
	for _, n := range []int{2, 12, 64, 65, 500} {
		for _, at := range []int{0, n / 2, n - 1} {
			c := new(capturer)
			provider := sdklog.NewLoggerProvider(
				sdklog.WithProcessor(c), sdklog.WithAllowKeyDuplication(), sdklog.WithAttributeCountLimit(-1))
			attrs := make([]attribute.KeyValue, 0, n+1)
			for i := range n {
				attrs = append(attrs, attribute.Int(fmt.Sprint("key", i), i))
			}
			attrs = append(attrs, attribute.Int(fmt.Sprint("key", at), -1))
			emitAt(provider, time.Unix(0, 0), attrs...)
			line := encode(&c.record)
			key := fmt.Sprint("key", at)
			want := fmt.Sprintf(`"attributes":{"kvlistValue":{"values":[{"key":"%s","value":%d},{"key":"%s","value":-1}]}}`, key, at, key)
			if !strings.Contains(line, want) || strings.Count(line, `"`+key+`"`) != 2 {
				t.Errorf("%d attributes, %s twice: %s", n, key, line)
			}
		}
	}
}

// TestAnAttributeStandsAsAFieldIfItsTypeFits is the table of FORMAT.md
// section 2.
func TestAnAttributeStandsAsAFieldIfItsTypeFits(t *testing.T) {
	for _, test := range []struct {
		attr attribute.KeyValue
		want string // on the line; empty: in otel.attributes
	}{
		{attribute.String("session_id", "s"), `"session_id":"s"`},
		{attribute.String("session_id", ""), ""},
		{attribute.Int("session_id", 1), ""},
		{attribute.String("model", ""), `"model":""`},
		{attribute.Bool("reason", true), ""},
		{attribute.Int64("cost", -1), `"cost":-1`},
		{attribute.Int64("cost", 1<<53), ""},
		{attribute.Float64("cost", 1), `"cost":1.0`},
		{attribute.String("cost", "1"), ""},
		{attribute.Int64("input_t", 0), `"input_t":0`},
		{attribute.Int64("output_t", -1), ""},
		{attribute.Float64("duration_ms", 1), ""},
		{attribute.Int64("confidence", 100), `"confidence":100`},
		{attribute.Int64("confidence", 101), ""},
		{attribute.StringSlice("files", []string{"a"}), `"files":["a"]`},
		{attribute.Int64Slice("files", nil), `"files":[]`},
		{attribute.Int64Slice("files", []int64{1}), ""},
		{attribute.Slice("files", attribute.StringValue("a"), attribute.IntValue(1)), ""},
		{attribute.String("files", "a"), ""},
		{attribute.Map("config"), `"config":{}`},
		{attribute.String("config", "{}"), ""},
		{attribute.String("ts", "x"), ""},
		{attribute.String("event", "x"), ""},
		{attribute.String("trace_id", "x"), ""},
		{attribute.String("otel", "x"), ""},
	} {
		c := new(capturer)
		emitAt(sdklog.NewLoggerProvider(sdklog.WithProcessor(c)), time.Unix(0, 0), test.attr)
		line := encode(&c.record)
		head, aside, _ := strings.Cut(line, `,"otel":{`)
		if test.want != "" && (!strings.Contains(head, test.want) || strings.Contains(aside, `"attributes"`)) {
			t.Errorf("%v: got %s, want %s at the top", test.attr, line, test.want)
		}
		if test.want == "" && !strings.Contains(aside, `"attributes":{"`+string(test.attr.Key)+`":`) {
			t.Errorf("%v: got %s, want it in otel.attributes", test.attr, line)
		}
	}
}
