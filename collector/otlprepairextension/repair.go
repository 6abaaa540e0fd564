package otlprepairextension

import (
	"bytes"
	"context"
	"slices"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// repaired counts what was changed.
type repaired struct {
	values int // of attributes and bodies
	others int // fields of a record, a span, a scope or a resource
}

// signal is what a request of logs, traces or metrics consists of, and how the
// receiver reads it.
type signal struct {
	path     string
	request  protoreflect.MessageDescriptor
	item     protoreflect.FullName // a log record, a span or a metric
	before   string                // what is around an item in a request
	after    string
	readable func(request []byte) bool
}

var signals = []signal{
	{
		path: "/v1/logs", request: (*logspb.ExportLogsServiceRequest)(nil).ProtoReflect().Descriptor(),
		item:   (*logs.LogRecord)(nil).ProtoReflect().Descriptor().FullName(),
		before: `{"resourceLogs":[{"scopeLogs":[{"logRecords":[`, after: `]}]}]}`,
		readable: func(request []byte) bool { return plogotlp.NewExportRequest().UnmarshalJSON(request) == nil },
	},
	{
		path: "/v1/traces", request: (*tracepb.ExportTraceServiceRequest)(nil).ProtoReflect().Descriptor(),
		item:   (*traces.Span)(nil).ProtoReflect().Descriptor().FullName(),
		before: `{"resourceSpans":[{"scopeSpans":[{"spans":[`, after: `]}]}]}`,
		readable: func(request []byte) bool { return ptraceotlp.NewExportRequest().UnmarshalJSON(request) == nil },
	},
	{
		path: "/v1/metrics", request: (*metricspb.ExportMetricsServiceRequest)(nil).ProtoReflect().Descriptor(),
		item:   (*metrics.Metric)(nil).ProtoReflect().Descriptor().FullName(),
		before: `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[`, after: `]}]}]}`,
		readable: func(request []byte) bool { return pmetricotlp.NewExportRequest().UnmarshalJSON(request) == nil },
	},
}

// repair returns a request that the receiver can read. What it cannot read in it
// is found by asking its own decoder about the parts, so that nothing is changed
// but what it would have refused:
//
//   - a value that means a number, a text or a truth value all the same becomes
//     that, if that holds each of its digits; any other its text,
//   - so does a field that is a number or a text,
//   - any other field, and an attribute without a key, becomes an attribute
//     otelaudit.unread.<field> with its text, and so does each but the last of a
//     field that occurs more than once.
//
// A request that is not JSON, or has no lists where those of OTLP are, comes back
// as it is, with a count of 0.
func repair(request []byte) ([]byte, repaired) {
	document, _, err := oneDocument(request, "")
	if err != nil {
		return request, repaired{}
	}
	return repairDocument(context.Background(), document, request)
}

// repairDocument is repair for one JSON object. If there is nothing to repair, or
// no way to, or when ctx ends, it returns otherwise.
func repairDocument(ctx context.Context, document, otherwise []byte) ([]byte, repaired) {
	if x := measure(document); x.check() != nil {
		return otherwise, repaired{}
	}
	var all repaired
	for i := range signals {
		s := &signals[i]
		if s.readable(document) {
			continue
		}
		f := fixer{signal: s, ctx: ctx, text: document}
		if !f.tape.Scan(document) {
			return otherwise, repaired{}
		}
		fixed, ok := f.request()
		if !ok || !s.readable(fixed) {
			continue
		}
		document = fixed
		all.values += f.count.values
		all.others += f.count.others
	}
	if all == (repaired{}) {
		return otherwise, all
	}
	return document, all
}

const (
	// unread is in front of the names of fields that became attributes.
	unread = "otelaudit.unread."
	// unreadAll is a record that is none.
	unreadAll = unread + "all"
	// unreadAttribute is an attribute that is none.
	unreadAttribute = unread + "attribute"
)

var (
	nameAnyValue = (*commonpb.AnyValue)(nil).ProtoReflect().Descriptor().FullName()
	nameKeyValue = (*commonpb.KeyValue)(nil).ProtoReflect().Descriptor().FullName()
)

func isAnyValue(md protoreflect.MessageDescriptor) bool { return md.FullName() == nameAnyValue }

// isValue reports whether the last occurrence of a field replaces the others. The
// receiver adds to lists, and to messages.
func isValue(fd protoreflect.FieldDescriptor) bool {
	return !fd.IsList() && (fd.Message() == nil || isAnyValue(fd.Message()))
}

// attributesOf returns the field of a message that takes further attributes; nil
// if it has none.
func attributesOf(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for _, name := range []protoreflect.Name{"attributes", "metadata"} {
		if fd := md.Fields().ByName(name); fd != nil && fd.IsList() && fd.Message() != nil && fd.Message().FullName() == nameKeyValue {
			return fd
		}
	}
	return nil
}

// originOf returns the resource or the scope of a message that has no attributes
// of its own.
func originOf(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for _, name := range []protoreflect.Name{"resource", "scope"} {
		if fd := md.Fields().ByName(name); fd != nil {
			return fd
		}
	}
	return nil
}

// attribute is an attribute with a text.
type attribute struct {
	key string
	raw []byte // JSON whose text it is
}

func appendAttributes(dst []byte, attrs []attribute) []byte {
	dst = append(dst, '[')
	for i, a := range attrs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendAttribute(dst, a.key, textValue(a.raw))
	}
	return append(dst, ']')
}

func appendAttribute(dst []byte, key string, value []byte) []byte {
	dst = append(append(dst, `{"key":`...), quote(key)...)
	dst = append(append(dst, `,"value":`...), value...)
	return append(dst, '}')
}

// fixer repairs one request of one signal.
type fixer struct {
	*signal

	ctx   context.Context // of the sender: a repair takes up to 20 µs for each record
	text  []byte
	tape  jsonline.Tape
	count repaired
	// broken is set when there is no place for what cannot be read, and when ctx has
	// ended.
	broken bool
}

func (f *fixer) raw(i uint32) []byte { return f.text[f.tape.Tokens[i].Start:f.tape.Tokens[i].End] }

func (f *fixer) kind(i uint32) jsonline.Kind { return f.tape.Tokens[i].Kind }

// request returns the repaired request, and whether it could be repaired.
func (f *fixer) request() ([]byte, bool) {
	fixed, rest := f.message(nil, f.signal.request, 0)
	if len(rest) > 0 {
		// Of what the request itself has nothing can be lost but a name that OTLP
		// does not have, and that is not a name.
		return nil, false
	}
	return fixed, !f.broken
}

// message appends a repaired message, which token i is, and returns the fields
// that cannot be read and that it has no place for.
func (f *fixer) message(dst []byte, md protoreflect.MessageDescriptor, i uint32) (_ []byte, rest []attribute) {
	own := attributesOf(md)
	start := len(dst)
	last := f.lastOf(md, i)
	dst = append(dst, '{')
	comma := func(key []byte) {
		if len(dst) > start+1 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, key...), ':')
	}
	for key := i + 1; key < f.tape.Tokens[i].Next; key = f.tape.Tokens[key+1].Next {
		name := jsonline.Unquote(f.raw(key))
		fd := fieldOf(md, name)
		switch {
		case name == "":
			// The receiver takes an empty name for the end of the object.
			f.count.others++
			rest = append(rest, attribute{unread, f.raw(key + 1)})
			continue
		case fd == nil:
			comma(f.raw(key))
			dst = append(dst, f.raw(key+1)...)
			continue
		case isValue(fd) && last[fd.Number()] != key:
			f.count.others++
			rest = append(rest, attribute{unread + fd.JSONName(), f.raw(key + 1)})
			continue
		}
		before := len(dst)
		comma(f.raw(key))
		var ok bool
		var inner []attribute
		dst, inner, ok = f.field(dst, fd, key+1)
		if !ok {
			dst = dst[:before]
			f.count.others++
			inner = []attribute{{unread + fd.JSONName(), f.raw(key + 1)}}
		}
		rest = append(rest, inner...)
	}
	if len(rest) > 0 {
		slices.SortStableFunc(rest, func(a, b attribute) int { return compareKeys(a.key, b.key) })
		if own != nil {
			comma(quote(own.JSONName()))
			dst, rest = appendAttributes(dst, rest), nil
		} else if origin := originOf(md); origin != nil {
			// The receiver adds to the resource or scope that is there already.
			comma(quote(origin.JSONName()))
			dst = append(dst, `{"attributes":`...)
			dst, rest = append(appendAttributes(dst, rest), '}'), nil
		}
	}
	return append(dst, '}'), rest
}

func compareKeys(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// lastOf returns the key that counts, the last one, of each field of message i
// that has one value.
func (f *fixer) lastOf(md protoreflect.MessageDescriptor, i uint32) map[protoreflect.FieldNumber]uint32 {
	last := make(map[protoreflect.FieldNumber]uint32)
	for key := i + 1; key < f.tape.Tokens[i].Next; key = f.tape.Tokens[key+1].Next {
		if fd := fieldOf(md, jsonline.Unquote(f.raw(key))); fd != nil {
			last[fd.Number()] = key
		}
	}
	return last
}

// fieldOf returns a field by either of the names that OTLP/JSON has for it.
func fieldOf(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return md.Fields().ByName(protoreflect.Name(name))
}

// field appends the repaired value of a field, and reports false if it cannot be
// one. rest is what message returns.
func (f *fixer) field(dst []byte, fd protoreflect.FieldDescriptor, i uint32) (_ []byte, rest []attribute, ok bool) {
	if !fd.IsList() {
		return f.single(dst, fd, i)
	}
	switch {
	case f.kind(i) == jsonline.Null:
		return append(dst, f.raw(i)...), nil, true
	case f.kind(i) != jsonline.Array:
		f.broken = f.broken || f.holdsItems(fd)
		return dst, nil, false
	}
	dst = append(dst, '[')
	for e := i + 1; e < f.tape.Tokens[i].Next; e = f.tape.Tokens[e].Next {
		if e > i+1 {
			dst = append(dst, ',')
		}
		if fd.Message() != nil && fd.Message().FullName() == f.item {
			dst = f.itemOf(dst, fd.Message(), e)
			continue
		}
		var inner []attribute
		if dst, inner, ok = f.single(dst, fd, e); !ok {
			f.broken = f.broken || f.holdsItems(fd)
			return dst, nil, false
		}
		rest = append(rest, inner...)
	}
	return append(dst, ']'), rest, true
}

// holdsItems reports whether a list is one of those of a request, down to that of
// the items. Without it nobody knows what the request consists of.
func (f *fixer) holdsItems(fd protoreflect.FieldDescriptor) bool {
	md := fd.Message()
	return md != nil && (md.FullName() == f.item || originOf(md) != nil)
}

// itemOf appends a repaired log record, span or metric.
func (f *fixer) itemOf(dst []byte, md protoreflect.MessageDescriptor, i uint32) []byte {
	if f.broken = f.broken || f.ctx.Err() != nil; f.broken {
		return dst
	}
	if f.readsItem(f.raw(i)) {
		return append(dst, f.raw(i)...)
	}
	if f.kind(i) == jsonline.Object {
		start, count := len(dst), f.count
		if dst, _ = f.message(dst, md, i); f.readsItem(dst[start:]) {
			return dst
		}
		dst, f.count = dst[:start], count
	}
	f.count.others++
	dst = append(append(dst, '{'), quote(attributesOf(md).JSONName())...)
	dst = appendAttributes(append(dst, ':'), []attribute{{unreadAll, f.raw(i)}})
	return append(dst, '}')
}

func (f *fixer) readsItem(raw []byte) bool {
	return f.readable(slices.Concat([]byte(f.before), raw, []byte(f.after)))
}

// single is field for one value.
func (f *fixer) single(dst []byte, fd protoreflect.FieldDescriptor, i uint32) (_ []byte, rest []attribute, ok bool) {
	md, raw := fd.Message(), f.raw(i)
	switch {
	case md == nil:
		fixed := f.scalar(fd, raw)
		return append(dst, fixed...), nil, fixed != nil
	case md.FullName() == nameKeyValue:
		return f.keyValue(dst, i), nil, true
	case isAnyValue(md):
		return append(dst, f.value(raw)...), nil, true
	case f.kind(i) == jsonline.Null:
		return append(dst, raw...), nil, true
	case f.kind(i) != jsonline.Object:
		return dst, nil, false
	}
	dst, rest = f.message(dst, md, i)
	for j := range rest {
		rest[j].key = unread + fd.JSONName() + "." + rest[j].key[len(unread):]
	}
	return dst, rest, true
}

// value returns a value that can be read.
func (f *fixer) value(raw []byte) []byte {
	if readsField(`"body":`, raw) {
		return raw
	}
	f.count.values++
	if v := meaning(raw); v != nil {
		return v
	}
	return textValue(raw)
}

// keyValue appends a repaired attribute.
func (f *fixer) keyValue(dst []byte, i uint32) []byte {
	raw := f.raw(i)
	if readsField(`"attributes":`, slices.Concat([]byte("["), raw, []byte("]"))) {
		return append(dst, raw...)
	}
	if f.kind(i) == jsonline.Object {
		var key, value uint32
		simple := true
		for k := i + 1; k < f.tape.Tokens[i].Next; k = f.tape.Tokens[k+1].Next {
			switch name := jsonline.Unquote(f.raw(k)); {
			case name == "key" && key == 0 && f.kind(k+1) == jsonline.String && len(f.raw(k+1)) > len(`""`):
				key = k + 1
			case name == "value" && value == 0:
				value = k + 1
			default:
				simple = false // also what OTLP does not know: it would be lost
			}
		}
		if simple && key > 0 && value > 0 {
			dst = append(append(dst, `{"key":`...), f.raw(key)...)
			dst = append(append(dst, `,"value":`...), f.value(f.raw(value))...)
			return append(dst, '}')
		}
	}
	f.count.others++
	return appendAttribute(dst, unreadAttribute, textValue(raw))
}

// scalar returns a value of a field that is no message; nil if raw means none.
func (f *fixer) scalar(fd protoreflect.FieldDescriptor, raw []byte) []byte {
	if readsScalar(fd, raw) {
		return raw
	}
	var means []byte
	switch fd.Kind() {
	case protoreflect.StringKind:
		means = quote(textOf(raw))
	case protoreflect.BoolKind:
		means = boolean(raw)
	case protoreflect.BytesKind:
		means = binary(raw)
	case protoreflect.DoubleKind, protoreflect.FloatKind:
	case protoreflect.EnumKind:
		means = bytes.Trim(whole(raw), `"`) // a number: a string would be a name
	default:
		means = whole(raw)
	}
	if len(means) == 0 || !readsScalar(fd, means) {
		return nil
	}
	f.count.others++
	return means
}

// readsScalar reports whether the receiver reads raw in a field of that kind. It
// is asked about a field of a log record of the same kind.
func readsScalar(fd protoreflect.FieldDescriptor, raw []byte) bool {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return jsonline.KindOf(raw) == jsonline.String || jsonline.KindOf(raw) == jsonline.Null
	case protoreflect.BoolKind:
		return jsonline.KindOf(raw) == jsonline.Bool
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return readsField(`"body":`, member("doubleValue", raw))
	case protoreflect.BytesKind:
		switch fd.Name() {
		case "trace_id":
			return readsField(`"traceId":`, raw)
		case "span_id", "parent_span_id":
			return readsField(`"spanId":`, raw)
		}
		return readsField(`"body":`, member("bytesValue", raw))
	case protoreflect.EnumKind:
		if jsonline.KindOf(raw) == jsonline.String {
			return fd.Enum().Values().ByName(protoreflect.Name(textOf(raw))) != nil
		}
		return readsField(`"severityNumber":`, raw)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return readsField(`"flags":`, raw)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return readsField(`"timeUnixNano":`, raw)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return readsField(`"body":`, member("stringValueStrindex", raw))
	default:
		return readsField(`"body":`, member("intValue", raw))
	}
}

// readsField reports whether the receiver reads a log record with one field.
func readsField(key string, raw []byte) bool {
	s := &signals[0]
	return s.readable(slices.Concat([]byte(s.before+"{"+key), raw, []byte("}"+s.after)))
}
