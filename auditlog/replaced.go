package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"syscall"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// An editor saves a file as a new one and renames that over the old one, and so
// does sed -i. The file that the Log has open has no name then, and the file at
// the path holds lines of it. Lines behind the last one that both have may have
// been appended while the editor worked: they come back. Earlier lines that the
// new file lacks were removed on purpose: they are counted.

// replacement says how the file at the path differs from the removed one.
type replacement struct {
	common bool  // there is a line that both have
	behind int64 // the offset in the removed file behind the last such line
	lacks  int64 // number of the lines before it that the new file lacks
}

// restoreBehind brings back what the file at the path lacks of the removed active
// file, which has size bytes, and goes on in that file. It reports false, and
// has done nothing, if there is no such file or none with a line of the removed one.
//
//	open(path), flock
//	write(path)                the lines behind the last common one, an event
//	fsync(path)
//	chmod(removed file)        other processes that have it open know then
//	fsync(folder)
//
// Whoever dies before the chmod leaves lines that the next one finds there.
func (l *Log) restoreBehind(size int64) (done bool, err error) {
	f, err := l.fs.Open(l.path, vfs.Append)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // no file that could be gone on in: the removed one comes back beside it
	}
	defer func() {
		if !done {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := l.lockWithin(f, repairLocked); err != nil {
		return false, err
	}
	ours, err := l.leadsTo(l.path, f)
	if err != nil || !ours {
		return false, errors.Join(err, errBusy(ours)) // another one took its place: again later
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	from := l.unsynced.from(size)
	tail := l.unsyncedTail(from, size)
	removed := func() io.Reader {
		return io.MultiReader(io.NewSectionReader(l.file, 0, from), bytes.NewReader(tail))
	}
	what, err := compareLines(l.cfg.reader.maxLine, removed, size, func() io.Reader { return io.NewSectionReader(f, 0, info.Size) })
	if err != nil || !what.common {
		return false, err
	}
	if err := l.appendBehind(f, info.Size, removed(), size, what); err != nil {
		return false, errors.Join(err, f.Truncate(info.Size))
	}
	if info, err = f.Stat(); err != nil {
		return false, err
	}
	l.counts.recovered.Add(1)
	l.log.Warn("auditlog: another file took the place of the active file; what was appended meanwhile is back",
		slog.String("path", l.path), slog.Int64("length", size-what.behind), slog.Int64("removed_lines", what.lacks))
	err = l.file.Chmod(compressedMode)
	return true, errors.Join(err, l.swapActive(f, info, ""))
}

// appendBehind appends to f, which has end bytes, what removed holds behind the last
// common line, and an event, and syncs it.
func (l *Log) appendBehind(f vfs.File, end int64, removed io.Reader, size int64, what replacement) error {
	w := &appender{f: f}
	if end > 0 {
		if _, err := f.ReadAt(w.last[:], end-1); err != nil {
			return fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		w.endLine()
	}
	if _, err := io.CopyN(io.Discard, removed, what.behind); err != nil {
		return fmt.Errorf("read the removed file: %w", err)
	}
	if _, err := io.CopyBuffer(w, removed, make([]byte, maxWrite)); err != nil {
		return err
	}
	if size > what.behind {
		w.endLine()
	}
	event, err := l.recoveredEvent(nil, reasonReplaced, map[string]any{
		"restored_length": size - what.behind, "removed_lines": what.lacks,
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	return f.Sync()
}

// appender writes all of what it is given, and remembers the last byte.
type appender struct {
	f    vfs.File
	last [1]byte
	err  error
}

func (a *appender) Write(p []byte) (n int, err error) {
	for n < len(p) && a.err == nil {
		var wrote int
		wrote, a.err = a.f.Write(p[n:])
		n += wrote
	}
	if n > 0 {
		a.last[0] = p[n-1]
	}
	return n, a.err
}

// endLine ends a line that lacks its line feed. An error is that of the next Write.
func (a *appender) endLine() {
	if a.last[0] != '\n' {
		_, _ = a.Write([]byte{'\n'}) // kept in err
	}
}

// comparedLines is the number of lines of the removed file that are looked for
// at a time, in about 64 MiB. A file of more is compared in parts, the end of it first.
const comparedLines = 1 << 20

// compareLines compares the lines of removed, which has size bytes, with those of
// a file that took its place. Both readers begin at the beginning.
func compareLines(longest int, removed func() io.Reader, size int64, now func() io.Reader) (replacement, error) {
	return compareLinesBy(longest, comparedLines, removed, size, now)
}

func compareLinesBy(longest int, atOnce int64, removed func() io.Reader, size int64, now func() io.Reader) (what replacement, err error) {
	type wanted struct {
		end   int64 // of the line, its line feed included
		first int32 // the first of lines that is equal
		nth   int32 // of the equal ones; 1 if they are one event
		now   int32 // of first: number of those of the other file, less what stands before lines
	}
	number := int64(0)
	if err := eachLine(removed(), longest, func(line) { number++ }); err != nil {
		return what, err
	}
	for last := number; last > 0; last -= atOnce {
		var lines []wanted
		index := map[uint64]int32{}
		repeats := map[int32]int32{} // number of equal lines, of first, if it is not 1
		begin, n := max(last-atOnce, 0), int64(0)
		err := eachLine(removed(), longest, func(l line) {
			if n >= begin && n < last && l.length > 0 {
				h, oneEvent := lineHash(l)
				w := wanted{end: l.offset + l.length + 1, first: int32(len(lines)), nth: 1} //nolint:gosec // at most comparedLines
				if first, known := index[h]; known {
					w.first = first
					if !oneEvent {
						repeats[first]++
						w.nth += repeats[first]
					}
				} else {
					index[h] = w.first
				}
				lines = append(lines, w)
			}
			n++
		})
		if err != nil {
			return what, err
		}
		if begin > 0 {
			n = 0
			err := eachLine(removed(), longest, func(l line) {
				if n < begin {
					h, oneEvent := lineHash(l)
					if i, ok := index[h]; ok && !oneEvent {
						lines[i].now--
					}
				}
				n++
			})
			if err != nil {
				return what, err
			}
		}
		if err := eachLine(now(), longest, func(l line) {
			h, _ := lineHash(l)
			if i, ok := index[h]; ok {
				lines[i].now++
			}
		}); err != nil {
			return what, err
		}
		for _, w := range slices.Backward(lines) {
			switch same := w.nth <= lines[w.first].now; {
			case same && !what.common:
				what.common, what.behind = true, min(w.end, size)
			case !same && what.common:
				what.lacks++
			}
		}
	}
	return what, nil
}

func eachLine(r io.Reader, longest int, visit func(line)) error {
	lines := newLineReader(r, 0, longest)
	defer lines.release()
	for {
		l, ok := lines.next()
		if !ok {
			return lines.fault()
		}
		visit(l)
	}
}

// lineHash returns a hash that two lines share if one is a copy of the other: of
// lines with a uid the identity, of others what they say as JSON, however a program
// spelled it and ordered its members when it wrote them again. oneEvent tells
// whether all lines with that hash are one event.
func lineHash(l line) (hash uint64, oneEvent bool) {
	text := bytes.TrimSuffix(l.text, []byte{'\r'})
	var f fields
	if int64(len(l.text)) < l.length || f.scan(text) != nil {
		return mix(maphash.Bytes(idSeed, text), uint64(l.length)), false //nolint:gosec // a hash
	}
	if id := identityOf(&f, amountsOf(&f)); id != 0 {
		return id, true
	}
	hash, _ = hashValue(text)
	return hash, false
}

// hashValue returns a hash of the value that text, valid JSON, begins with, and what
// is behind it: of a string what it stands for, of a number its float64, of an
// object its members in any order.
func hashValue(text []byte) (hash uint64, rest []byte) {
	text = bytes.TrimLeft(text, jsonSpace)
	switch text[0] {
	case '{':
		text = text[1:]
		for {
			if text = bytes.TrimLeft(text, jsonSpace+","); text[0] == '}' {
				return mix(hash, '{'), text[1:]
			}
			var name, value uint64
			name, text = hashValue(text)
			value, text = hashValue(bytes.TrimLeft(text, jsonSpace+":"))
			hash += mix(name, value)
		}
	case '[':
		text = text[1:]
		for {
			if text = bytes.TrimLeft(text, jsonSpace+","); text[0] == ']' {
				return mix(hash, '['), text[1:]
			}
			var value uint64
			value, text = hashValue(text)
			hash = mix(hash+1, value)
		}
	case '"':
		end := 1
		for ; text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		return mix(maphash.String(idSeed, jsonline.Unquote(text[:end+1])), '"'), text[end+1:]
	}
	end := bytes.IndexAny(text, jsonSpace+",:]}")
	if end < 0 {
		end = len(text)
	}
	if number, err := strconv.ParseFloat(string(text[:end]), 64); err == nil {
		return maphash.Comparable(idSeed, number), text[end:]
	}
	return maphash.Bytes(idSeed, text[:end]), text[end:] // true, false, null, or a number out of range
}
