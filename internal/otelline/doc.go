// Package otelline is the one codec between OpenTelemetry log records and
// audit lines, which exporter and bridge share: [Line] encodes a record as
// FORMAT.md section 5 says, [Decoder] gives it back as section 6 says.
//
// The two directions are exact: what otlploghttp makes of a decoded record
// equals, as protobuf, what it makes of the record that was encoded, but for
// log.record.uid and session.id where the record had none, and for invalid
// UTF-8, with which otlploghttp cannot send a batch at all.
//
// What a field of the line is derived from when the record does not carry it
// is not decided here: the exporter says it, with [Derived].
package otelline
