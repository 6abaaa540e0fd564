package exporter

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// maxValueDepth ends the conversion of a Go value that contains itself.
const maxValueDepth = 1000

// valueOf converts a Go value. Types that an attribute has keep their type;
// anything else is what encoding/json makes of it, or the string that fmt
// makes.
func valueOf(v any, depth int) attribute.Value {
	switch v := v.(type) {
	case nil:
		return attribute.Value{}
	case attribute.Value:
		return v
	case string:
		return attribute.StringValue(v)
	case bool:
		return attribute.BoolValue(v)
	case int:
		return attribute.IntValue(v)
	case int8:
		return attribute.Int64Value(int64(v))
	case int16:
		return attribute.Int64Value(int64(v))
	case int32:
		return attribute.Int64Value(int64(v))
	case int64:
		return attribute.Int64Value(v)
	case uint8:
		return attribute.Int64Value(int64(v))
	case uint16:
		return attribute.Int64Value(int64(v))
	case uint32:
		return attribute.Int64Value(int64(v))
	case uint:
		return unsigned(uint64(v))
	case uint64:
		return unsigned(v)
	case float32:
		return attribute.Float64Value(float64(v))
	case float64:
		return attribute.Float64Value(v)
	case []byte:
		return attribute.ByteSliceValue(v)
	case []string:
		return attribute.StringSliceValue(v)
	case []bool:
		return attribute.BoolSliceValue(v)
	case []int:
		return attribute.IntSliceValue(v)
	case []int64:
		return attribute.Int64SliceValue(v)
	case []float64:
		return attribute.Float64SliceValue(v)
	case error:
		return attribute.StringValue(v.Error())
	}
	if depth < maxValueDepth {
		switch v := v.(type) {
		case []any:
			list := make([]attribute.Value, len(v))
			for i, e := range v {
				list[i] = valueOf(e, depth+1)
			}
			return attribute.SliceValue(list...)
		case map[string]any:
			members := make([]attribute.KeyValue, 0, len(v))
			for _, key := range sortedKeys(v) {
				members = append(members, attribute.KeyValue{Key: attribute.Key(key), Value: valueOf(v[key], depth+1)})
			}
			return attribute.MapValue(members...)
		}
	}
	return marshaled(v)
}

// unsigned keeps a number that no int64 holds as the string of its digits.
func unsigned(n uint64) attribute.Value {
	if n > math.MaxInt64 {
		return attribute.StringValue(strconv.FormatUint(n, 10))
	}
	return attribute.Int64Value(int64(n))
}

func marshaled(v any) (result attribute.Value) {
	defer func() {
		if p := recover(); p != nil {
			result = attribute.StringValue(fmt.Sprintf("(%T: panic: %v)", v, p))
		}
	}()
	text, err := json.Marshal(v)
	if err == nil {
		if result, err = otelline.ParseJSON(text); err == nil {
			return result
		}
	}
	return attribute.StringValue(fmt.Sprintf("(%T: %v)", v, err))
}
