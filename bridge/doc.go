// Package bridge replays an audit log, its archives and its active file, to an
// OpenTelemetry collector over OTLP/HTTP, and loses nothing on the way.
//
// A [Bridge] reads the lines in the order in which they were written, turns
// each back into the log record it came from (FORMAT.md section 6), sends
// batches with otlploghttp, and moves a durable checkpoint behind what the
// collector accepted. A second run sends only what is new.
//
// What it promises:
//
//   - At least once. The checkpoint moves only after the collector accepted, and
//     in the order of the log. A run that is killed makes the next one send what was
//     in flight again, at most as many batches as [WithInFlight] allows; a receiver
//     recognises what came twice by the attribute log.record.uid.
//   - In order, per resource and scope, within a request. Several requests are in
//     flight at a time; with WithInFlight(1) the whole log arrives in order.
//   - Nothing is dropped silently. A record that the collector refuses for
//     good is set aside in the reject file, with the reason; a line that is no
//     event is counted and reported.
//   - A line without its line feed at the end of the active file is still being
//     written; it is left for the next run.
//   - A log that was rotated, truncated or replaced since is noticed: the
//     checkpoint names content, not only a file name and an offset.
//
// # Verdicts
//
// Every answer of the collector ends in one of five ways (the table with all
// rows is in DESIGN.md):
//
//   - accepted: 2xx with an empty body or an OTLP answer. Rejected records = 0
//     with a message is logged as a warning, and so are fewer than none, and, once a
//     run, a status other than the 200 of OTLP.
//   - partial: 2xx with an OTLP answer that says how many records were rejected.
//     The answer does not say which, and the batch is never sent again, as most
//     of it was accepted; only the range goes to the reject file, as one entry.
//   - retry: 408, 425, 429, 5xx but 501, 505 and 511, a connection that is
//     refused, reset or closed, a time-out, a truncated 2xx. The bridge waits,
//     longer each time and at least as long as Retry-After asks, and sends
//     again until its context ends.
//   - bisect: 400, 413, 422, and a body over the limit of otlploghttp. The
//     batch is halved down to the single records that are refused; these go to
//     the reject file, all others arrive.
//   - stop: 401, 403, 404, 405, every other 3xx and 4xx, 501, 505, 511, a final 1xx,
//     a 2xx whose body is no OTLP answer, an answer of gRPC, HTTP/2 without being
//     asked for it, TLS where the URL has http://, an answer of a proxy to CONNECT
//     that is neither 200 nor one to retry, and, before the endpoint answered for the
//     first time in a run, a host name that cannot be resolved and a TLS
//     handshake that fails. Run ends with a [*StopError]; nothing is skipped.
//
// # Configuration
//
// The variables OTEL_EXPORTER_OTLP_* and OTEL_EXPORTER_OTLP_LOGS_* for endpoint,
// headers, compression, timeout, certificate, client certificate and client
// key are honoured as otlploghttp does, except that one with a malformed value
// is an error of [New] and not a silent return to the default. Options win over
// variables. Unlike otlploghttp, whose defaults are https and no compression, the
// endpoint without any configuration is http://localhost:4318, as the
// OpenTelemetry specification asks, and requests are compressed with gzip. The files of
// the certificates are read again, at most once a second, when requests are sent: renewed
// ones are in use from the next connection on. Files that cannot be used, because they
// are half written or do not match, leave the old ones in use, with a warning.
//
// Each request has a header Otelaudit-Log with a hash that names the log on this
// machine. A collector of otelaudit refuses the replay of a log that it writes by it.
package bridge
