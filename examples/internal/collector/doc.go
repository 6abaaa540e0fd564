// Package collector runs a real OpenTelemetry Collector in this process: the
// collector's own modules, with the otlp receiver and the debug and file
// exporters, and the repository's collector-config.yaml. Examples and tests need
// neither Docker nor a port that must be free.
package collector
