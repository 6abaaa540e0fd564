package otelline

import (
	"cmp"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// DefaultServiceName is the service.name of lines that say no resource, as the
// OpenTelemetry SDK names services without a name.
const DefaultServiceName = "unknown_service:otelaudit"

// DecoderConfig configures a [Decoder].
type DecoderConfig struct {
	// ServiceName is the service.name of lines without otel. The default is
	// DefaultServiceName.
	ServiceName string
	// Derived keeps the fields of lines as attributes under their own names: in
	// records with otel those that were derived, which are no attributes of theirs
	// otherwise, and of lines without otel those that get another name otherwise.
	// session_id is session.id in any case.
	Derived bool
}

// Decoder turns lines back into records, as FORMAT.md section 6 says. It is
// not safe for concurrent use.
type Decoder struct {
	templates       templates
	foreignResource []byte // as otel.resource would say it
	derived         bool
	members         []member
	envelope        envelope
	uid             ForeignUID
}

// member is a member of a line: its key, as text, and its raw value. Both are
// parts of the line, or of a copy of it.
type member struct{ key, value []byte }

// NewDecoder returns a decoder.
func NewDecoder(cfg DecoderConfig) *Decoder {
	name := cmp.Or(cfg.ServiceName, DefaultServiceName)
	return &Decoder{
		derived:         cfg.Derived,
		foreignResource: append(jsonline.AppendString([]byte(`{"attributes":{"service.name":`), name), "}}"...),
	}
}

// ForeignResource is the resource of lines without otel, as a raw value of otel.
func (d *Decoder) ForeignResource() []byte { return d.foreignResource }

// Decode returns the record of the line raw, which is a JSON object, without
// LF or CRLF. offset is that of its first byte in the uncompressed file, by
// which equal lines of other writers are told apart. The record shares no
// memory with raw.
func (d *Decoder) Decode(raw []byte, offset int64) (sdklog.Record, error) {
	d.members = d.members[:0]
	err := jsonline.EachMember(raw, func(key, value []byte) bool {
		text := key[1 : len(key)-1]
		if !isPlain(text) {
			text = jsonline.AppendUnquoted(nil, key)
		}
		d.members = append(d.members, member{text, value})
		return true
	})
	all := d.members
	defer func() { // raw may be huge, and the next line long in coming
		clear(all)
		d.envelope = envelope{}
	}()
	if err != nil {
		return sdklog.Record{}, fmt.Errorf("decode line: %w", err)
	}
	d.members = lastMembers(all)
	record, err := d.decodeMembers(raw, offset)
	if err != nil {
		return sdklog.Record{}, fmt.Errorf("decode line: %w", err)
	}
	return record, nil
}

func (d *Decoder) decodeMembers(raw []byte, offset int64) (sdklog.Record, error) {
	for _, m := range d.members {
		if string(m.key) != KeyOtel || !d.envelope.parse(m.value) {
			continue
		}
		if record, err := d.decodeOwn(); !errors.Is(err, errNotEnvelope) {
			return record, err
		}
	}
	return d.decodeForeign(raw, offset)
}

// isPlain reports whether a key stands for itself between its quotes.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lastMembers removes all but the last of the members with the same key.
func lastMembers(list []member) []member {
	if !hasRepeatedMember(list) {
		return list
	}
	last := make(map[string]int, len(list))
	for i, m := range list {
		last[string(m.key)] = i
	}
	kept := list[:0]
	for i, m := range list {
		if last[string(m.key)] == i {
			kept = append(kept, m)
		}
	}
	return kept
}

// hasRepeatedMember compares all with all as long as that is cheaper than a
// map, as it is for the lines of this module.
func hasRepeatedMember(list []member) bool {
	if len(list) > 64 {
		return true // perhaps
	}
	for i := range list {
		for j := range i {
			if len(list[i].key) == len(list[j].key) && string(list[i].key) == string(list[j].key) {
				return true
			}
		}
	}
	return false
}

// decodeOwn decodes a line that exporter wrote: members and envelope are set.
func (d *Decoder) decodeOwn() (sdklog.Record, error) {
	e := &d.envelope
	p := parser{wrappers: true}
	attrs := make([]attribute.KeyValue, 0, len(d.members)+1)
	aside, err := e.aside()
	if err != nil {
		return sdklog.Record{}, fmt.Errorf("otel.attributes: %w", err)
	}
	var event, session string
	var ids spanContext
	for _, m := range d.members {
		if isReserved(m.key) {
			if string(m.key) == KeyEvent {
				event = textOf(m.value)
			}
			ids.take(m)
			continue
		}
		if string(m.key) == KeySession {
			session = textOf(m.value)
		}
		if f, ok := FieldOf(m.key); ok && e.isDerived(f) &&
			(!d.derived || f == Session || hasKey(aside, attribute.Key(m.key))) {
			continue
		}
		v, err := p.value(m.value, 1)
		if err != nil {
			return sdklog.Record{}, fmt.Errorf("attribute %q: %w", visible.Cut(string(m.key)), err)
		}
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(m.key), Value: v})
	}
	attrs = append(attrs, aside...)
	if session != "" && !hasKey(attrs, KeySessionID) {
		attrs = append(attrs, attribute.String(KeySessionID, session))
	}
	record, err := d.templates.record(e.scope, e.resource, attrs, e.dropped)
	if err != nil {
		return sdklog.Record{}, err
	}
	if e.hasEventName {
		event = e.eventName
	}
	record.SetEventName(event)
	record.SetTimestamp(e.time)
	record.SetObservedTimestamp(e.observed)
	record.SetSeverity(e.severity)
	record.SetSeverityText(e.severityText)
	ids.set(&record)
	if e.body != nil {
		body, err := p.value(e.body, 2)
		if err != nil {
			return sdklog.Record{}, fmt.Errorf("otel.body: %w", err)
		}
		record.SetBody(body)
	}
	return record, nil
}

func hasKey(attrs []attribute.KeyValue, key attribute.Key) bool {
	for i := range attrs {
		if attrs[i].Key == key {
			return true
		}
	}
	return false
}

// textOf returns the string that a raw value is, "" if it is none.
func textOf(lit []byte) string {
	if jsonline.KindOf(lit) != jsonline.String {
		return ""
	}
	return jsonline.Unquote(lit)
}
