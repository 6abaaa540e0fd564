package otlprepairextension

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// repaired counts what was changed.
type repaired struct {
	values int // of attributes and bodies
	others int // fields of a record, a span, a scope or a resource
}

// signal is where a request of logs or traces has its parts, in both spellings
// that protobuf allows, and how the receiver reads it.
type signal struct {
	resources, scopes, items []string
	readable                 func(request []byte) bool
}

var signals = []signal{
	{
		resources: []string{"resourceLogs", "resource_logs"}, scopes: []string{"scopeLogs", "scope_logs"}, items: []string{"logRecords", "log_records"},
		readable: func(request []byte) bool { return plogotlp.NewExportRequest().UnmarshalJSON(request) == nil },
	},
	{
		resources: []string{"resourceSpans", "resource_spans"}, scopes: []string{"scopeSpans", "scope_spans"}, items: []string{"spans"},
		readable: func(request []byte) bool { return ptraceotlp.NewExportRequest().UnmarshalJSON(request) == nil },
	},
}

// repair returns a request of logs or traces that the receiver can read. What
// it cannot read in it is found by asking its own decoder about the parts, so
// that it gets nothing changed but what it would have refused:
//
//   - a value that means a number, a text or a truth value all the same becomes
//     that; any other its text,
//   - a field, and an attribute without a key, becomes an attribute
//     otelaudit.unread.<field> with its text.
//
// A request that is not JSON, or has no lists where those of OTLP are, comes back
// as it is, with a count of 0.
func repair(request []byte) ([]byte, repaired) {
	var top map[string]json.RawMessage
	if json.Unmarshal(request, &top) != nil {
		return request, repaired{}
	}
	for i := range signals {
		s := &signals[i]
		if find(top, s.resources) == nil || s.readable(request) {
			continue
		}
		var count repaired
		inResource := func(part []byte) bool { return s.readable(list(s.resources, part)) }
		inScope := func(part []byte) bool { return inResource(list(s.scopes, part)) }
		inItem := func(part []byte) bool { return inScope(list(s.items, part)) }
		ok := each(top, s.resources, func(resource map[string]json.RawMessage) bool {
			fixMembers(resource, "resource", s.scopes, &count, inResource)
			return each(resource, s.scopes, func(scope map[string]json.RawMessage) bool {
				fixMembers(scope, "scope", s.items, &count, inScope)
				return eachRaw(scope, s.items, func(item json.RawMessage) json.RawMessage { return fix(item, &count, inItem) })
			})
		})
		fixed, err := json.Marshal(top)
		if ok && err == nil && s.readable(fixed) {
			return fixed, count
		}
	}
	return request, repaired{}
}

// list returns an object whose only member is a list of one element.
func list(keys []string, element []byte) []byte {
	return slices.Concat([]byte(`{"`+keys[0]+`":[`), element, []byte(`]}`))
}

// member returns an object with one member.
func member(key string, value []byte) []byte {
	return slices.Concat([]byte(`{`), quote(key), []byte(`:`), value, []byte(`}`))
}

func quote(text string) []byte {
	quoted, _ := json.Marshal(text) // a string always can be
	return quoted
}

// find returns the name of the member that is one of keys, nil if none is.
func find(object map[string]json.RawMessage, keys []string) *string {
	for i, key := range keys {
		if _, ok := object[key]; ok {
			return &keys[i]
		}
	}
	return nil
}

// each changes the objects of a list, and reports whether it is one.
func each(object map[string]json.RawMessage, keys []string, change func(map[string]json.RawMessage) bool) bool {
	ok := true
	return eachRaw(object, keys, func(raw json.RawMessage) json.RawMessage {
		var element map[string]json.RawMessage
		if json.Unmarshal(raw, &element) != nil || !change(element) {
			ok = false
			return raw
		}
		changed, err := json.Marshal(element)
		ok = ok && err == nil
		return changed
	}) && ok
}

// eachRaw is each for elements of any kind. There may be no such list.
func eachRaw(object map[string]json.RawMessage, keys []string, change func(json.RawMessage) json.RawMessage) bool {
	key := find(object, keys)
	if key == nil {
		return true
	}
	var elements []json.RawMessage
	if json.Unmarshal(object[*key], &elements) != nil {
		return false
	}
	for i := range elements {
		elements[i] = change(elements[i])
	}
	changed, err := json.Marshal(elements)
	object[*key] = changed
	return err == nil
}

// fixMembers fixes what an object has beside its list: the resource or scope
// named of, and texts, which are written as such.
func fixMembers(object map[string]json.RawMessage, of string, but []string, count *repaired, readable func([]byte) bool) {
	for key, raw := range object {
		if slices.Contains(but, key) || readable(member(key, raw)) {
			continue
		}
		if key == of {
			object[key] = fix(raw, count, func(part []byte) bool { return readable(member(key, part)) })
			continue
		}
		count.others++
		if object[key] = quote(textOf(raw)); !readable(member(key, object[key])) {
			delete(object, key)
		}
	}
}

const (
	keyAttributes = "attributes"
	keyBody       = "body"
	// unread is in front of the names of fields that became attributes.
	unread = "otelaudit.unread."
)

// attribute is one of OTLP.
type attribute struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func textAttribute(key string, raw []byte) attribute { return attribute{key, textValue(raw)} }

// fix returns an object with a list of attributes (a record, a span, a scope or
// a resource) that is readable.
func fix(raw json.RawMessage, count *repaired, readable func([]byte) bool) json.RawMessage {
	if readable(raw) {
		return raw
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object == nil {
		count.others++
		return attributesOnly(textAttribute(unread+"all", raw))
	}
	var further []attribute
	for key, value := range object {
		if readable(member(key, value)) {
			continue
		}
		if key == keyBody {
			count.values++
			object[key] = fixValue(value)
			continue
		}
		if key != keyAttributes || !fixAttributes(object, count, readable) {
			count.others++
			delete(object, key)
			further = append(further, textAttribute(unread+key, value))
		}
	}
	slices.SortFunc(further, func(a, b attribute) int { return strings.Compare(a.Key, b.Key) })
	if err := addAttributes(object, further); err != nil {
		return attributesOnly(textAttribute(unread+"all", raw))
	}
	fixed, err := json.Marshal(object)
	if err != nil || !readable(fixed) {
		return attributesOnly(textAttribute(unread+"all", raw))
	}
	return fixed
}

func attributesOnly(attrs ...attribute) json.RawMessage {
	object := make(map[string]json.RawMessage)
	_ = addAttributes(object, attrs) // their values are JSON, made here
	raw, _ := json.Marshal(object)
	return raw
}

// addAttributes appends to the attributes of an object, which are readable.
func addAttributes(object map[string]json.RawMessage, attrs []attribute) error {
	if len(attrs) == 0 {
		return nil
	}
	var all []json.RawMessage
	if present, ok := object[keyAttributes]; ok {
		if err := json.Unmarshal(present, &all); err != nil {
			return err
		}
	}
	for _, a := range attrs {
		raw, err := json.Marshal(a)
		if err != nil {
			return err
		}
		all = append(all, raw)
	}
	changed, err := json.Marshal(all)
	object[keyAttributes] = changed
	return err
}

// fixAttributes fixes the attributes of an object, and reports whether they are
// a list.
func fixAttributes(object map[string]json.RawMessage, count *repaired, readable func([]byte) bool) bool {
	one := func(element []byte) bool {
		return readable(member(keyAttributes, slices.Concat([]byte("["), element, []byte("]"))))
	}
	return eachRaw(object, []string{keyAttributes}, func(raw json.RawMessage) json.RawMessage {
		if one(raw) {
			return raw
		}
		var a attribute
		if json.Unmarshal(raw, &a) == nil && a.Key != "" {
			count.values++
			a.Value = fixValue(a.Value)
		} else {
			count.others++
			a = textAttribute(unread+"attribute", raw)
		}
		fixed, err := json.Marshal(a)
		if err != nil {
			return raw // fix looks at the whole again
		}
		return fixed
	})
}

// fixValue returns a readable value for one that is not.
func fixValue(raw json.RawMessage) json.RawMessage {
	if v := meaning(raw); v != nil {
		return v
	}
	return textValue(raw)
}

// textValue is the value whose text is raw: what it says, if it is a string.
func textValue(raw []byte) json.RawMessage { return member("stringValue", quote(textOf(raw))) }

func textOf(raw []byte) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && bytes.TrimSpace(raw)[0] == '"' {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}
