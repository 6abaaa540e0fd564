package scan

import (
	"bytes"
	"hash/maphash"
	"io"
	"slices"
	"strconv"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Replacement is how a file differs from the removed file whose place it took.
// An editor saves a file as a new one and renames that over the old one, and so does sed
// -i. Lines after the last common one may have been appended while the editor worked.
// Earlier lines that the new file lacks were removed on purpose.
type Replacement struct {
	Common bool  // both files have a line in common
	End    int64 // the offset in the removed file that follows the last common line
	Lacks  int64 // number of the lines before End that the new file lacks
}

// comparedLines is the number of lines of the removed file that are compared at a time,
// in about 64 MiB. A longer file is compared in parts, from its end.
const comparedLines = 1 << 20

// CompareLines compares the lines of removed, which has size bytes, with the lines of the
// file that took its place. Both readers begin at the start of the file.
func CompareLines(longest int, removed func() io.Reader, size int64, now func() io.Reader) (Replacement, error) {
	return compareLinesBy(longest, comparedLines, removed, size, now)
}

func compareLinesBy(longest int, atOnce int64, removed func() io.Reader, size int64, now func() io.Reader) (what Replacement, err error) {
	type wanted struct {
		end   int64 // of the line, its line feed included
		first int32 // the first of lines that is equal
		nth   int32 // of the equal ones; 1 if they are one event
		now   int32 // of first: number of equal lines in the other file, less those before lines
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
			case same && !what.Common:
				what.Common, what.End = true, min(w.end, size)
			case !same && what.Common:
				what.Lacks++
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

// lineHash returns a hash that two lines share if one is a copy of the other. For a line
// with a uid it is the identity, for others a hash of the JSON value: spelling and the
// order of members do not matter. oneEvent reports whether all lines with that hash are
// one event.
func lineHash(l line) (hash uint64, oneEvent bool) {
	text := bytes.TrimSuffix(l.text, []byte{'\r'})
	var f Fields
	if int64(len(l.text)) < l.length || f.Scan(text) != nil {
		return Mix(maphash.Bytes(HashSeed, text), uint64(l.length)), false //nolint:gosec // a hash
	}
	if id := Identity(&f, AmountsOf(&f)); id != 0 {
		return id, true
	}
	hash, _ = hashValue(text)
	return hash, false
}

// hashValue returns a hash of the JSON value at the beginning of text, which is valid,
// and the text after the value. Strings are hashed without escapes, numbers as float64,
// and objects with their members in any order.
func hashValue(text []byte) (hash uint64, rest []byte) {
	text = bytes.TrimLeft(text, jsonSpace)
	switch text[0] {
	case '{':
		text = text[1:]
		for {
			if text = bytes.TrimLeft(text, jsonSpace+","); text[0] == '}' {
				return Mix(hash, '{'), text[1:]
			}
			var name, value uint64
			name, text = hashValue(text)
			value, text = hashValue(bytes.TrimLeft(text, jsonSpace+":"))
			hash += Mix(name, value)
		}
	case '[':
		text = text[1:]
		for {
			if text = bytes.TrimLeft(text, jsonSpace+","); text[0] == ']' {
				return Mix(hash, '['), text[1:]
			}
			var value uint64
			value, text = hashValue(text)
			hash = Mix(hash+1, value)
		}
	case '"':
		end := 1
		for ; text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		return Mix(maphash.String(HashSeed, jsonline.Unquote(text[:end+1])), '"'), text[end+1:]
	}
	end := bytes.IndexAny(text, jsonSpace+",:]}")
	if end < 0 {
		end = len(text)
	}
	if number, err := strconv.ParseFloat(string(text[:end]), 64); err == nil {
		return maphash.Comparable(HashSeed, number), text[end:]
	}
	return maphash.Bytes(HashSeed, text[:end]), text[end:] // true, false, null, or a number out of range
}
