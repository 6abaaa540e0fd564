package auditlogexporter

import (
	"errors"
	"fmt"
	"regexp"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// Action is what a rule does to the attributes whose keys it names.
type Action string

// The actions.
const (
	// Drop leaves them out.
	Drop Action = "drop"
	// Keep leaves all others out.
	Keep Action = "keep"
	// Replace writes Value in their place, or in place of what Pattern matches
	// in those that are strings.
	Replace Action = "replace"
	// Rename writes them under the key To.
	Rename Action = "rename"
)

// AttributeRule changes attributes before they are written.
type AttributeRule struct {
	Action Action `mapstructure:"action"`
	// Keys are those of the attributes; * stands for any characters.
	Keys []string `mapstructure:"keys"`
	// Value is the text that Replace writes. With a Pattern it may refer to
	// what its groups match: ${1}.
	Value string `mapstructure:"value"`
	// Pattern is a regular expression for Replace.
	Pattern string `mapstructure:"pattern"`
	// To is the key of Rename.
	To string `mapstructure:"to"`

	// prevent unkeyed literal initialization
	_ struct{}
}

func (r *AttributeRule) validate() error {
	if len(r.Keys) == 0 {
		return errors.New("keys: it is empty; name the attributes")
	}
	if r.Action != Replace && (r.Value != "" || r.Pattern != "") {
		return fmt.Errorf("value and pattern are for replace, the action is %q", visible.Cut(string(r.Action)))
	}
	if r.Action != Rename && r.To != "" {
		return fmt.Errorf("to is for rename, the action is %q", visible.Cut(string(r.Action)))
	}
	switch r.Action {
	case Drop, Keep:
	case Replace:
		if _, err := regexp.Compile(r.Pattern); err != nil {
			return fmt.Errorf("pattern: %w", err)
		}
	case Rename:
		if r.To == "" {
			return errors.New("to: it is empty; name the new key")
		}
	default:
		return fmt.Errorf("action: %q is none of drop, keep, replace and rename", visible.Cut(string(r.Action)))
	}
	return nil
}

// hook returns what rules do to an attribute; nil if there are none. One that
// comes back without a key is left out.
func hook(rules []AttributeRule) func(attribute.KeyValue) attribute.KeyValue {
	if len(rules) == 0 {
		return nil
	}
	type compiled struct {
		AttributeRule
		keys    *regexp.Regexp
		pattern *regexp.Regexp // nil: the whole value
	}
	list := make([]compiled, len(rules))
	for i, r := range rules {
		list[i] = compiled{AttributeRule: r, keys: pattern(r.Keys)}
		if r.Pattern != "" {
			list[i].pattern = regexp.MustCompile(r.Pattern) // it was validated
		}
	}
	return func(kv attribute.KeyValue) attribute.KeyValue {
		for i := range list {
			r := &list[i]
			if r.keys.MatchString(string(kv.Key)) == (r.Action == Keep) {
				continue
			}
			switch {
			case r.Action == Rename:
				kv.Key = attribute.Key(r.To)
			case r.Action != Replace:
				return attribute.KeyValue{}
			case r.pattern == nil:
				kv.Value = attribute.StringValue(r.Value)
			default:
				kv.Value = replaceIn(kv.Value, r.pattern, r.Value)
			}
		}
		return kv
	}
}

// replaceIn replaces what pattern matches in the strings of v, however deep
// they are in it.
func replaceIn(v attribute.Value, pattern *regexp.Regexp, by string) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(pattern.ReplaceAllString(v.AsString(), by))
	case attribute.SLICE:
		list := v.AsSlice()
		for i := range list {
			list[i] = replaceIn(list[i], pattern, by)
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		members := v.AsMap()
		for i := range members {
			members[i].Value = replaceIn(members[i].Value, pattern, by)
		}
		return attribute.MapValue(members...)
	}
	return v
}
