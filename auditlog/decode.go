package auditlog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// decode returns the event of a line.
func decode(raw []byte) (Event, error) {
	members := make(map[string][]byte)
	err := jsonline.EachMember(raw, func(key, value []byte) bool {
		members[jsonline.Unquote(key)] = value
		return true
	})
	if err != nil {
		return Event{}, fmt.Errorf("auditlog: decode the event: %w", err)
	}
	var event Event
	for key, value := range members {
		if _, reserved := fieldOf(key); reserved && (jsonline.KindOf(value) == jsonline.Null || event.setField(key, value)) {
			continue
		}
		v, err := decodeValue(value)
		if err != nil {
			return Event{}, fmt.Errorf("auditlog: decode the event: attribute %q: %w", visible.Cut(key), err)
		}
		if event.Attributes == nil {
			event.Attributes = make(map[string]any)
		}
		event.Attributes[key] = v
	}
	return event, nil
}

// setField sets the field that key stands for. It reports false if value does
// not fit.
func (e *Event) setField(key string, value []byte) (ok bool) {
	switch key {
	case keyTime:
		e.Time, ok = jsonline.ParseTime(value)
	case keyEvent:
		e.Name, ok = stringValue(value)
	case keySession:
		e.SessionID, ok = stringValue(value)
	case keyCost:
		e.Cost, ok = pointer(scan.FiniteValue(value))
	case keyModel:
		e.Model, ok = stringValue(value)
	case keyInput:
		e.InputTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyOutput:
		e.OutputTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyCacheRead:
		e.CacheReadTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyCacheWrite:
		e.CacheWriteTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyCacheHour:
		e.CacheWriteHourTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyReasoning:
		e.ReasoningTokens, ok = pointer(scan.WholeValue(value, jsonline.MaxExactInt-1))
	case keyFiles:
		e.Files, ok = stringsValue(value)
	case keyReason:
		e.Reason, ok = stringValue(value)
	case keyConfidence:
		e.Confidence, ok = pointer(scan.WholeValue(value, 100))
	case keyDuration:
		var ms int64
		ms, ok = scan.WholeValue(value, math.MaxInt64/int64(time.Millisecond))
		e.Duration, ok = pointer(time.Duration(ms)*time.Millisecond, ok)
	case keyConfig:
		if jsonline.KindOf(value) == jsonline.Object {
			if v, err := decodeValue(value); err == nil {
				e.Config, ok = v.(map[string]any)
			}
		}
	case keyTraceID:
		e.TraceID, ok = hexValue(value, 32)
	case keySpanID:
		e.SpanID, ok = hexValue(value, 16)
	case keyTraceFlags:
		e.TraceFlags, ok = pointer(flagsValue(value))
	case keyOtel:
		ok = true
	}
	return ok
}

func pointer[T any](v T, ok bool) (*T, bool) {
	if !ok {
		return nil, false
	}
	return &v, true
}

func stringValue(value []byte) (string, bool) {
	if jsonline.KindOf(value) != jsonline.String {
		return "", false
	}
	return jsonline.Unquote(value), true
}

func stringsValue(value []byte) ([]string, bool) {
	if jsonline.KindOf(value) != jsonline.Array {
		return nil, false
	}
	list, ok := []string{}, true
	err := jsonline.EachElement(value, func(element []byte) bool {
		var s string
		s, ok = stringValue(element)
		list = append(list, s)
		return ok
	})
	if !ok || err != nil {
		return nil, false
	}
	return list, true
}

func hexValue(value []byte, digits int) (string, bool) {
	if s, ok := stringValue(value); ok && isHexID(s, digits) {
		return s, true
	}
	return "", false
}

func flagsValue(value []byte) (byte, bool) {
	s, ok := stringValue(value)
	if !ok || len(s) != 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 8)
	return byte(n), err == nil
}

// decodeValue makes a Go value of a raw one that has passed the scanner.
func decodeValue(value []byte) (any, error) {
	switch jsonline.KindOf(value) {
	case jsonline.Null:
		return nil, nil
	case jsonline.Bool:
		return value[0] == 't', nil
	case jsonline.String:
		return jsonline.Unquote(value), nil
	case jsonline.NumberValue:
		return numberValue(value), nil
	}
	// One pass over any depth; visiting level by level would not be.
	tree, err := decodeTree(value)
	if err != nil {
		return nil, err
	}
	return convertTree(tree), nil
}

// convertTree makes the values of FORMAT.md of what encoding/json decoded. The
// tree is the caller's and is changed.
func convertTree(tree any) any {
	switch v := tree.(type) {
	case json.Number:
		return numberValue([]byte(v))
	case []any:
		for i, element := range v {
			v[i] = convertTree(element)
		}
	case map[string]any:
		if value, ok := unwrap(v); ok {
			return value
		}
		for key, value := range v {
			v[key] = convertTree(value)
		}
	}
	return tree
}

func numberValue(lit []byte) any {
	switch n := jsonline.ParseNumber(lit); n.Kind {
	case jsonline.Int:
		return n.Int
	case jsonline.Float:
		return n.Float
	}
	return string(lit)
}

// unwrap gives back the value of a wrapper of FORMAT.md section 3, in exactly
// the form that the section gives it. Any other object is a map.
func unwrap(m map[string]any) (any, bool) {
	if len(m) != 1 {
		return nil, false
	}
	if list, ok := m["kvlistValue"].(map[string]any); ok && len(list) == 1 {
		return unwrapMap(list["values"])
	}
	if s, ok := m["intValue"].(string); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		exact := n > -jsonline.MaxExactInt && n < jsonline.MaxExactInt
		return n, err == nil && !exact && strconv.FormatInt(n, 10) == s
	}
	if s, ok := m["doubleValue"].(string); ok {
		switch s {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
	}
	if s, ok := m["bytesValue"].(string); ok {
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		return b, err == nil && base64.StdEncoding.EncodeToString(b) == s
	}
	return nil, false
}

// unwrapMap gives back a map whose only key is that of a wrapper. One that
// repeats a key has no Go map, and stays as it is written.
func unwrapMap(values any) (any, bool) {
	list, ok := values.([]any)
	if !ok || len(list) != 1 {
		return nil, false
	}
	pair, ok := list[0].(map[string]any)
	if !ok || len(pair) != 2 {
		return nil, false
	}
	key, ok := pair["key"].(string)
	value, hasValue := pair["value"]
	if !ok || !hasValue || !isWrapper(key) {
		return nil, false
	}
	return map[string]any{key: convertTree(value)}, true
}
