// Package auditlogexporter is a component for the OpenTelemetry Collector: an
// exporter that appends what a pipeline of logs or traces receives to an audit
// log, a line for each record and for each span that is the call of a model,
// as package exporter does within a program. The README beside it is for users.
package auditlogexporter
