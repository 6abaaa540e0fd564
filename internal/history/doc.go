// Package history knows the files of a log, how they change, and how a reader comes back to
// a place in them.
//
// # Invariants
//
//   - A Snapshot is consistent: no event is missing and none is there twice, while others
//     append, rotate and compress.
//   - Readers take no locks, and change no file.
//   - A stored place is checked before it is used: the bytes before it must be those that
//     were read.
//   - Following misses no line and yields none twice, through rotation, compression, removal,
//     moving and repair of the active file. After a truncation lines may come again.
//
// # Outline
//
//  1. Log.Snapshot lists the files (snapshot.go: listConsistent).
//  2. Scan scans them in parallel (query.go); Log.Query yields what matches, Log.Last reads
//     backwards (last.go), Log.Verify reads all (verify.go).
//  3. A reader that holds the active file open goes on with Snapshot.Next (next.go). It finds
//     out what became of the file by its identity and by a fingerprint of what was read
//     (fingerprint.go). Log.Follow does this in a loop (follow.go).
//  4. A reader that holds no file open goes on at a Mark: the first bytes of the file and
//     bytes before the place (mark.go). Log.Since finds the files after a Point, which is a
//     Mark and the archives before it (point.go). The bridge's checkpoint is a Mark on disk.
package history
