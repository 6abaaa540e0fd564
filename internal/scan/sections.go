package scan

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/otelaudit/otelaudit/internal/archive"
)

// SectionSize is the number of bytes of an active file that a goroutine reads at a time.
const SectionSize = 1 << 20

// sectionsAhead is the number of sections for each processor that are read ahead of the
// delivered one. With so many, a goroutine that waits for a busy processor does not hold
// up the others.
const sectionsAhead = 8

// Section is what one goroutine reads: an archive, which is uncompressed from its
// beginning, or the lines of the active file that begin from From on and before To.
type Section struct {
	File     *File
	From, To int64
	// Skip, if not nil, reports by the header of an archive whether the read needs
	// nothing of it. The method Skipped of its part, if there is one, is called then.
	Skip func(archive.Summary) bool
	// turn, if not nil, is closed when the section is the one that is delivered. Only
	// that section may hold a line of more than hopelessSize bytes, so that at most one
	// such line is in memory.
	turn <-chan struct{}
}

// Sections splits the lines of the active file that begin from from on and before to.
func (f *File) Sections(from, to, size int64) []Section {
	var list []Section
	for ; from < to; from += size {
		list = append(list, Section{File: f, From: from, To: min(from+size, to)})
	}
	return list
}

// open begins a scan of the section. Its line numbers count from the first line that
// begins in the section.
func (s Section) open(ctx context.Context, onDamage func(*DamageError)) (*Scanner, error) {
	if s.From == 0 {
		scan, err := s.File.Open(ctx, Cursor{}, onDamage)
		if err == nil {
			scan.limit = min(scan.limit, s.To)
			scan.lines.limit = scan.limit
		}
		return scan, err
	}
	// The byte before the section shows whether a line begins with the section.
	scan, err := s.File.Open(ctx, Cursor{Offset: s.From - 1}, onDamage)
	if err != nil {
		return nil, err
	}
	scan.limit, scan.lines.limit = s.To, s.To
	scan.lines.skipPartial(s.To)
	if scan.lines.fault() != nil {
		// The section in which the line begins reports the error too.
		return nil, errors.Join(fmt.Errorf("auditlog: read %s: %w", scan.File, scan.lines.fault()), scan.Close())
	}
	return scan, nil
}

// await returns when turn is closed. The error of ctx counts as one of I/O: a line that
// was not read is no damage.
func (s *Scanner) await(ctx context.Context, turn <-chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		s.content.io.err = context.Cause(ctx)
		return s.content.io.err
	}
}

// Accumulator is what a goroutine collects while it scans a section.
type Accumulator interface {
	// Event takes the current event of s and keeps only copies of its bytes.
	Event(s *Scanner)
	// Damaged takes damage, whose line number counts from the section's first.
	Damaged(d *DamageError)
	// Full reports whether to deliver the part and go on with a new one: parts that
	// wait are held in memory.
	Full() bool
}

// scanSection fills parts and gives them to flush until flush returns false. It returns
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

// Parallel scans sections on all processors and calls deliver with their parts, in order,
// until deliver returns false. linesBefore is the number of lines in the file before the
// section, and lines that number for the first section. Parallel returns the number of
// lines of the last file up to the end of its section. It holds a constant number of
// parts: goroutines that are ahead wait for deliver.
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
				j.err = fmt.Errorf("auditlog: read %s: %w", s.File.Path, err) // deliver may lack a part
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

// scanInOrder is Parallel without other goroutines.
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
