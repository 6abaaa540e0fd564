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
type row struct {
	cells  []string
	isText []bool // of the cells: it was a string
}

func newRow() row {
	return row{make([]string, len(columnKeys)+1), make([]bool, len(columnKeys)+1)}
}

// fill takes the cells from a line.
func (r row) fill(line []byte) error {
	clear(r.cells)
	clear(r.isText)
	var attributes []byte
	err := jsonline.EachMember(line, func(key, value []byte) bool {
		if jsonline.KeyIs(key, "otel") {
			return true
		}
		if i, ok := columnOf[jsonline.Unquote(key)]; ok {
			r.cells[i], r.isText[i] = cell(value), jsonline.KindOf(value) == jsonline.String
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
		r.cells[len(r.cells)-1] = string(append(attributes, '}'))
	}
	return err
}

// of returns the cell of one of columnKeys.
func (r row) of(key string) string { return r.cells[columnOf[key]] }

// safe returns the cells for a spreadsheet, valid until the next fill. A number
// may begin with a minus; that is no formula.
func (r row) safe() []string {
	for i, text := range r.cells {
		if r.isText[i] {
			r.cells[i] = csvText(text)
		}
	}
	return r.cells
}

func cell(value []byte) string {
	switch jsonline.KindOf(value) {
	case jsonline.Null:
		return ""
	case jsonline.String:
		return jsonline.Unquote(value)
	}
	return string(value)
}
