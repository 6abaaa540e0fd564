package journal

import "sync/atomic"

// Stats are counts of one [Log] since it was opened.
type Stats struct {
	Appended        int64 // lines that are in the file
	Synced          int64 // lines that are known to be on stable storage
	Failed          int64 // lines of appends that failed and are not in the file
	Recovered       int64 // torn lines ended, files repaired, brought back, or found truncated
	Rotated         int64 // rotations
	RotationsFailed int64 // attempts at a rotation that left the active file above its limit
	Bytes           int64 // written to active files
}

type counts struct {
	appended, failed, recovered, rotated, rotationsFailed, bytes atomic.Int64
}

// Stats returns the current counts. During an append they are not of one moment.
func (l *Log) Stats() Stats {
	return Stats{
		Synced:          l.syncer.known(),
		Appended:        l.counts.appended.Load(),
		Failed:          l.counts.failed.Load(),
		Recovered:       l.counts.recovered.Load(),
		Rotated:         l.counts.rotated.Load(),
		RotationsFailed: l.counts.rotationsFailed.Load(),
		Bytes:           l.counts.bytes.Load(),
	}
}
