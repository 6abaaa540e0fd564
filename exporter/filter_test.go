package exporter_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// TestFiltersHoldForEnabledAndForRecords emits without asking Enabled first, as
// an app may.
func TestFiltersHoldForEnabledAndForRecords(t *testing.T) {
	exp, l := newExporter(t)
	p := exporter.NewProcessor(exp, exporter.WithMinSeverity(log.SeverityWarn),
		exporter.WithFilter(func(_ context.Context, param sdklog.EnabledParameters) bool {
			return param.EventName != "noise" && param.InstrumentationScope.Name != "quiet"
		}))
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
	for _, test := range []struct {
		scope, event string
		severity     log.Severity
		want         bool
	}{
		{"app", "none", log.SeverityUndefined, true},
		{"app", "info", log.SeverityInfo4, false},
		{"app", "warn", log.SeverityWarn1, true},
		{"app", "fatal", log.SeverityFatal4, true},
		{"app", "noise", log.SeverityFatal4, false},
		{"quiet", "fatal", log.SeverityFatal4, false},
	} {
		logger := provider.Logger(test.scope)
		if got := logger.Enabled(t.Context(), log.EnabledParameters{Severity: test.severity, EventName: test.event}); got != test.want {
			t.Errorf("%+v: Enabled is %v", test, got)
		}
		var r log.Record
		r.SetEventName(test.event)
		r.SetSeverity(test.severity)
		logger.Emit(t.Context(), r)
	}
	var events []any
	for _, line := range decodedLines(t, l) {
		events = append(events, line["event"])
	}
	if diff := cmp.Diff([]any{"none", "warn", "fatal"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestReplaceAttributeKeepsDropsAndReplaces also looks at what the processors
// behind see, which is the record as it was.
func TestReplaceAttributeKeepsDropsAndReplaces(t *testing.T) {
	exp, l := newExporter(t, exporter.WithReplaceAttribute(func(kv attribute.KeyValue) attribute.KeyValue {
		switch kv.Key {
		case "password":
			return attribute.KeyValue{}
		case "prompt":
			return attribute.String("prompt", "(left out)")
		}
		return kv
	}))
	next := new(recordtest.Capturer)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)), sdklog.WithProcessor(next))
	var r log.Record
	r.AddAttributes(attribute.String("password", "secret"), attribute.String("prompt", "secret"), attribute.Int("input_t", 5))
	provider.Logger("test").Emit(t.Context(), r)
	lines := rawLines(t, l)
	if len(lines) != 1 || strings.Contains(lines[0], "secret") || strings.Contains(lines[0], "password") ||
		!strings.Contains(lines[0], `"prompt":"(left out)"`) || !strings.Contains(lines[0], `"input_t":5`) {
		t.Errorf("got lines %q", lines)
	}
	if got := next.Records[0].AttributesLen(); got != 4 {
		t.Errorf("the next processor sees %d attributes, want the 3 and the uid", got)
	}
}

func TestErrorsReachTheCallbackOnce(t *testing.T) {
	errs := handleErrors(t)
	var mu sync.Mutex
	var called []error
	exp, l := newExporter(t, exporter.WithOnError(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		called = append(called, err)
	}))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	emit(t.Context(), exporter.NewProcessor(exp))
	if len(called) != 1 || !errors.Is(called[0], auditlog.ErrClosed) {
		t.Errorf("the callback got %v, want one auditlog.ErrClosed", called)
	}
	if !errors.Is(errs.all(), auditlog.ErrClosed) {
		t.Errorf("otel.Handle got %v, want auditlog.ErrClosed", errs.all())
	}
}
