package exporter_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/recordtest/random"
)

// randomRecord draws a record of the SDK.
var randomRecord = rapid.Custom(func(rt *rapid.T) sdklog.Record {
	var c recordtest.Capturer
	random.Emit(rt, &c)
	return c.Records[0]
})

// work is what is done with records in one way.
type work func(ctx context.Context, exp *exporter.Exporter, records []sdklog.Record) error

func exportAll(ctx context.Context, exp *exporter.Exporter, records []sdklog.Record) error {
	return exp.Export(ctx, records)
}

func emitEach(ctx context.Context, exp *exporter.Exporter, records []sdklog.Record) error {
	p := exporter.NewProcessor(exp)
	for i := range records {
		r := records[i].Clone()
		if err := p.OnEmit(ctx, &r); err != nil {
			return err
		}
	}
	return nil
}

// batchAll makes spans of some of the records.
func batchAll(ctx context.Context, exp *exporter.Exporter, records []sdklog.Record) error {
	batch := exp.NewBatch()
	defer batch.Release()
	for i := range records {
		origin, record, attrs := partsOf(&records[i])
		batch.SetOrigin(&origin)
		if len(attrs)%3 > 0 {
			addRecord(batch, record, attrs...)
			continue
		}
		end := time.Unix(1_770_000_000, 0)
		if len(attrs)%2 == 0 {
			attrs = append(attrs, attribute.String("openinference.span.kind", "AGENT")) // a sum
		}
		batch.AddSpan(&otelline.Span{
			Name: "ai.generateText.doGenerate", Attributes: attrs, Start: end.Add(-time.Second), End: end,
			Failed: record.Severity%2 == 0, Status: record.EventName, Dropped: record.Dropped,
			TraceID: record.TraceID, SpanID: record.SpanID, ParentID: record.SpanID, Flags: record.Flags,
		})
	}
	return batch.Write(ctx)
}

// withoutMembers returns a record with the keys of r, and nothing in its maps.
func withoutMembers(r *sdklog.Record) sdklog.Record {
	_, _, attrs := partsOf(r)
	for i := range attrs {
		if attrs[i].Value.Type() == attribute.MAP {
			attrs[i].Value = attribute.MapValue()
		}
	}
	empty := r.Clone()
	empty.SetAttributes(attrs...)
	return empty
}

// groupsSwapped makes maps of some attributes and scalars of others, and takes
// some away.
func groupsSwapped(kv attribute.KeyValue) attribute.KeyValue {
	switch {
	case kv.Key == "gen_ai.usage.input_tokens":
		return attribute.Map("gen_ai", attribute.KeyValue{Key: "usage.input_tokens", Value: kv.Value})
	case kv.Value.Type() == attribute.MAP && len(kv.Value.AsMap())%2 == 0:
		return attribute.Int(string(kv.Key), len(kv.Value.AsMap()))
	case kv.Value.Type() == attribute.SLICE:
		return attribute.KeyValue{}
	}
	return kv
}

// madeCallID is the call_id of a record without a trace.
var madeCallID = regexp.MustCompile(`"call_id":"[0-9a-f-]{36}"`)

var madeUID = regexp.MustCompile(`"log\.record\.uid":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)

// TestALineHasNothingOfTheLinesBefore uses one exporter in every way from several
// goroutines, and compares the lines with those of exporters that are used once.
func TestALineHasNothingOfTheLinesBefore(t *testing.T) {
	var records []sdklog.Record
	for seed := range 150 {
		r := randomRecord.Example(seed)
		records = append(records, r, withoutMembers(&r))
	}
	works := []work{exportAll, emitEach, batchAll}
	const goroutines, rounds = 4, 60
	for name, opts := range map[string][]exporter.Option{
		"as it comes": nil,
		"with a hook": {exporter.WithReplaceAttribute(groupsSwapped)},
	} {
		t.Run(name, func(t *testing.T) {
			exp, log := newExporter(t, opts...)
			once := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"))
			var done sync.WaitGroup
			for g := range goroutines {
				done.Go(func() {
					random := rand.New(rand.NewPCG(5, uint64(g)))
					for range rounds {
						do := works[random.IntN(len(works))]
						ctx := t.Context()
						if random.IntN(3) == 0 {
							ctx = exporter.ContextWithSession(ctx, "of the context")
						}
						first := random.IntN(len(records))
						some := records[first:min(len(records), first+1+random.IntN(4))]
						for range 1 + random.IntN(2) { // the same keys again, now and then
							if err := do(ctx, exp, some); err != nil {
								t.Error(err)
							}
							for i := range some {
								alone, err := exporter.New(once, opts...)
								if err != nil {
									t.Error(err)
									return
								}
								if err := do(ctx, alone, some[i:i+1]); err != nil {
									t.Error(err)
								}
							}
						}
					}
				})
			}
			done.Wait()
			uids := make(map[string]bool)
			lines := func(log *auditlog.Log) (lines []string) {
				for _, line := range rawLines(t, log) {
					line = madeCallID.ReplaceAllString(line, `"call_id":"UID"`)
					lines = append(lines, madeUID.ReplaceAllStringFunc(line, func(uid string) string {
						if uids[uid] {
							t.Errorf("two lines have %s", uid)
						}
						uids[uid] = true
						return "UID"
					}))
				}
				slices.Sort(lines)
				return lines
			}
			got, want := lines(log), lines(once)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-used once +used for many):\n%s", diff[:min(len(diff), 4000)])
			}
			if len(uids) < len(got) || !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, `"otelaudit.span.name"`) }) {
				t.Errorf("got %d lines and %d ids, want more ids, and spans", len(got), len(uids))
			}
		})
	}
}
