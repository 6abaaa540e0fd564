package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

const testTrace = "5b8efff798038103d269b633813fc60c"

// chain returns spans each of which is the parent of the next.
func chain(n int) []otlpSpan {
	spans := make([]otlpSpan, n)
	for i := range spans {
		spans[i] = otlpSpan{TraceID: testTrace, SpanID: hexID(fmt.Sprintf("%016x", i+1)), Name: "s"}
		if i > 0 {
			spans[i].ParentID = spans[i-1].SpanID
		}
	}
	return spans
}

// TestATraceOfDeepSpansIsLinear has as many spans as would take minutes if each
// looked at all above it, and gigabytes if each line were indented by its depth.
func TestATraceOfDeepSpansIsLinear(t *testing.T) {
	const n = 100_000
	c := &clock{time.Now(), zone{time.UTC, "UTC"}}
	event := auditlog.Entry{Raw: []byte(`{"event":"e","cost":1,"trace_id":"` + testTrace + `","span_id":"` + fmt.Sprintf("%016x", n) + `"}`)}
	for _, test := range []struct {
		name  string
		spans []otlpSpan
		total float64 // of the first span
	}{
		{"a chain", chain(n), 1},
		{"a ring", func() []otlpSpan {
			spans := chain(n)
			spans[0].ParentID = spans[n-1].SpanID
			return spans
		}(), 0},
	} {
		tree, err := newTraceTree(t.Context(), testTrace, []auditlog.Entry{event}, test.spans, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Spans[0].Total.Cost; got != test.total {
			t.Errorf("%s: the first span cost %v, want %v", test.name, got, test.total)
		}
		var text bytes.Buffer
		out := newOutput(&text)
		if err := errors.Join(tree.write(t.Context(), out, c), out.Flush()); err != nil {
			t.Fatal(err)
		}
		const mostBytes, mostDepth = 500, 200
		if lines := strings.Count(text.String(), "\n"); lines != n+2 || text.Len() > n*mostBytes {
			t.Errorf("%s: got %d lines and %d bytes, want %d and at most %d for each", test.name, lines, text.Len(), n+2, mostBytes)
		}
		object, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if spans := bytes.Count(object, []byte(`"span_id":"`)); spans != n+1 || len(object) > n*mostBytes {
			t.Errorf("%s: the JSON has %d spans and %d bytes, want %d and at most %d for each", test.name, spans, len(object), n+1, mostBytes)
		}
		if depth := deepest(object); depth > mostDepth {
			t.Errorf("%s: the JSON is nested %d deep, want at most %d", test.name, depth, mostDepth)
		}
	}
}

// deepest returns how deep arrays and objects are nested.
func deepest(object []byte) (most int) {
	depth := 0
	for _, b := range object {
		switch b {
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

// TestASpanBelowManyBeginsAgainAtTheLeft says below which span it is.
func TestASpanBelowManyBeginsAgainAtTheLeft(t *testing.T) {
	c := &clock{time.Now(), zone{time.UTC, "UTC"}}
	tree, err := newTraceTree(t.Context(), testTrace, nil, chain(maxDepth+1), c)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	out := newOutput(&text)
	if err := errors.Join(tree.write(t.Context(), out, c), out.Flush()); err != nil {
		t.Fatal(err)
	}
	if want := "\n└─ span s 0000000000000041 below 0000000000000040: 0 events\n"; !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %s, want %q at its end", text.String(), want)
	}
	if len(tree.Spans) != 2 || tree.Spans[1].ParentID != "0000000000000040" {
		t.Errorf("got %d spans at the left, want 2, the second with its parent", len(tree.Spans))
	}
}

func TestATraceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &clock{time.Now(), zone{time.UTC, "UTC"}}
	if _, err := newTraceTree(ctx, testTrace, nil, chain(2), c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	tree, err := newTraceTree(t.Context(), testTrace, nil, chain(2), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.write(ctx, newOutput(&bytes.Buffer{}), c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWhatCannotBeInterruptedIsNotWaitedFor has a function that never returns.
func TestWhatCannotBeInterruptedIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	want := errors.New("interrupted")
	release := make(chan struct{})
	defer close(release)
	if _, err := untilDone(ctx, func() (int, error) {
		cancel(want)
		<-release
		return 0, nil
	}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if got, err := untilDone(t.Context(), func() (int, error) { return 7, want }); got != 7 || !errors.Is(err, want) {
		t.Errorf("got %d, %v", got, err)
	}
}

// TestTheCellsOfATraceAreBounded shows each text that a log and a file of spans
// have, of 600 KB.
func TestTheCellsOfATraceAreBounded(t *testing.T) {
	long := strings.Repeat("x", 600_000)
	dir := t.TempDir()
	path, spans := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "spans.json")
	ids := `"trace_id":"` + testTrace + `","span_id":"000000000000000`
	err := errors.Join(
		os.WriteFile(path, []byte(`{"event":"`+long+`","model":"`+long+`","reason":"`+long+`",`+ids+`1","otel":{"body":"y`+long+`"}}`+"\n"+
			`{"event":"e","otelaudit.span.name":"`+long+`","otelaudit.span.parent_id":"`+long+`",`+ids+`2"}`+"\n"), 0o600),
		os.WriteFile(spans, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"`+testTrace+`","spanId":"0000000000000001","name":"`+long+
			`","status":{"code":2,"message":"`+long+`"}}]}]}]}`), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"trace", testTrace, "--path", path, "--spans", spans}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != codeDone {
		t.Fatalf("got exit code %d, %s", code, errs.String())
	}
	const most = 1000
	for line := range strings.Lines(out.String()) {
		if len(line) > most {
			t.Errorf("got a line of %d bytes, want at most %d", len(line), most)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 6 {
		t.Errorf("got %d lines, want 6:\n%s", lines, out.String())
	}
}
