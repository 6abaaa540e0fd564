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
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// A file of spans is OTLP in its JSON form: objects with resourceSpans, one per
// line as the collector's file exporter writes them, or one for the whole file
// and any white space. Objects with logs or metrics have no spans. Members may have
// the names of the protocol's fields, such as resource_spans, as protojson allows.
// Tempo calls resourceSpans batches, and its second API puts them into trace. Before
// OTLP 1.0, scopes were instrumentation libraries. As OTLP asks, keys that are not
// known are ignored. Ids are hexadecimal in OTLP and base64 in Tempo, so that
// protojson cannot read both.
//
// spanLists has, for each level of an object, the members that are lists of the next
// level. What the last ones list are spans.
var spanLists = [][]string{
	{"resourceSpans", "resource_spans", "batches"},
	{"scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans"},
	{"spans"},
}

// eachSpan calls f with each span of an object that is valid JSON. Only one span at a
// time is decoded: a list of empty spans is short, and would fill a hundred times its
// size. part, whose name is path, is the object, or an element of the lists above lists.
func eachSpan(part []byte, path string, lists [][]string, f func(otlpSpan)) error {
	if len(lists) == 0 {
		var span otlpSpanJSON
		if err := json.Unmarshal(part, &span); err != nil {
			return &wrongPart{part, path, err}
		}
		f(span.merged())
		return nil
	}
	if kind := jsonline.KindOf(part); kind == jsonline.Null {
		return nil
	} else if kind != jsonline.Object {
		return &wrongPart{part, path, json.Unmarshal(part, &struct{}{})}
	}
	var failed error
	err := jsonline.EachMember(part, func(key, value []byte) bool {
		if path == "" && jsonline.KeyIs(key, "trace") {
			failed = eachSpan(value, "trace.", lists, f)
		}
		for _, name := range lists[0] {
			if jsonline.KeyIs(key, name) {
				failed = eachElement(value, path+name+".", lists[1:], f)
			}
		}
		return failed == nil
	})
	return cmp.Or(failed, err)
}

// eachElement is eachSpan of each element of a list.
func eachElement(list []byte, path string, lists [][]string, f func(otlpSpan)) error {
	if kind := jsonline.KindOf(list); kind == jsonline.Null {
		return nil
	} else if kind != jsonline.Array {
		return &wrongPart{list, path, json.Unmarshal(list, &[]struct{}{})}
	}
	var failed error
	err := jsonline.EachElement(list, func(element []byte) bool {
		failed = eachSpan(element, path, lists, f)
		return failed == nil
	})
	return cmp.Or(failed, err)
}

// wrongPart is an error of a part of an object.
type wrongPart struct {
	part []byte // whose capacity is what the object has from its beginning on
	path string // with a dot at its end
	err  error
}

func (e *wrongPart) Error() string {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](e.err)
	if !ok {
		return e.err.Error()
	}
	field := strings.TrimSuffix(e.path+strings.TrimPrefix(wrong.Field, "otlpSpan."), ".")
	if field == "" {
		return "want an object with resourceSpans, got " + visible.Excerpt(wrong.Value)
	}
	return fmt.Sprintf("%s: want another type than %s", visible.Excerpt(field), visible.Excerpt(wrong.Value))
}

// otlpSpan is a span.
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
}

// otlpSpanJSON is a span as a file has it.
type otlpSpanJSON struct {
	otlpSpan
	TraceIDSnake  hexID     `json:"trace_id"`
	SpanIDSnake   hexID     `json:"span_id"`
	ParentIDSnake hexID     `json:"parent_span_id"`
	StartSnake    unixNanos `json:"start_time_unix_nano"`
	EndSnake      unixNanos `json:"end_time_unix_nano"`
}

// merged returns the span with each value from the first of its two members.
func (s *otlpSpanJSON) merged() otlpSpan {
	s.TraceID = cmp.Or(s.TraceID, s.TraceIDSnake)
	s.SpanID = cmp.Or(s.SpanID, s.SpanIDSnake)
	s.ParentID = cmp.Or(s.ParentID, s.ParentIDSnake)
	s.Start = cmp.Or(s.Start, s.StartSnake)
	s.End = cmp.Or(s.End, s.EndSnake)
	return s.otlpSpan
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

// unixNanos is a time, as a number or, as OTLP writes it, as a string of one. 0 and
// null are none.
type unixNanos struct{ time.Time }

func (t *unixNanos) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	n, err := strconv.ParseUint(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no time: want nanoseconds since 1970", visible.Excerpt(string(data)))
	}
	if n > 0 {
		const second = uint64(time.Second)
		t.Time = time.Unix(int64(n/second), int64(n%second)).UTC() //nolint:gosec // neither is above 2^63
	}
	return nil
}

// otlpStatus is a number, or its name.
type otlpStatus string

func (s *otlpStatus) UnmarshalJSON(data []byte) error {
	switch strings.Trim(string(data), `"`) {
	case "0", "STATUS_CODE_UNSET", "null":
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
	return untilDone(ctx, func() (spansOfFile, error) { return decodeSpans(ctx, path, prefix) })
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
		var object json.RawMessage
		err := dec.Decode(&object)
		switch {
		case errors.Is(err, io.EOF):
			return file, nil
		case errors.Is(err, io.ErrUnexpectedEOF): // it is being written, or its writer was killed
			file.torn = lines.locate(path, err, 0)
			return file, nil
		case err != nil:
			return file, lines.locate(path, err, 0)
		}
		err = eachSpan(object, "", spanLists, func(span otlpSpan) {
			if strings.HasPrefix(string(span.TraceID), prefix) {
				file.spans = append(file.spans, span)
			}
		})
		if err != nil {
			at := dec.InputOffset() - int64(len(object))
			if wrong, ok := errors.AsType[*wrongPart](err); ok {
				at += int64(cap(object) - cap(wrong.part))
			}
			return file, lines.locate(path, err, at)
		}
		lines.forget(dec.InputOffset())
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

// locate returns an error with the line that it is on: where the decoder knows that,
// else that of an offset.
func (c *lineCounter) locate(path string, err error, offset int64) error {
	at := offset - c.offset
	reason := err.Error()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset - c.offset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at, reason = int64(len(bytes.TrimRight(c.kept, " \t\r\n"))), "the file ends in the middle of an object"
	}
	at = min(max(at, 0), int64(len(c.kept)))
	return fmt.Errorf("%s:%d: %s", path, c.line+1+int64(bytes.Count(c.kept[:at], []byte("\n"))), reason)
}
