// Package exporter writes OpenTelemetry log records to an audit log, one line
// each, as FORMAT.md says: session, cost, tokens, model and trace context at
// the top level of the line, whatever attributes the instrumentation sends
// them as, and everything else of the record beside them, exactly.
//
// [Setup] is all that a program needs that has no LoggerProvider yet. One that
// has adds a [Processor] to it:
//
//	log, err := auditlog.Open("audit.jsonl")
//	exp, err := exporter.New(log)
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
//	// at the end: provider.Shutdown(ctx), then log.Close()
//
// # Which processor
//
// [NewProcessor] is the audit-grade way: it writes the line before Emit
// returns, never drops a record, and lets goroutines share writes and fsyncs.
// The SDK's SimpleProcessor does not drop either, but lets one goroutine at a
// time through, so that each waits for its fsync alone. The SDK's
// BatchProcessor drops records when its queue is full, and loses those in its
// queue when the process dies.
//
// # Groups
//
// What a logger puts into a group, a map or an object arrives as an attribute
// that is a map. It stays one, and what is in it is found under the joined names:
// the input_tokens of the usage of gen_ai are gen_ai.usage.input_tokens. Names
// that are short because they stand alone, such as cost or model, mean nothing in
// a group: [WithSources] says that llm.cost is the cost, for example. Of the maps
// of a record and their members the first 1,000 are looked at.
//
// # How it reads the SDK's contract
//
//   - Export and the methods of Processor are safe for concurrent use.
//   - Cancelling the context of Export does not lose records: they are written.
//     It only ends the wait for the disk, with an [*auditlog.SyncError].
//     OnEmit does not look at its context's end at all, as the SDK asks.
//   - ForceFlush is [auditlog.Log.Sync]. Shutdown is too, and Export returns
//     sdklog.ErrExporterShutdown after it. The log stays open: whoever opened
//     it closes it, after the provider's Shutdown.
//   - A record is never left out because a part of it cannot be said: values
//     nested deeper than 10,000 levels are replaced by a text that says so, and
//     each byte of invalid UTF-8 by U+FFFD.
package exporter
