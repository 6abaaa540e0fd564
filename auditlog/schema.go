package auditlog

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) that every line written by
// this module satisfies. The slice is the caller's.
func Schema() []byte { return slices.Clone(schema) }
