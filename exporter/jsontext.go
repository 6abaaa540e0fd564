package exporter

import (
	"strings"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// jsonText is an attribute that is JSON text, whose members are sources. Its
// members are found once for all of them.
type jsonText struct {
	key     otelline.KeyID // of the attribute; NoKey: none was read
	text    []byte         // a copy
	members []jsonMember
}

type jsonMember struct{ key, value []byte }

const (
	// maxJSONMembers is how many members of a text are looked at.
	maxJSONMembers = 256
	// maxKeptJSON bounds the memory that is kept for the next text.
	maxKeptJSON = 64 << 10
)

// reset lets go of a text that is large.
func (j *jsonText) reset() {
	j.key, j.members = otelline.NoKey, j.members[:0]
	if cap(j.text) > maxKeptJSON {
		j.text, j.members = nil, nil
	}
}

// at returns the value at path in v, which is the attribute with that key.
func (j *jsonText) at(key otelline.KeyID, v value, path string) (value, bool) {
	text, ok := textOf(v)
	if !ok {
		return value{}, false
	}
	if j.key != key {
		if cap(j.text) > maxKeptJSON {
			j.text = nil
		}
		j.key = key
		j.text = append(j.text[:0], text...)
		j.members = j.members[:0]
		// The error is that of a text that was cut, or of no object. The members in
		// front of it are whole.
		_ = jsonline.EachMember(j.text, func(name, member []byte) bool {
			j.members = append(j.members, jsonMember{name, member})
			return len(j.members) < maxJSONMembers
		})
	}
	name, rest, deeper := strings.Cut(path, ".")
	for i := range j.members {
		if m := &j.members[i]; jsonline.KeyIs(m.key, name) {
			if !deeper {
				return jsonValue(m.value)
			}
			return jsonValue(memberOf(m.value, rest))
		}
	}
	return value{}, false
}

// memberOf returns the raw value at path in an object, nil if there is none.
func memberOf(object []byte, path string) (found []byte) {
	name, rest, deeper := strings.Cut(path, ".")
	err := jsonline.EachMember(object, func(key, member []byte) bool {
		if jsonline.KeyIs(key, name) {
			found = member
			return false
		}
		return true
	})
	if err != nil || found == nil || !deeper {
		return found
	}
	return memberOf(found, rest)
}

// jsonValue returns the value that a raw scalar is.
func jsonValue(raw []byte) (value, bool) {
	switch jsonline.KindOf(raw) {
	case jsonline.String:
		return otelline.StringValue(jsonline.Unquote(raw)), true
	case jsonline.Bool:
		return otelline.BoolValue(raw[0] == 't'), true
	case jsonline.NumberValue:
		switch n := jsonline.ParseNumber(raw); n.Kind {
		case jsonline.Int:
			return otelline.Int64Value(n.Int), true
		case jsonline.Float:
			return otelline.Float64Value(n.Float), true
		}
	}
	return value{}, false
}
