package auditlog

import (
	"context"
	"errors"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Verification is what [Reader.Verify] found.
type Verification struct {
	Files  int64 `json:"files"`  // number of files, the active one included
	Events int64 `json:"events"` // number of events
	// Untimed is the number of events without a readable ts (FORMAT.md section 7).
	Untimed int64 `json:"untimed,omitempty"`
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
	v = Verification{Files: int64(len(snapshot.Files())), Damaged: []*DamageError{}}
	report := func(d *DamageError) {
		v.Damaged = append(v.Damaged, d)
		if onDamage != nil {
			onDamage(d)
		}
	}
	newPart := func() *verifyPart { return new(verifyPart) }
	_, err = scanSections(ctx, snapshot.sections(r.sectionSize), 0, newPart, func(p *verifyPart, linesBefore int64) bool {
		p.report(report, linesBefore)
		v.Events += p.events
		v.Untimed += p.untimed
		return true
	})
	if err != nil {
		return Verification{}, err
	}
	return v, nil
}

type verifyPart struct {
	damageList
	events, untimed int64
	times           jsonline.TimeChecker
}

func (p *verifyPart) event(s *fileScan) {
	p.events++
	if !p.times.IsTime(s.fields[fieldTime]) {
		p.untimed++
	}
}
