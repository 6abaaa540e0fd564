package history

import (
	"context"
	"errors"
	"math/bits"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Verification is the result of [Log.Verify].
type Verification struct {
	Files, Events int64
	Untimed       int64 // events without a readable ts
	Repeated      int64 // events of which an earlier line has the same identity
}

// Verify reads every byte of the log and calls onDamage for each damage.
func (l *Log) Verify(ctx context.Context, onDamage func(*scan.DamageError)) (v Verification, err error) {
	return l.verify(ctx, onDamage, maxIdentities)
}

// maxIdentities bounds the memory of Verify to 200 MiB: 8 bytes for each slot of the
// table, of which three in four are used, and as much while the table grows. A log with
// more identities is read again for each further 6 to 12 million.
const maxIdentities = 1 << 24 / 4 * 3

func (l *Log) verify(ctx context.Context, onDamage func(*scan.DamageError), limit int) (v Verification, err error) {
	snapshot, err := l.Snapshot(ctx)
	if err != nil {
		return Verification{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	v = Verification{Files: int64(len(snapshot.Files()))}
	known := identitySet{limit: limit}
	identified := 0 // number of events with an identity
	onPart := func(p *verifyPart, linesBefore int64) {
		p.Report(onDamage, linesBefore)
		v.Events += p.events
		v.Untimed += p.untimed
		identified += len(p.identities)
		known.add(p.identities)
	}
	if err := l.verifyPass(ctx, snapshot, onPart); err != nil {
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
		err := l.verifyPass(ctx, snapshot, func(p *verifyPart, _ int64) {
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
func (l *Log) verifyPass(ctx context.Context, snapshot *Snapshot, onPart func(p *verifyPart, linesBefore int64)) error {
	newPart := func() *verifyPart { return new(verifyPart) }
	_, err := scan.Parallel(ctx, snapshot.sections(l.SectionSize), 0, newPart, func(p *verifyPart, linesBefore int64) bool {
		onPart(p, linesBefore)
		return true
	})
	return err
}

type verifyPart struct {
	scan.DamageList
	events, untimed int64
	times           jsonline.TimeChecker
	identities      []uint64
}

func (p *verifyPart) Event(s *scan.Scanner) {
	p.events++
	if !p.times.IsTime(s.Fields[scan.FieldTime]) {
		p.untimed++
	}
	if s.Fields[scan.FieldUID] == nil {
		return
	}
	if id := scan.Identity(&s.Fields, scan.AmountsOf(&s.Fields)); id != 0 {
		p.identities = append(p.identities, id)
	}
}

func (p *verifyPart) Full() bool { return p.DamageList.Full() || len(p.identities) >= scan.MaxUIDs }

// identitySet counts identities that were added before. The zero value with a limit is
// empty.
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
