package auditlog

// Stats are counts since a [Log] was opened, of what this Log did itself.
type Stats struct {
	Appended        int64 // events that are in the file
	Synced          int64 // events that are known to be on stable storage
	Failed          int64 // events of appends that failed, without those that are in the file
	Recovered       int64 // torn lines ended, files repaired, brought back, or found truncated
	Rotated         int64 // rotations
	RotationsFailed int64 // attempts at a rotation that left the active file beyond its limit
	Bytes           int64 // written to active files
}

// Stats returns the counts of now. They are not of one moment while others
// append.
func (l *Log) Stats() Stats {
	s := Stats(l.journal.Stats())
	s.Failed += l.refused.Load()
	return s
}
