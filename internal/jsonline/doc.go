// Package jsonline is the only writer and scanner of JSON in this module.
//
// The writer half appends the values of FORMAT.md section 3 to a byte slice:
// one fixed spelling for every value, so that a line is the same bytes
// wherever it was made. The scanner half accepts whatever any JSON writer may
// produce (RFC 8259) and hands out raw sub-slices of its input, so that a
// reader pays only for the members it looks at.
package jsonline

// MaxDepth is the deepest nesting of arrays and objects that a writer of this
// module produces and that a decoder turns into values. Scanning has no such
// limit: a deeper line is still an event, only its deep value is not decoded.
// encoding/json stops at the same depth.
const MaxDepth = 10000

// MaxExactInt is 2^53. An integer whose absolute value is below it survives
// every JSON reader that holds numbers as float64; FORMAT.md section 3 writes
// all others in a wrapper.
const MaxExactInt = 1 << 53
