// Package auditlog is a durable JSONL log of audit events: what happened, in
// which session, with which model, and what it cost.
//
// [Open] returns a [Log] that appends events to an active file and rotates it
// into gzip archives beside it; a [Reader] reads archives and active file as
// one sequence. The file format is FORMAT.md; every line satisfies the JSON
// Schema that [Schema] returns.
//
// # Promises
//
//   - [Log.Append] returned nil: the events are in the kernel, whole. They
//     survive the death of the process, kill -9 included.
//   - [Log.Sync] returned nil: everything appended before is on stable
//     storage, as far as the device tells the truth.
//   - Cadence: at any time fewer than 10 lines of this Log whose Append
//     returned nil are unsynced, and none for longer than a second, even if
//     no further event comes ([WithSyncLines], [WithSyncInterval]). Concurrent
//     appends share one fsync.
//   - Rotation at 10 MiB ([WithMaxFileSize]) loses, doubles and reorders
//     nothing, wherever it is interrupted.
//   - Several processes may append to one path, and rotate it. [WithSoleOwner]
//     keeps others out instead.
//   - A failed event is not half-written, and no error is swallowed. A full or
//     failing disk makes [Log.Append] return errors, and the Log recovers by
//     itself, also from a failed fsync.
//   - The active file may be moved, removed or truncated by somebody else while
//     it is written to: that is noticed within a second, a removed one is
//     brought back, and what a truncated one lost is reported.
//   - Damage is local: a torn or corrupted line costs that line, is counted
//     and reported with file, line and byte offset, and is never glued to the
//     next.
//
// The package imports neither OpenTelemetry nor protobuf. All methods of
// [Log] and [Reader] are safe for concurrent use.
package auditlog
