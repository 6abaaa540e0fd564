// Package otlprepairextension is a component for the OpenTelemetry Collector: a
// middleware of the OTLP receiver's servers. The receiver refuses a whole request
// in JSON when one value in it is not as OTLP has it; with this middleware, that
// value becomes its text, and everything else is received as it is. The middleware
// also refuses requests that would take the receiver's decoder too much memory.
package otlprepairextension
