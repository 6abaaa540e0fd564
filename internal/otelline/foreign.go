package otelline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// foreignNames are the names that fields get in records of lines without otel.
var foreignNames = map[string]attribute.Key{
	KeySession:              KeySessionID,
	fieldKeys[Model]:        "gen_ai.request.model",
	fieldKeys[InputTokens]:  "gen_ai.usage.input_tokens",
	fieldKeys[OutputTokens]: "gen_ai.usage.output_tokens",
}

// uidNamespace is that of the ids of foreign lines: FORMAT.md section 6.
var uidNamespace = uuid.MustParse("6f0f0a5c-2a52-4a83-9d2c-3c1c1f7a4b5e")

// emptyKey stands for a key that JSON allows and OpenTelemetry drops.
const emptyKey = "(empty key)"

// decodeForeign decodes a line without otel, of another writer or of auditlog
// itself: members is set. A member that is not what its key promises stays an
// attribute under that key.
func (d *Decoder) decodeForeign(raw []byte, offset int64) (sdklog.Record, error) {
	p := parser{wrappers: false}
	attrs := make([]attribute.KeyValue, 0, len(d.members)+1)
	var event string
	var at time.Time
	timed := false
	var ids spanContext
	for _, m := range d.members {
		switch string(m.key) {
		case keyTime:
			if t, ok := jsonline.ParseTime(m.value); ok {
				at, timed = t, true
				continue
			}
		case keyEvent:
			if jsonline.KindOf(m.value) == jsonline.String {
				event = textOf(m.value)
				continue
			}
		}
		if ids.take(m) {
			continue
		}
		v, err := p.value(m.value, 1)
		if err != nil {
			return sdklog.Record{}, fmt.Errorf("attribute %q: %w", m.key, err)
		}
		attrs = append(attrs, attribute.KeyValue{Key: d.foreignName(m.key), Value: v})
	}
	if !hasKey(attrs, KeyUID) {
		attrs = append(attrs, attribute.String(KeyUID, foreignUID(raw, offset)))
	}
	record, err := d.templates.record(nil, d.foreignResource, attrs, 0)
	if err != nil {
		return sdklog.Record{}, err
	}
	if !timed {
		at = time.Now()
	}
	record.SetEventName(event)
	record.SetTimestamp(at)
	record.SetObservedTimestamp(at)
	ids.set(&record)
	return record, nil
}

// foreignName returns the attribute key for a key of a line, which is another
// one for some fields, unless the line has that key too.
func (d *Decoder) foreignName(key []byte) attribute.Key {
	if len(key) == 0 {
		return emptyKey
	}
	name, ok := foreignNames[string(key)]
	if !ok {
		return attribute.Key(key)
	}
	for _, m := range d.members {
		if string(m.key) == string(name) {
			return attribute.Key(key)
		}
	}
	return name
}

// foreignUID identifies a line by its bytes and its place: a replay that starts
// over gives it the same id, and two equal lines have two.
func foreignUID(raw []byte, offset int64) string {
	data := append(append([]byte{}, raw...), '\n')
	return uuid.NewSHA1(uidNamespace, strconv.AppendInt(data, offset, 10)).String()
}
