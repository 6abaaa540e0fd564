package auditlog

import (
	"context"
	"errors"
)

// Verification is what [Reader.Verify] found.
type Verification struct {
	Files  int64 `json:"files"`  // number of files, the active one included
	Events int64 `json:"events"` // number of events
	// Damaged are the damaged lines, in order; never nil.
	Damaged []*DamageError `json:"damaged"`
}

// Verify reads every byte of the log and returns what is damaged. onDamage, if
// not nil, is called for each damage as it is met.
func (r *Reader) Verify(ctx context.Context, onDamage func(*DamageError)) (v Verification, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Verification{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	v = Verification{Damaged: []*DamageError{}}
	report := func(d *DamageError) {
		v.Damaged = append(v.Damaged, d)
		if onDamage != nil {
			onDamage(d)
		}
	}
	for _, f := range snapshot.Files() {
		v.Files++
		err := f.scan(ctx, Cursor{}, report, func(*fileScan) bool {
			v.Events++
			return true
		})
		if err != nil {
			return Verification{}, err
		}
	}
	return v, nil
}
