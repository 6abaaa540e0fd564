// Package otlprepairextension is a component for the OpenTelemetry Collector: a
// middleware of the OTLP receiver's HTTP server. The receiver refuses a whole
// request in JSON when one value in it is not as OTLP has it; with this in front
// of it, that value becomes its text, and everything else is received as it is.
package otlprepairextension
