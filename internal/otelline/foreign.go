package otelline

import (
	"crypto/sha1" //nolint:gosec // what a UUIDv5 is made of
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// ForeignKey is the key of the attribute that f becomes in the record of a line
// without otel, unless the line has that key too; for most fields f's own.
func (f Field) ForeignKey() string {
	switch f {
	case Session:
		return KeySessionID
	case Model:
		return "gen_ai.request.model"
	case InputTokens:
		return "gen_ai.usage.input_tokens"
	case OutputTokens:
		return "gen_ai.usage.output_tokens"
	}
	return f.Key()
}

// uidNamespace is that of the ids of foreign lines: FORMAT.md section 6.
var uidNamespace = uuid.MustParse("6f0f0a5c-2a52-4a83-9d2c-3c1c1f7a4b5e")

// EmptyKey stands for a key that JSON allows and OpenTelemetry drops.
const EmptyKey = "(empty key)"

// decodeForeign decodes a line without otel, of another writer or of auditlog
// itself: members is set. A member that is not what its key promises stays an
// attribute under that key.
func (d *Decoder) decodeForeign(raw []byte, offset int64) (sdklog.Record, error) {
	var p parser
	attrs := make([]attribute.KeyValue, 0, len(d.members)+1)
	var event string
	var at time.Time
	timed := false
	var ids spanContext
	for _, m := range d.members {
		switch string(m.key) {
		case KeyTime:
			if t, ok := jsonline.ParseTime(m.value); ok {
				at, timed = t, true
				continue
			}
		case KeyEvent:
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
			return sdklog.Record{}, fmt.Errorf("attribute %q: %w", visible.Cut(string(m.key)), err)
		}
		attrs = append(attrs, attribute.KeyValue{Key: d.foreignName(m.key), Value: v})
	}
	if !hasKey(attrs, KeyUID) {
		attrs = append(attrs, attribute.String(KeyUID, string(d.uid.Append(nil, raw, offset))))
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
// one for some fields, unless the line has that key too or fields keep theirs.
func (d *Decoder) foreignName(key []byte) attribute.Key {
	if len(key) == 0 {
		return EmptyKey
	}
	f, ok := FieldOf(key)
	if !ok || d.derived && f != Session {
		return attribute.Key(key)
	}
	name := f.ForeignKey()
	for _, m := range d.members {
		if string(m.key) == name {
			return attribute.Key(key)
		}
	}
	return attribute.Key(name)
}

// ForeignUID makes the ids of lines of other writers. An id names the line's
// bytes and its place: a replay that starts over gives it the same one, and two
// equal lines have two. It is not safe for concurrent use.
type ForeignUID struct {
	hash hash.Hash
	sum  []byte
}

// Append appends the id of a line, as text.
func (u *ForeignUID) Append(dst, raw []byte, offset int64) []byte {
	if u.hash == nil {
		u.hash = sha1.New() //nolint:gosec // what a UUIDv5 is made of
	}
	u.hash.Reset()
	// A hash returns no error.
	_, _ = u.hash.Write(uidNamespace[:])
	_, _ = u.hash.Write(raw)
	u.sum = strconv.AppendInt(append(u.sum[:0], '\n'), offset, 10)
	_, _ = u.hash.Write(u.sum)
	u.sum = u.hash.Sum(u.sum[:0])
	id := uuid.UUID(u.sum[:16])
	id[6] = id[6]&0x0f | 5<<4 // version 5
	id[8] = id[8]&0x3f | 0x80 // of the usual variant
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}
