package auditlog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	lineSuffix  = ".jsonl"
	gzipSuffix  = ".jsonl.gz"
	stampLayout = "20060102_150405"
	partSuffix  = ".tmp" // behind an archive's name while it is being written

	suspectSuffix = ".suspect" // behind the name of a file kept as evidence only
)

// archiveID is what an archive's name says: <stem>_YYYYMMDD_HHMMSS in UTC,
// then _01, _02, … for further ones of the same second. The archive is
// <stem>_….jsonl from the rename until it is compressed and verified, and
// <stem>_….jsonl.gz after it.
type archiveID struct {
	stamp string
	n     int
}

// compare orders archives as they were written.
func (a archiveID) compare(b archiveID) int {
	return cmp.Or(strings.Compare(a.stamp, b.stamp), cmp.Compare(a.n, b.n))
}

// plainName returns the archive's file name before compression.
func (a archiveID) plainName(stem string) string {
	if a.n == 0 {
		return stem + "_" + a.stamp + lineSuffix
	}
	return fmt.Sprintf("%s_%s_%02d%s", stem, a.stamp, a.n, lineSuffix)
}

// maxArchiveNumber is the largest number of an archive. A file with a larger one is
// none: the number after it must fit an int and be one that readers know.
const maxArchiveNumber = 999_999_999

// after returns the archive to make at time now when the newest one is a: the
// clock may stand still or run backwards, the order of names may not. It reports
// false if there is no such name.
func (a archiveID) after(now time.Time) (archiveID, bool) {
	stamp := now.UTC().Format(stampLayout)
	if stamp > a.stamp {
		return archiveID{stamp: stamp}, true
	}
	return archiveID{stamp: a.stamp, n: a.n + 1}, a.n < maxArchiveNumber
}

// logStem returns the part of the active file's name that its archives share.
func logStem(base string) string { return strings.TrimSuffix(base, lineSuffix) }

// parseArchive reads the name of a file beside a log of that stem.
func parseArchive(stem, name string) (id archiveID, compressed, ok bool) {
	rest, ok := strings.CutPrefix(name, stem+"_")
	if !ok {
		return id, false, false
	}
	if rest, ok = strings.CutSuffix(rest, gzipSuffix); ok {
		compressed = true
	} else if rest, ok = strings.CutSuffix(rest, lineSuffix); !ok {
		return id, false, false
	}
	if len(rest) < len(stampLayout) {
		return id, false, false
	}
	id.stamp, rest = rest[:len(stampLayout)], rest[len(stampLayout):]
	if _, err := time.Parse(stampLayout, id.stamp); err != nil {
		return id, false, false
	}
	if rest == "" {
		return id, compressed, true
	}
	// Only the spelling that plainName writes: _1 and _01 must not be two
	// names of one archive.
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "_"))
	if err != nil || n < 1 || n > maxArchiveNumber || rest != fmt.Sprintf("_%02d", n) {
		return id, false, false
	}
	id.n = n
	return id, compressed, true
}
