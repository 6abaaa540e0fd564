package auditlog

import (
	"context"
	"errors"
	"math/bits"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Verification is what [Reader.Verify] found.
type Verification struct {
	Files  int64 `json:"files"`  // number of files, the active one included
	Events int64 `json:"events"` // number of events
	// Untimed is the number of events without a readable ts (FORMAT.md section 7).
	Untimed int64 `json:"untimed,omitempty"`
	// Repeated is the number of events of which an earlier line holds a copy: one
	// with the same log.record.uid and equal ts, event, cost and tokens. It is
	// exact for the whole log, not only within the window of [Reader.Spend].
	Repeated int64 `json:"repeated"`
	// Damaged are the damaged lines, in order; never nil.
	Damaged []*DamageError `json:"damaged"`
}

// Verify reads every byte of the log and returns what is damaged. onDamage, if
// not nil, is called for each damage as it is met.
//
// It takes up to 200 MiB for the events that it has met. A log with more than 12
// million events that have a uid is read again for each further 6 to 12 million.
func (r *Reader) Verify(ctx context.Context, onDamage func(*DamageError)) (v Verification, err error) {
	return r.verify(ctx, onDamage, maxIdentities)
}

// maxIdentities bounds the memory of Verify: 8 bytes for each slot of the table,
// of which three in four are used.
const maxIdentities = 1 << 24 / 4 * 3

func (r *Reader) verify(ctx context.Context, onDamage func(*DamageError), limit int) (v Verification, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Verification{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	v = Verification{Files: int64(len(snapshot.Files())), Damaged: []*DamageError{}}
	known := identitySet{limit: limit}
	identified := 0 // number of events with an identity
	onPart := func(p *verifyPart, linesBefore int64) {
		p.report(func(d *DamageError) {
			v.Damaged = append(v.Damaged, d)
			if onDamage != nil {
				onDamage(d)
			}
		}, linesBefore)
		v.Events += p.events
		v.Untimed += p.untimed
		identified += len(p.identities)
		known.add(p.identities)
	}
	if err := r.verifyPass(ctx, snapshot, onPart); err != nil {
		return Verification{}, err
	}
	v.Repeated = known.repeated
	if !known.full {
		return v, nil
	}
	// Each further pass takes its share of the identities, by their highest bits.
	v.Repeated = 0
	passBits := bits.Len(uint(identified / (limit/4*3 + 1))) //nolint:gosec // not negative
	for pass := range uint64(1) << passBits {
		known = identitySet{limit: limit, table: known.table}
		clear(known.table)
		err := r.verifyPass(ctx, snapshot, func(p *verifyPart, _ int64) {
			share := p.identities[:0]
			for _, id := range p.identities {
				if id>>(64-passBits) == pass {
					share = append(share, id)
				}
			}
			known.add(share)
		})
		if err != nil {
			return Verification{}, err
		}
		v.Repeated += known.repeated
	}
	return v, nil
}

// verifyPass reads the files of the snapshot and gives what it found to onPart, in
// order.
func (r *Reader) verifyPass(ctx context.Context, snapshot *Snapshot, onPart func(p *verifyPart, linesBefore int64)) error {
	newPart := func() *verifyPart { return new(verifyPart) }
	_, err := scanSections(ctx, snapshot.sections(r.sectionSize), 0, newPart, func(p *verifyPart, linesBefore int64) bool {
		onPart(p, linesBefore)
		return true
	})
	return err
}

type verifyPart struct {
	damageList
	events, untimed int64
	times           jsonline.TimeChecker
	identities      []uint64
}

func (p *verifyPart) event(s *fileScan) {
	p.events++
	if !p.times.IsTime(s.fields[fieldTime]) {
		p.untimed++
	}
	if s.fields[fieldUID] == nil {
		return
	}
	if id := identityOf(&s.fields, amountsOf(&s.fields)); id != 0 {
		p.identities = append(p.identities, id)
	}
}

func (p *verifyPart) full() bool { return p.damageList.full() || len(p.identities) >= maxUIDs }

// identitySet counts identities that were added before. The zero value with a
// limit is empty.
type identitySet struct {
	limit    int      // at most this many different ones
	table    []uint64 // a hash table by the lowest bits; 0 is free
	used     int
	repeated int64
	full     bool // one more than limit was to be added: repeated is too small
}

func (s *identitySet) add(ids []uint64) {
	for _, id := range ids {
		if s.full {
			return
		}
		if s.used >= len(s.table)/4*3 {
			s.grow()
		}
		switch {
		case !s.put(id):
			s.repeated++
		case s.used == s.limit:
			s.full = true
		default:
			s.used++
		}
	}
}

// put reports whether id was not there.
func (s *identitySet) put(id uint64) bool {
	mask := uint64(len(s.table) - 1) //nolint:gosec // a length
	slot := id & mask
	for ; s.table[slot] != 0; slot = (slot + 1) & mask {
		if s.table[slot] == id {
			return false
		}
	}
	s.table[slot] = id
	return true
}

// grow doubles the table. There is always a free slot.
func (s *identitySet) grow() {
	old := s.table
	if len(old) > 0 && s.used >= s.limit {
		return // full, but for repetitions
	}
	s.table = make([]uint64, max(2*len(old), 1024))
	for _, id := range old {
		if id != 0 {
			s.put(id)
		}
	}
}
