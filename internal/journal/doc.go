// Package journal is the writer of an audit log: one active file, its archives, and the
// state between them. It knows neither events nor readers: lines come encoded, and what
// it needs of the readers are functions in [Config].
//
// # Invariants
//
//   - A line of an append that returned nil is in the kernel, whole, in the active file or
//     in an archive, once.
//   - Fewer than Config.SyncLines acknowledged lines are unsynced, and none for longer than
//     Config.SyncInterval.
//   - Only the process that holds the lock (flock) of the file at the path writes to it,
//     rotates it or repairs it.
//   - After a failed fsync the file is never synced again: it is rebuilt and replaced.
//   - Before a name of a file is removed, all its lines are on disk under another name.
//
// # States of the file
//
// An arrow is a rename, but for gzip, which writes a new file.
//
//	<path>.next ──rotate──▶ <path> ──rotate──▶ <stem>_<time>.jsonl ──compress──▶ <stem>_<time>.jsonl.gz
//	 (locked, empty)       (active)               (plain archive)        via <…>.jsonl.gz.tmp
//
//	<path> ──fsync fails──▶ <path>.<time>.suspect (a second name, by link)
//	<path>.repair ─────────▶ <path>               (the rebuilt file replaces the active one)
//
//	displaced: the path leads to another file, or to none. fateOf finds out why:
//	  archived   another process rotated it       its lines are in the archive
//	  replaced   another process repaired it      what the repaired file lacks is carried over
//	  moved      someone renamed it               its lines are in the moved file
//	  removed    someone removed it               restore copies it to <path>, or to an archive
//
// # An append
//
//  1. queue the lines          queue.go    queue.write: the write lock, or wait
//     or, to disk              commit.go   queue.commit: wait for the group, then queue.write
//  2. lock the file            active.go   Log.lockActive: flock; a repair first, if one is due
//  3. stat the path            statactive.go  Log.statActive: is it still this file, of which size
//     if displaced             displaced.go   Log.handleDisplaced
//  4. write                    write.go    Log.writeFit: own lines and those that wait, one write(2)
//     if the file is full      rotate.go   Log.rotate
//     if the tail is torn      tail.go     Log.terminateTornTail
//  5. count                    syncer.go   syncer.markWritten: starts the timer
//  6. unlock the file, release the write lock, wake the others   queue.go  queue.serve
//  7. fsync                    syncer.go   syncer.wait: share the fsync in flight, or begin one
//     if it fails              repair.go   Log.repair
//  8. acknowledge              append.go   Log.Append returns nil
//
// Step 7 waits for the disk only if the append is to disk, or if Config.SyncLines lines are
// unsynced.
//
// # Locks
//
// A goroutine acquires them in this order, and may skip any of them:
//
//  1. commitGroup (the right to commit)   from waitForGroup to the end of the fsync
//  2. the write lock                      guards Log.writer; held during step 2 to 6
//  3. flock of the file                   excludes other processes; held from step 2 to 6, by a
//     sole owner from Open to Close
//  4. writeQueue.mu, syncer.mu, compressor.mu, monitor.mu, syncObservers.mu: one at a time,
//     around memory only; no system call, no wait
//
// No lock but 1 is held during the fsync of step 7. A rotation, a repair and Close sync
// under the write lock, so that no line follows.
package journal
