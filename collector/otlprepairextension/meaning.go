package otlprepairextension

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// meaning returns the value that raw means although it is not written as OTLP
// has it; nil if that cannot be told.
func meaning(raw json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return scalar(raw) // "value": 5
	}
	if len(object) != 1 {
		return nil
	}
	for key, value := range object {
		text := textOf(value)
		switch strings.ToLower(strings.ReplaceAll(key, "_", "")) {
		case "intvalue", "doublevalue":
			if string(value) == "null" {
				// What JavaScript makes of NaN, and of infinities.
				return member("doubleValue", quote("NaN"))
			}
			return number(text)
		case "boolvalue":
			if b, err := strconv.ParseBool(text); err == nil {
				return member("boolValue", strconv.AppendBool(nil, b))
			}
		case "stringvalue":
			return textValue(value)
		}
	}
	return nil
}

// scalar returns the value of a JSON text that is no object.
func scalar(raw json.RawMessage) json.RawMessage {
	switch v := textOf(raw); {
	case len(raw) == 0:
	case v == "true", v == "false":
		return member("boolValue", []byte(v))
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return number(v)
	}
	return nil
}

// number returns a whole number as an integer, any other as it is.
func number(text string) json.RawMessage {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return member("intValue", quote(strconv.FormatInt(n, 10)))
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) < exact {
		return member("intValue", quote(strconv.FormatInt(int64(f), 10)))
	}
	return member("doubleValue", quote(strconv.FormatFloat(f, 'g', -1, 64)))
}
