package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// A file of spans is OTLP in its JSON form: objects with resourceSpans, one per
// line as the collector's file exporter writes them, or one for the whole file
// and any white space. Objects with logs or metrics have no spans. As OTLP asks, keys
// that are not known are ignored; ids are hexadecimal there and not base64, so
// that protojson cannot read them.
type otlpTraces struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Spans []otlpSpan `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
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
}

// hexID is an id in lower case.
type hexID string

func (id *hexID) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	for _, r := range text {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return fmt.Errorf("%q is no id: want hexadecimal digits", text)
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
		return fmt.Errorf("%s is no time: want nanoseconds since 1970", data)
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
		return fmt.Errorf("%s is no status: want 0 (unset), 1 (ok) or 2 (error)", data)
	}
	return nil
}

// readSpans returns the spans of the file at path whose trace id begins with
// prefix, in their order.
func readSpans(path, prefix string) (spans []otlpSpan, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := &lineCounter{r: bufio.NewReader(f)}
	dec := json.NewDecoder(lines)
	for {
		var traces otlpTraces
		err := dec.Decode(&traces)
		if errors.Is(err, io.EOF) {
			return spans, nil
		}
		if err != nil {
			return nil, lines.locate(path, err)
		}
		lines.forget(dec.InputOffset())
		for _, resource := range traces.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					if strings.HasPrefix(string(span.TraceID), prefix) {
						spans = append(spans, span)
					}
				}
			}
		}
	}
}

// lineCounter keeps what was read since the last value, to say on which line an
// error is.
type lineCounter struct {
	r      io.Reader
	line   int64 // number of line feeds before kept
	offset int64 // of kept
	kept   []byte
}

func (c *lineCounter) Read(p []byte) (int, error) {
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
		reason = fmt.Sprintf("%s: want another type than %s", wrong.Field, wrong.Value)
		if wrong.Field == "" {
			reason = "want an object with resourceSpans, got " + wrong.Value
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at, reason = int64(len(bytes.TrimRight(c.kept, " \t\r\n"))), "the file ends in the middle of an object"
	}
	at = min(max(at, 0), int64(len(c.kept)))
	return fmt.Errorf("%s:%d: %s", path, c.line+1+int64(bytes.Count(c.kept[:at], []byte("\n"))), reason)
}
