package otlpwire

import (
	"encoding/hex"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// addUsual writes the record of a line as writers usually produce them, and
// returns its scope. It reports false if the Decoder is to decide, and may have
// written something then.
func (e *Encoder) addFast(raw []byte, offset int64) (scope int32, ok bool) {
	if !e.tape.Scan(raw) || !e.line.read(raw, &e.tape) {
		return 0, false
	}
	if otel := e.line.value(keyOtel); otel > 0 {
		if !e.readEnvelope(otel) {
			return 0, false
		}
		env := &e.line.env
		if scope, ok = e.origin(env.scope, env.resource); !ok {
			return 0, false
		}
		return scope, e.ownRecord()
	}
	if scope, ok = e.origin(nil, e.decoder.ForeignResource()); !ok {
		return 0, false
	}
	return scope, e.foreignRecord(offset)
}

// origin returns the index of a scope, and lets the tape know the raw values:
// the next line most likely has the same.
func (e *Encoder) origin(scope, res []byte) (int32, bool) {
	i, ok := e.origins.ofRaw(scope, res)
	known := e.tape.Known[:0]
	for _, raw := range [][]byte{e.origins.lastResource, e.origins.lastScope} {
		if len(raw) > 0 {
			known = append(known, raw)
		}
	}
	e.tape.Known = known
	return i, ok
}

// ownRecord writes the record of a line that exporter wrote, as
// [otelline.Decoder] decodes it. Fields are written from the last to the first.
func (e *Encoder) ownRecord() bool {
	l, env, w := &e.line, &e.line.env, &e.w
	name := env.eventName
	if name == 0 {
		name = l.value(keyEvent)
	}
	if name > 0 {
		w.nonEmpty(recordEventName, e.textOf(name))
	}
	if env.observed > 0 {
		w.fixed64(recordObserved, env.observed)
	}
	e.spanContext(nil)
	w.dropped(min(env.dropped, otelline.MaxDropped))
	if !e.ownAttributes() {
		return false
	}
	begun := w.size()
	if env.body > 0 && !e.value(env.body, true, 0) {
		return false
	}
	w.message(recordBody, begun)
	if env.severityText > 0 {
		w.nonEmpty(recordSeverityText, e.textOf(env.severityText))
	}
	w.severity(env.severity)
	if env.time > 0 {
		w.fixed64(recordTime, env.time)
	}
	return true
}

// ownAttributes writes, from the last to the first: the members of the line,
// those that are set aside in the envelope, the session, and the extra ones.
func (e *Encoder) ownAttributes() bool {
	l, env, w := &e.line, &e.line.env, &e.w
	aside, ok := e.push(env.attributes)
	if !ok || len(l.stack)-aside > manyMembers {
		return false
	}
	isAside := func(key string) bool {
		for _, k := range l.stack[aside:] {
			if string(e.keyText(k)) == key {
				return true
			}
		}
		return false
	}
	var session []byte
	if i := l.value(keySession); i > 0 && l.known[keySessionID] == 0 && !isAside(otelline.KeySessionID) {
		session = e.textOf(i)
	}
	e.extraAttributes(func(key string) bool {
		return isAside(key) || e.isOwnAttribute(key, isAside) || len(session) > 0 && key == otelline.KeySessionID
	})
	if len(session) > 0 {
		begun := w.size()
		w.text(anyString, session)
		w.message(keyValueValue, begun)
		w.text(keyValueKey, []byte(otelline.KeySessionID))
		w.message(recordAttributes, begun)
	}
	for i := len(l.stack) - 1; i >= aside; i-- {
		// A wrapped map, or a key twice, or one that the SDK drops.
		key := e.keyText(l.stack[i])
		if len(key) == 0 || string(key) == otelline.WrapMap {
			return false
		}
		for _, other := range l.stack[aside:i] {
			if string(e.keyText(other)) == string(key) {
				return false
			}
		}
		if !e.attribute(recordAttributes, l.stack[i], key, true, 0) {
			return false
		}
	}
	for _, m := range slices.Backward(l.members) {
		if !e.isAttribute(m, isAside) {
			continue
		}
		key := e.keyText(m.key)
		if len(key) == 0 || !e.attribute(recordAttributes, m.key, key, true, 0) {
			return false
		}
	}
	l.stack = l.stack[:aside]
	return true
}

const keySession = keyID(otelline.Session)

// isReserved reports whether a member is never an attribute of an own line's
// record.
func isReserved(id keyID) bool { return id >= keyTime && id <= keyOtel }

// isAttribute reports whether a member of an own line is an attribute of its
// record, or, if it was derived, to become one.
func (e *Encoder) isAttribute(m member, isAside func(key string) bool) bool {
	switch {
	case isReserved(m.id):
		return false
	case !e.line.env.isDerived(m.id):
		return true
	}
	return e.derived && m.id != keySession && !isAside(string(e.keyText(m.key)))
}

// isOwnAttribute reports whether a member of an own line with that key is an
// attribute.
func (e *Encoder) isOwnAttribute(key string, isAside func(key string) bool) bool {
	for _, m := range e.line.members {
		if e.isAttribute(m, isAside) && string(e.keyText(m.key)) == key {
			return true
		}
	}
	return false
}

// foreignRecord writes the record of a line of another writer, as
// [otelline.Decoder] decodes it.
func (e *Encoder) foreignRecord(offset int64) bool {
	l, w := &e.line, &e.w
	ts := l.value(keyTime)
	if ts == 0 {
		return false
	}
	token := &e.tape.Tokens[ts]
	at, ok := jsonline.ParseTime(l.raw[token.Start:token.End])
	if !ok {
		return false // the time of reading
	}
	var taken [numKeys]bool
	taken[keyTime] = true
	if i := l.value(keyEvent); i > 0 && e.tape.Tokens[i].Kind == jsonline.String {
		taken[keyEvent] = true
		w.nonEmpty(recordEventName, e.textOf(i))
	}
	w.unixNano(recordObserved, at)
	e.spanContext(&taken)

	hasUID := l.known[keyUID] > 0
	e.extraAttributes(func(key string) bool {
		if !hasUID && key == otelline.KeyUID {
			return true
		}
		for _, m := range l.members {
			if m.id >= 0 && taken[m.id] {
				continue
			}
			if string(e.foreignKey(m)) == key {
				return true
			}
		}
		return false
	})
	if !hasUID {
		begun := w.size()
		e.scratch = e.uid.Append(e.scratch[:0], l.raw, offset)
		w.text(anyString, e.scratch)
		w.message(keyValueValue, begun)
		w.text(keyValueKey, []byte(otelline.KeyUID))
		w.message(recordAttributes, begun)
	}
	for _, m := range slices.Backward(l.members) {
		if m.id >= 0 && taken[m.id] {
			continue
		}
		if !e.attribute(recordAttributes, m.key, e.foreignKey(m), false, 0) {
			return false
		}
	}
	w.message(recordBody, w.size())
	w.unixNano(recordTime, at)
	return true
}

// foreignNames are the keys that fields get in records of foreign lines.
var foreignNames = func() (names [otelline.NumFields][]byte) {
	for f := range otelline.NumFields {
		names[f] = []byte(f.ForeignKey())
	}
	return names
}()

var emptyKey = []byte(otelline.EmptyKey)

// foreignKey returns the key of the attribute that a member of a foreign line
// becomes.
func (e *Encoder) foreignKey(m member) []byte {
	if m.id >= 0 && m.id < keyID(otelline.NumFields) {
		if to := foreignKeys[m.id]; to > 0 && e.line.known[to] == 0 && (!e.derived || m.id == keySession) {
			return foreignNames[m.id]
		}
	}
	key := e.keyText(m.key)
	if len(key) == 0 {
		return emptyKey
	}
	return key
}

// spanContext writes the flags and ids of the line that are valid, and says
// which those are.
func (e *Encoder) spanContext(taken *[numKeys]bool) {
	var (
		ids   [16]byte
		known [numKeys]bool
	)
	if taken == nil {
		taken = &known
	}
	if id := ids[:8]; e.hexOf(id, keySpanID) && !isZero(id) {
		taken[keySpanID] = true
		e.w.text(recordSpanID, id)
	}
	if id := ids[:16]; e.hexOf(id, keyTraceID) && !isZero(id) {
		taken[keyTraceID] = true
		e.w.text(recordTraceID, id)
	}
	if flags := ids[:1]; e.hexOf(flags, keyTraceFlags) {
		taken[keyTraceFlags] = true
		e.w.flags(flags[0])
	}
}

// hexOf fills dst from the value of a known key, a string of as many digits as
// it takes.
func (e *Encoder) hexOf(dst []byte, id keyID) bool {
	i := e.line.value(id)
	if i == 0 {
		return false
	}
	t := &e.tape.Tokens[i]
	if t.Kind != jsonline.String || int(t.End-t.Start) != 2*len(dst)+2 {
		return false
	}
	_, err := hex.Decode(dst, e.line.raw[t.Start+1:t.End-1])
	return err == nil
}

func isZero(id []byte) bool {
	for _, c := range id {
		if c != 0 {
			return false
		}
	}
	return true
}

// extraAttributes writes the extra attributes whose keys the record does not
// have.
func (e *Encoder) extraAttributes(has func(key string) bool) {
	for _, kv := range slices.Backward(e.extra) {
		if !has(string(kv.Key)) {
			e.w.attributes(recordAttributes, []attribute.KeyValue{kv})
		}
	}
}
