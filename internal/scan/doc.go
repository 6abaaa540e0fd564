// Package scan turns the bytes of a log's files into lines, events and raw fields. It knows
// single files, and not which files a log has: that is package history.
//
// # Invariants
//
//   - Damage is local. A line that is no event costs that line, and is reported with file,
//     line and byte offset. Only a defect of a compressed file hides what follows in it.
//   - Damage is no error. Errors are those of I/O and of the context, and end a scan.
//   - Memory is bounded by Source.MaxLine for one line, and by a constant for each processor,
//     whatever a file holds.
//   - Sections change nothing: a parallel scan delivers what a scan of one file after the
//     other delivers, in that order.
//   - The package opens files only beside the log, through vfs.Beside, which refuses links.
//
// # Outline
//
//  1. A File is opened, and uncompressed if need be (file.go: File.openContent).
//  2. The stream is split at line feeds (lines.go: lineReader.next). Lines that cannot be
//     events are skipped without being held (lineReader.skip).
//  3. One pass over a line checks its JSON and finds its fields (fields.go: Fields.Scan).
//  4. An event becomes current, damage is reported (scanner.go: Scanner.take).
//  5. Sections are scanned on all processors (sections.go: Parallel). Each goroutine fills
//     an Accumulator; Parallel delivers these in the order of the log.
//  6. A Matcher selects events by their fields and skips archives by their headers
//     (filter.go: Matcher.Matches, Matcher.Excludes).
//
// Beside the pipeline stand three readers of one file: its last events (last.go), the header
// of an archive (summarize.go), and the comparison of a removed file with the file that took
// its place (compare.go). identity.go says when two lines are one event.
package scan
