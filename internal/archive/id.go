package archive

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The parts of file names.
const (
	PlainSuffix   = ".jsonl"          // of the active file and of an archive before compression
	GzipSuffix    = ".jsonl.gz"       // of a compressed archive
	StampLayout   = "20060102_150405" // of [ID].Stamp, in UTC
	TempSuffix    = ".tmp"            // after an archive's name while it is being written
	SuspectSuffix = ".suspect"        // after the name of a file that is kept as evidence only
)

// ID identifies an archive by its name: <stem>_YYYYMMDD_HHMMSS in UTC,
// then _01, _02, … for further ones of the same second. The archive is
// <stem>_….jsonl from the rename until it is compressed and verified, and
// <stem>_….jsonl.gz after it.
type ID struct {
	Stamp string // in StampLayout
	N     int    // 0 for the first archive of a second
}

// Compare orders archives as they were written.
func (a ID) Compare(b ID) int {
	return cmp.Or(strings.Compare(a.Stamp, b.Stamp), cmp.Compare(a.N, b.N))
}

// PlainName returns the archive's file name before compression.
func (a ID) PlainName(stem string) string {
	if a.N == 0 {
		return stem + "_" + a.Stamp + PlainSuffix
	}
	return fmt.Sprintf("%s_%s_%02d%s", stem, a.Stamp, a.N, PlainSuffix)
}

// MaxNumber is the largest number of an archive. A file with a larger one is
// none: the number after it must fit an int and be one that readers know.
const MaxNumber = 999_999_999

// After returns the archive to make at time now when the newest one is a: the
// clock may stand still or run backwards, the order of names may not. It reports
// false if there is no such name.
func (a ID) After(now time.Time) (ID, bool) {
	stamp := now.UTC().Format(StampLayout)
	if stamp > a.Stamp {
		return ID{Stamp: stamp}, true
	}
	return ID{Stamp: a.Stamp, N: a.N + 1}, a.N < MaxNumber
}

// Stem returns the part of the active file's name that its archives share.
func Stem(base string) string { return strings.TrimSuffix(base, PlainSuffix) }

// Parse parses the name of a file in the folder of a log with that stem. It reports
// whether the file is compressed, and whether the name is one of an archive.
func Parse(stem, name string) (id ID, compressed, ok bool) {
	rest, ok := strings.CutPrefix(name, stem+"_")
	if !ok {
		return id, false, false
	}
	if rest, ok = strings.CutSuffix(rest, GzipSuffix); ok {
		compressed = true
	} else if rest, ok = strings.CutSuffix(rest, PlainSuffix); !ok {
		return id, false, false
	}
	if len(rest) < len(StampLayout) {
		return id, false, false
	}
	id.Stamp, rest = rest[:len(StampLayout)], rest[len(StampLayout):]
	if _, err := time.Parse(StampLayout, id.Stamp); err != nil {
		return id, false, false
	}
	if rest == "" {
		return id, compressed, true
	}
	// Only the spelling that PlainName writes: _1 and _01 must not be two
	// names of one archive.
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "_"))
	if err != nil || n < 1 || n > MaxNumber || rest != fmt.Sprintf("_%02d", n) {
		return id, false, false
	}
	id.N = n
	return id, compressed, true
}
