package main

import (
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// columnKeys are the keys of a line that have a column of their own, in the
// order of FORMAT.md section 2. The last column is attributesColumn.
var columnKeys = []string{
	"ts", "event", "session_id", "cost", "model", "input_t", "output_t", "files", "reason", "confidence",
	"duration_ms", "config", "trace_id", "span_id", "trace_flags",
}

const attributesColumn = "attributes"

var columnOf = func() map[string]int {
	m := make(map[string]int, len(columnKeys))
	for i, key := range columnKeys {
		m[key] = i
	}
	return m
}()

// row is a line in cells: strings as they are, other values as JSON, null and
// absent empty; all further attributes are one JSON object in the last cell.
// The envelope of OpenTelemetry records is left out.
type row []string

func newRow() row { return make(row, len(columnKeys)+1) }

// fill takes the cells from a line.
func (r row) fill(line []byte) error {
	clear(r)
	var attributes []byte
	err := jsonline.EachMember(line, func(key, value []byte) bool {
		if jsonline.KeyIs(key, "otel") {
			return true
		}
		if i, ok := columnOf[jsonline.Unquote(key)]; ok {
			r[i] = cell(value)
			return true
		}
		if attributes == nil {
			attributes = append(attributes, '{')
		} else {
			attributes = append(attributes, ',')
		}
		attributes = append(append(append(attributes, key...), ':'), value...)
		return true
	})
	if attributes != nil {
		r[len(r)-1] = string(append(attributes, '}'))
	}
	return err
}

// of returns the cell of one of columnKeys.
func (r row) of(key string) string { return r[columnOf[key]] }

func cell(value []byte) string {
	switch jsonline.KindOf(value) {
	case jsonline.Null:
		return ""
	case jsonline.String:
		return jsonline.Unquote(value)
	}
	return string(value)
}
