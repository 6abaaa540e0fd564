package otelline

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// envelope is the content of otel, FORMAT.md section 4.
type envelope struct {
	time, observed time.Time
	eventName      string
	hasEventName   bool
	severity       log.Severity
	severityText   string
	dropped        int64
	derived        uint32 // bits by Field

	body, attributes, scope, resource []byte // raw values, nil if absent
}

func (e *envelope) isDerived(f Field) bool { return e.derived&(1<<f) != 0 }

// parse reports whether lit is an object whose members are as section 4 says.
// Members that it does not name are those of a later version, and ignored.
func (e *envelope) parse(lit []byte) bool {
	*e = envelope{}
	if jsonline.KindOf(lit) != jsonline.Object {
		return false
	}
	valid := true
	err := jsonline.EachMember(lit, func(key, value []byte) bool {
		valid = e.take(string(key[1:len(key)-1]), value)
		return valid
	})
	return err == nil && valid
}

func (e *envelope) take(key string, value []byte) bool {
	kind := jsonline.KindOf(value)
	ok := true
	switch key {
	case "time_unix_nano":
		e.time, ok = jsonline.ParseUnixNano(textOf(value))
	case "observed_time_unix_nano":
		e.observed, ok = jsonline.ParseUnixNano(textOf(value))
	case "event_name":
		e.eventName, e.hasEventName = textOf(value), true
		ok = kind == jsonline.String
	case "severity_number":
		var n int64
		n, ok = intOf(value, math.MinInt32, math.MaxInt32)
		e.severity = log.Severity(n)
	case "severity_text":
		e.severityText = textOf(value)
		ok = kind == jsonline.String
	case "body":
		e.body = value
	case "dropped_attributes_count":
		e.dropped, ok = intOf(value, 0, jsonline.MaxExactInt)
	case "derived":
		ok = e.takeDerived(value)
	case "attributes":
		e.attributes, ok = value, kind == jsonline.Object
	case "scope":
		e.scope, ok = value, kind == jsonline.Object
	case "resource":
		e.resource, ok = value, kind == jsonline.Object
	}
	return ok
}

func intOf(lit []byte, least, most int64) (int64, bool) {
	if jsonline.KindOf(lit) != jsonline.NumberValue {
		return 0, false
	}
	n := jsonline.ParseNumber(lit)
	return n.Int, n.Kind == jsonline.Int && n.Int >= least && n.Int <= most
}

func (e *envelope) takeDerived(lit []byte) bool {
	if jsonline.KindOf(lit) != jsonline.Array {
		return false
	}
	valid := true
	err := jsonline.EachElement(lit, func(lit []byte) bool {
		f, ok := FieldOf([]byte(textOf(lit)))
		if ok {
			e.derived |= 1 << f
		}
		// A name that is unknown is that of a field of a later version.
		valid = jsonline.KindOf(lit) == jsonline.String
		return valid
	})
	return err == nil && valid
}

// aside returns the attributes that could not stand at the top level.
func (e *envelope) aside() ([]attribute.KeyValue, error) {
	if e.attributes == nil {
		return nil, nil
	}
	return parseMembers(e.attributes, 2)
}

// parseMembers returns the members of a map in the order of the line, from
// either form of FORMAT.md section 3.
func parseMembers(lit []byte, depth int) ([]attribute.KeyValue, error) {
	p := parser{wrappers: true}
	if err := p.scan(lit); err != nil {
		return nil, err
	}
	if only := p.onlyKey(0); only > 0 && jsonline.KeyIs(p.raw(only), WrapMap) {
		if members, ok, err := p.wrappedMembers(only+1, depth); ok || err != nil {
			return members, err
		}
	}
	return p.members(0, depth)
}
