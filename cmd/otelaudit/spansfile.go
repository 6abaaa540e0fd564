package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// A file of spans is OTLP in its JSON form: objects with resourceSpans, one per
// line as the collector's file exporter writes them, or one for the whole file
// and any white space. Objects with logs or metrics have no spans. Members may have
// the names of the protocol's fields, such as resource_spans, as protojson allows.
// Tempo calls resourceSpans batches, and its second API puts them into trace. As
// OTLP asks, keys that are not known are ignored. Ids are hexadecimal in OTLP and
// base64 in Tempo, so that protojson cannot read both.
type otlpTraces struct {
	ResourceSpans      []resourceSpans `json:"resourceSpans"`
	ResourceSpansSnake []resourceSpans `json:"resource_spans"`
	Batches            []resourceSpans `json:"batches"`
	Trace              *otlpTraces     `json:"trace"`
}

// Before OTLP 1.0, scopes were instrumentation libraries.
type resourceSpans struct {
	ScopeSpans        []scopeSpans `json:"scopeSpans"`
	ScopeSpansSnake   []scopeSpans `json:"scope_spans"`
	LibrarySpans      []scopeSpans `json:"instrumentationLibrarySpans"`
	LibrarySpansSnake []scopeSpans `json:"instrumentation_library_spans"`
}

type scopeSpans struct {
	Spans []otlpSpan `json:"spans"`
}

// all yields the spans, in their order.
func (t *otlpTraces) all(yield func(otlpSpan) bool) {
	for ; t != nil; t = t.Trace {
		for _, resource := range slices.Concat(t.ResourceSpans, t.ResourceSpansSnake, t.Batches) {
			for _, scope := range slices.Concat(resource.ScopeSpans, resource.ScopeSpansSnake, resource.LibrarySpans, resource.LibrarySpansSnake) {
				for _, span := range scope.Spans {
					if !yield(span.merged()) {
						return
					}
				}
			}
		}
	}
}

type otlpSpan struct {
	TraceID  hexID     `json:"traceId"`
	SpanID   hexID     `json:"spanId"`
	ParentID hexID     `json:"parentSpanId"`
	Name     string    `json:"name"`
	Start    unixNanos `json:"startTimeUnixNano"`
	End      unixNanos `json:"endTimeUnixNano"`
	Status   struct {
		Code    otlpStatus `json:"code"`
		Message string     `json:"message"`
	} `json:"status"`

	TraceIDSnake  hexID     `json:"trace_id"`
	SpanIDSnake   hexID     `json:"span_id"`
	ParentIDSnake hexID     `json:"parent_span_id"`
	StartSnake    unixNanos `json:"start_time_unix_nano"`
	EndSnake      unixNanos `json:"end_time_unix_nano"`
}

// merged returns s with each value in the first of its two members.
func (s otlpSpan) merged() otlpSpan {
	s.TraceID = cmp.Or(s.TraceID, s.TraceIDSnake)
	s.SpanID = cmp.Or(s.SpanID, s.SpanIDSnake)
	s.ParentID = cmp.Or(s.ParentID, s.ParentIDSnake)
	s.Start = cmp.Or(s.Start, s.StartSnake)
	s.End = cmp.Or(s.End, s.EndSnake)
	return s
}

// hexID is an id in lower case.
type hexID string

func (id *hexID) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	const spanBytes, traceBytes = 8, 16
	if strings.HasSuffix(text, "=") { // which base64 of as many bytes ends with
		if b, err := base64.StdEncoding.DecodeString(text); err == nil && (len(b) == spanBytes || len(b) == traceBytes) {
			*id = hexID(hex.EncodeToString(b))
			return nil
		}
	}
	for _, r := range text {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return fmt.Errorf("%q is no id: want hexadecimal digits", visible.Excerpt(text))
		}
	}
	*id = hexID(strings.ToLower(text))
	return nil
}

// unixNanos is a time, as a number or, as OTLP writes it, as a string of one.
type unixNanos struct{ time.Time }

func (t *unixNanos) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%s is no time: want nanoseconds since 1970", visible.Excerpt(string(data)))
	}
	if n > 0 {
		t.Time = time.Unix(0, int64(n)).UTC() //nolint:gosec // it fits
	}
	return nil
}

// otlpStatus is a number, or its name.
type otlpStatus string

func (s *otlpStatus) UnmarshalJSON(data []byte) error {
	switch strings.Trim(string(data), `"`) {
	case "0", "STATUS_CODE_UNSET":
		*s = "unset"
	case "1", "STATUS_CODE_OK":
		*s = "ok"
	case "2", "STATUS_CODE_ERROR":
		*s = "error"
	default:
		return fmt.Errorf("%s is no status: want 0 (unset), 1 (ok) or 2 (error)", visible.Excerpt(string(data)))
	}
	return nil
}

// spansOfFile is what a file has of a trace.
type spansOfFile struct {
	spans []otlpSpan
	torn  error // nil, or where the last object is that has no end
}

// readSpans returns the spans of the file at path whose trace id begins with
// prefix, in their order. It ends with ctx, also when path is a pipe to which
// nobody writes.
func readSpans(ctx context.Context, path, prefix string) (spansOfFile, error) {
	type result struct {
		spansOfFile
		err error
	}
	done := make(chan result, 1)
	go func() { // an Open or Read cannot be interrupted; the process ends soon
		file, err := decodeSpans(ctx, path, prefix)
		done <- result{file, err}
	}()
	select {
	case <-ctx.Done():
		return spansOfFile{}, context.Cause(ctx)
	case r := <-done:
		return r.spansOfFile, r.err
	}
}

func decodeSpans(ctx context.Context, path, prefix string) (file spansOfFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return file, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := &lineCounter{r: bufio.NewReader(f)}
	dec := json.NewDecoder(lines)
	for {
		if ctx.Err() != nil {
			return file, context.Cause(ctx)
		}
		var traces otlpTraces
		err := dec.Decode(&traces)
		switch {
		case errors.Is(err, io.EOF):
			return file, nil
		case errors.Is(err, io.ErrUnexpectedEOF): // it is being written, or its writer was killed
			file.torn = lines.locate(path, err)
			return file, nil
		case err != nil:
			return file, lines.locate(path, err)
		}
		lines.forget(dec.InputOffset())
		for span := range traces.all {
			if strings.HasPrefix(string(span.TraceID), prefix) {
				file.spans = append(file.spans, span)
			}
		}
	}
}

// maxSpansObject bounds, in bytes, the memory for one object of a file.
const maxSpansObject = 256 << 20

// lineCounter keeps what was read since the last value, to say on which line an
// error is.
type lineCounter struct {
	r      io.Reader
	line   int64 // number of line feeds before kept
	offset int64 // of kept
	kept   []byte
}

func (c *lineCounter) Read(p []byte) (int, error) {
	if len(c.kept) > maxSpansObject {
		return 0, fmt.Errorf("an object is larger than %d MiB", maxSpansObject>>20)
	}
	n, err := c.r.Read(p)
	c.kept = append(c.kept, p[:n]...)
	return n, err
}

// forget drops what is before offset.
func (c *lineCounter) forget(offset int64) {
	done := c.kept[:offset-c.offset]
	c.line += int64(bytes.Count(done, []byte("\n")))
	c.offset = offset
	c.kept = append(c.kept[:0], c.kept[len(done):]...)
}

// locate returns an error of the decoder with the line that it is on: where it
// is known within a value, else where the value begins.
func (c *lineCounter) locate(path string, err error) error {
	at := int64(len(c.kept) - len(bytes.TrimLeft(c.kept, " \t\r\n")))
	reason := err.Error()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset - c.offset
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = wrong.Offset
		reason = fmt.Sprintf("%s: want another type than %s", visible.Excerpt(wrong.Field), visible.Excerpt(wrong.Value))
		if wrong.Field == "" {
			reason = "want an object with resourceSpans, got " + visible.Excerpt(wrong.Value)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at, reason = int64(len(bytes.TrimRight(c.kept, " \t\r\n"))), "the file ends in the middle of an object"
	}
	at = min(max(at, 0), int64(len(c.kept)))
	return fmt.Errorf("%s:%d: %s", path, c.line+1+int64(bytes.Count(c.kept[:at], []byte("\n"))), reason)
}
