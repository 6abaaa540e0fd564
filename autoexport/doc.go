// Package autoexport makes OTEL_LOGS_EXPORTER=auditlog work. Import it for its
// effect in a program that gets its exporter from
// go.opentelemetry.io/contrib/exporters/autoexport:
//
//	import (
//		_ "github.com/otelaudit/otelaudit/autoexport"
//		"go.opentelemetry.io/contrib/exporters/autoexport"
//	)
//
//	exp, err := autoexport.NewLogExporter(ctx)
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exp)))
//
// The log is at the path in the environment variable OTELAUDIT_PATH, or at
// auditlog.DefaultPath if that is empty; what cannot be opened is an error of
// NewLogExporter. The exporter's Shutdown, which the provider's calls, closes
// the log. It is safe for concurrent use.
//
// Use the SDK's SimpleProcessor, as above: its BatchProcessor drops records
// when its queue is full, and loses those in the queue when the process dies. A
// program that may name the audit log in its code is better off with
// exporter.Setup, whose goroutines share fsyncs.
//
// It is a module of its own, because contrib's brings the exporters of all
// signals with it.
package autoexport
