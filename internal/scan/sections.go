package scan

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/otelaudit/otelaudit/internal/archive"
)

// sectionSize is the part of an active file that a goroutine reads at a time.
const SectionSize = 1 << 20

// sectionsAhead is how many sections for each processor are read ahead of the
// one that is delivered: enough that a goroutine which the system put aside, on a
// busy machine, does not make the others wait.
const sectionsAhead = 8

// section is what one goroutine reads of a log: an archive, which can be
// uncompressed from the beginning only, or the lines of the active file that
// begin from one offset up to another.
type Section struct {
	File     *File
	From, To int64
	// skip, if not nil, reports whether nothing of a file that holds what its
	// header says is asked for. A part with a method skipped is told.
	Skip func(archive.Summary) bool
	// turn, if not nil, is closed when the section is the one that is delivered.
	// Only that one holds a line of more than hopelessSize bytes, so that there is at
	// most one such line in memory, however many sections are read ahead.
	turn <-chan struct{}
}

// sections splits the lines of the active file that begin from one offset up
// to another.
func (f *File) Sections(from, to, size int64) []Section {
	var list []Section
	for ; from < to; from += size {
		list = append(list, Section{File: f, From: from, To: min(from+size, to)})
	}
	return list
}

// open begins a scan of the section. The numbers of its lines count from the
// first line that begins in the section.
func (s Section) open(ctx context.Context, onDamage func(*DamageError)) (*Scanner, error) {
	if s.From == 0 {
		scan, err := s.File.Open(ctx, Cursor{}, onDamage)
		if err == nil {
			scan.limit = min(scan.limit, s.To)
			scan.lines.limit = scan.limit
		}
		return scan, err
	}
	// The byte before tells whether a line begins at the section's first.
	scan, err := s.File.Open(ctx, Cursor{Offset: s.From - 1}, onDamage)
	if err != nil {
		return nil, err
	}
	scan.limit, scan.lines.limit = s.To, s.To
	scan.lines.skipPartial(s.To)
	if scan.lines.fault() != nil {
		// The section that the line begins in tells of it too.
		return nil, errors.Join(fmt.Errorf("auditlog: read %s: %w", scan.File, scan.lines.fault()), scan.Close())
	}
	return scan, nil
}

// await returns when turn is closed. An error is that of ctx, and counts as one of
// I/O: what was not read is no damage.
func (s *Scanner) await(ctx context.Context, turn <-chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		s.content.io.err = context.Cause(ctx)
		return s.content.io.err
	}
}

// partial is what a goroutine gathers while it scans a section.
type Accumulator interface {
	// event takes the current event of s; what it keeps of it is a copy.
	Event(s *Scanner)
	// damaged takes damage, whose line number counts from the section's first.
	Damaged(d *DamageError)
	// full reports whether to hand the part over and go on with a new one:
	// parts that wait are held in memory.
	Full() bool
}

// scanSection fills parts and gives them to flush until it returns false. It returns
// the number of lines read.
func scanSection[P Accumulator](ctx context.Context, s Section, newPart func() P, flush func(P) bool) (lines int64, err error) {
	p, more := newPart(), true
	handOver := func() {
		if p.Full() && more {
			more = flush(p)
			p = newPart()
		}
	}
	scan, err := s.open(ctx, func(d *DamageError) {
		p.Damaged(d)
		handOver()
	})
	if err != nil {
		return 0, err
	}
	if s.turn != nil {
		scan.lines.grow = func() error { return scan.await(ctx, s.turn) }
	}
	if s.Skip != nil && scan.content.compressed() && scan.content.file != nil {
		summary, ok, err := archive.ReadSummary(scan.content.file)
		if err != nil || ok && s.Skip(summary) {
			if p, ok := any(p).(interface{ Skipped() }); ok && err == nil {
				p.Skipped()
			}
			flush(p)
			return 0, errors.Join(err, scan.Close())
		}
	}
	err = scan.All(ctx, func(s *Scanner) bool {
		p.Event(s)
		handOver()
		return more
	})
	if more {
		flush(p)
	}
	return scan.number, errors.Join(err, scan.Close())
}

// scanSections scans sections on all processors and calls deliver with their
// parts, in order, until it returns false. linesBefore is the number of lines
// in the file before the section; before the first one there are lines. It
// returns how many there are in the last file, up to the end of its section. It
// holds a constant number of parts: those who scan ahead wait for deliver.
func Parallel[P Accumulator](ctx context.Context, sections []Section, lines int64, newPart func() P, deliver func(p P, linesBefore int64) bool) (int64, error) {
	workers := runtime.GOMAXPROCS(0)
	if workers == 1 || len(sections) == 1 {
		return scanInOrder(ctx, sections, lines, newPart, deliver)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	type job struct {
		parts chan P // closed at the end; then lines and err are set
		turn  chan struct{}
		lines int64
		err   error
	}
	start := func(s Section) *job {
		j := &job{parts: make(chan P, 1), turn: make(chan struct{})}
		s.turn = j.turn
		running.Go(func() {
			defer close(j.parts)
			j.lines, j.err = scanSection(ctx, s, newPart, func(p P) bool {
				select {
				case j.parts <- p:
					return true
				case <-ctx.Done():
					return false
				}
			})
			if err := context.Cause(ctx); err != nil && j.err == nil {
				j.err = fmt.Errorf("auditlog: read %s: %w", s.File.Path, err) // a part was perhaps not taken
			}
		})
		return j
	}
	ahead := make(chan *job, sectionsAhead*workers)
	started := 0
	for _, s := range sections {
		for started < len(sections) && len(ahead) < cap(ahead) {
			ahead <- start(sections[started])
			started++
		}
		if s.From == 0 {
			lines = 0
		}
		j := <-ahead
		close(j.turn)
		for p := range j.parts {
			if !deliver(p, lines) {
				return lines, nil
			}
		}
		if j.err != nil {
			return lines, j.err
		}
		lines += j.lines
	}
	return lines, nil
}

// scanInOrder is scanSections without other goroutines.
func scanInOrder[P Accumulator](ctx context.Context, sections []Section, lines int64, newPart func() P, deliver func(p P, linesBefore int64) bool) (int64, error) {
	more := true
	for _, s := range sections {
		if s.From == 0 {
			lines = 0
		}
		n, err := scanSection(ctx, s, newPart, func(p P) bool {
			more = deliver(p, lines)
			return more
		})
		if err != nil || !more {
			return lines, err
		}
		lines += n
	}
	return lines, nil
}

// maxUIDs bounds those of a part.
const MaxUIDs = 1 << 15
