package auditlog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
)

// writeArchive compresses content as the log does and returns the archive.
func writeArchive(t testing.TB, content string) []byte {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit_20260213_143022.jsonl")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := Open(filepath.Join(dir, "audit.jsonl")) // it finishes rotations
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// summaryOf returns what a reader believes of an archive.
func summaryOf(t testing.TB, packed []byte) (archive.Summary, bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.gz")
	if err := os.WriteFile(path, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	s, ok, err := archive.ReadSummary(f)
	if err != nil {
		t.Fatal(err)
	}
	return s, ok
}

const summarized = `{"ts":"2026-02-13T14:00:00.5Z"}` + "\n" + `{"ts":"2300-01-01T00:00:00.000000001+01:00"}` + "\n\n" +
	`{"ts":"1600-01-01T00:00:00Z"}` + "\n" + `{"ts":"yesterday"}` + "\nbroken\n{}"

func TestArchiveSaysWhatItHolds(t *testing.T) {
	packed := writeArchive(t, summarized)
	got, ok := summaryOf(t, packed)
	if !ok || got.Events != 5 || got.Untimed != 2 || got.Damaged != 1 || got.Bytes != int64(len(summarized)) || !got.Timed ||
		!got.Oldest.Equal(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)) ||
		!got.Newest.Equal(time.Date(2299, 12, 31, 23, 0, 0, 1, time.UTC)) {
		t.Errorf("got %+v, %v", got, ok)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(z); err != nil || string(content) != summarized {
		t.Errorf("the archive holds %q, %v", content, err)
	}
	if _, ok := summaryOf(t, gzipped(t, []byte(summarized))); ok {
		t.Error("an archive without summary has one")
	}
	if got, ok := summaryOf(t, writeArchive(t, "{}\n")); !ok || got.Timed || got.Events != 1 {
		t.Errorf("without times: got %+v, %v", got, ok)
	}
}

func TestOtherProgramsReadAnArchiveWithSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl.gz")
	if err := os.WriteFile(path, writeArchive(t, summarized), 0o600); err != nil {
		t.Fatal(err)
	}
	gzip, err := exec.LookPath("gzip")
	if err != nil {
		t.Skip("there is no gzip here")
	}
	got, err := exec.CommandContext(t.Context(), gzip, "-dc", path).Output()
	if err != nil || string(got) != summarized {
		t.Errorf("gzip -dc says %q, %v", got, err)
	}
}

// TestSummaryIsBelievedOnlyIfItFits changes an archive in every way that is
// cheap to notice.
func TestSummaryIsBelievedOnlyIfItFits(t *testing.T) {
	packed := writeArchive(t, summarized)
	other := writeArchive(t, strings.ReplaceAll(summarized, "2026", "2025"))
	for i := archive.SummaryOffset; i < archive.SummaryOffset+archive.SummarySize; i++ {
		for bit := range 8 {
			changed := bytes.Clone(packed)
			changed[i] ^= 1 << bit
			if s, ok := summaryOf(t, changed); ok {
				t.Errorf("bit %d of byte %d of the summary flipped: got %+v", bit, i-archive.SummaryOffset, s)
			}
		}
	}
	for i := len(packed) - archive.TrailerSize; i < len(packed); i++ {
		changed := bytes.Clone(packed)
		changed[i] ^= 1
		if _, ok := summaryOf(t, changed); ok {
			t.Errorf("byte %d changed: the summary is believed", i)
		}
	}
	copied := append(bytes.Clone(packed[:archive.SummaryOffset+archive.SummarySize]), other[archive.SummaryOffset+archive.SummarySize:]...)
	if len(packed) != len(other) {
		t.Fatalf("the archives have %d and %d bytes; the test wants them equal", len(packed), len(other))
	}
	for name, changed := range map[string][]byte{
		"another member behind it":  append(bytes.Clone(packed), gzipped(t, []byte("{}\n"))...),
		"garbage behind it":         append(bytes.Clone(packed), 0),
		"the same member behind it": append(bytes.Clone(packed), packed...),
		"stitched":                  slices.Concat(packed, gzipped(t, []byte("{}\n")), packed),
		"with its own trailer":      slices.Concat(packed, gzipped(t, []byte("{}\n")), packed[len(packed)-archive.TrailerSize:]),
		"its trailer twice":         slices.Concat(packed, packed[len(packed)-archive.TrailerSize:]),
		"cut":                       packed[:len(packed)-1],
		"cut in the summary":        packed[:40],
		"header of another archive": copied,
		"nothing":                   nil,
	} {
		if s, ok := summaryOf(t, changed); ok {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

// TestBoundsOfTimeSkipArchivesAndStayExact makes archives unreadable behind
// their headers, so that reading one is damage, and asks for every instant
// between events.
func TestBoundsOfTimeSkipArchivesAndStayExact(t *testing.T) {
	dir := t.TempDir()
	r := newReader(filepath.Join(dir, "audit.jsonl"), newReaderConfig(nil))
	contents := []string{
		`{"n":0,"ts":"2026-01-01T00:00:00.000Z"}` + "\n" + `{"n":1,"ts":"2099-01-01T00:00:00.000Z"}` + "\n", // stamped in the future
		`{"n":2,"ts":"2026-01-02T00:00:00.000Z"}` + "\n" + `{"n":3}` + "\n",
		`{"n":4,"ts":"2026-01-03T00:00:00.000Z"}` + "\n" + `{"n":5,"ts":"1999-01-01T00:00:00.000Z"}` + "\n", // and in the past
		`{"n":6}` + "\n",
	}
	names := make([]string, len(contents))
	for i, content := range contents {
		names[i] = filepath.Join(dir, archive.ID{Stamp: "20260213_143022", N: i}.PlainName("audit")+".gz")
		if err := os.WriteFile(names[i], writeArchive(t, content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(filter Filter) (found []string, damaged []string) {
		t.Helper()
		filter.OnDamage = func(d *DamageError) { damaged = append(damaged, d.File) }
		for e, err := range r.Query(t.Context(), filter) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, string(e.Raw[:6]))
		}
		return found, damaged
	}
	at := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	type test struct {
		since, until time.Time
		want         string
		read         []int // archives
	}
	tests := []test{
		{at(2026, 1, 2), time.Time{}, `1 2 4`, []int{0, 1, 2}},
		{at(2026, 1, 2).Add(1), time.Time{}, `1 4`, []int{0, 2}},
		{at(2026, 1, 3).Add(1), time.Time{}, `1`, []int{0}},
		{at(2099, 1, 1), time.Time{}, `1`, []int{0}},
		{at(2099, 1, 1).Add(1), time.Time{}, ``, nil},
		{time.Time{}, at(1999, 1, 1), ``, nil},
		{time.Time{}, at(1999, 1, 1).Add(1), `5`, []int{2}},
		{time.Time{}, at(2026, 1, 1), `5`, []int{2}},
		{at(2026, 1, 1), at(2026, 1, 2), `0`, []int{0, 2}},
		{at(2026, 1, 2), at(2026, 1, 2).Add(1), `2`, []int{0, 1, 2}},
	}
	for _, test := range tests {
		found, damaged := ask(Filter{Since: test.since, Until: test.until})
		var got []string
		for _, raw := range found {
			got = append(got, raw[len(raw)-1:])
		}
		if strings.Join(got, " ") != test.want || len(damaged) > 0 {
			t.Errorf("since %v until %v: got %v and damage %v, want %s", test.since, test.until, got, damaged, test.want)
		}
	}
	for _, name := range names { // the first block of compressed data is nonsense
		packed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		packed[archive.SummaryOffset+archive.SummarySize] = 0xff
		if err := os.WriteFile(name, packed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range tests {
		_, damaged := ask(Filter{Since: test.since, Until: test.until})
		var want []string
		for _, i := range test.read {
			want = append(want, names[i])
		}
		if !slices.Equal(damaged, want) {
			t.Errorf("since %v until %v: read %v, want %v", test.since, test.until, damaged, want)
		}
	}
	if _, damaged := ask(Filter{}); len(damaged) != len(names) {
		t.Errorf("without bounds: read %v, want all", damaged)
	}
}

func TestDamageIsToldOfWhateverTheBoundsOfTime(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "audit_20260213_143022.jsonl.gz")
	if err := os.WriteFile(name, writeArchive(t, `{"ts":"2026-01-01T00:00:00.000Z"}`+"\nbroken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage []string
	filter := Filter{Since: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), OnDamage: func(d *DamageError) {
		damage = append(damage, fmt.Sprint(filepath.Base(d.File), d.Line, d.Offset))
	}}
	for _, err := range newReader(filepath.Join(dir, "audit.jsonl"), newReaderConfig(nil)).Query(t.Context(), filter) {
		t.Error("found something", err)
	}
	if len(damage) != 1 || damage[0] != "audit_20260213_143022.jsonl.gz2 34" {
		t.Errorf("got damage %v", damage)
	}
}

// TestLinesWithoutATimeAreCountedOfArchivesThatAreSkipped asks with bounds of time.
func TestLinesWithoutATimeAreCountedOfArchivesThatAreSkipped(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "audit_20260213_143022.jsonl.gz")
	packed := writeArchive(t, `{"ts":1767225600,"session_id":"s"}`+"\n"+`{"session_id":"s"}`+"\n"+`{"ts":"x"}`+"\n")
	if err := os.WriteFile(name, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		filter        Filter
		found, warned int
	}{
		{Filter{Since: at}, 1, 2},
		{Filter{Since: at.Add(1)}, 0, 2},
		{Filter{Until: at}, 0, 2},
		{Filter{Since: at.Add(1), Session: "s"}, 0, 1},
		{Filter{Session: "s"}, 2, 0},
	} {
		var log bytes.Buffer
		cfg := newReaderConfig([]ReaderOption{WithLogger(slog.New(slog.NewTextHandler(&log, nil)))})
		found := 0
		for _, err := range newReader(filepath.Join(dir, "audit.jsonl"), cfg).Query(t.Context(), test.filter) {
			if err != nil {
				t.Fatal(err)
			}
			found++
		}
		want := fmt.Sprintf(`msg="auditlog: lines without a readable time were left out" lines=%d`, test.warned)
		if found != test.found || strings.Contains(log.String(), want) != (test.warned > 0) {
			t.Errorf("%+v: got %d events and %q, want %d and %s", test.filter, found, &log, test.found, want)
		}
		if test.warned == 0 {
			continue // without bounds, the sums have them
		}
		log.Reset()
		spend, err := newReader(filepath.Join(dir, "audit.jsonl"), cfg).Spend(t.Context(), test.filter)
		if err != nil || spend.Untimed != int64(test.warned) || strings.Count(log.String(), want) != 1 {
			t.Errorf("%+v: got a spend with %d lines without a time, %v, and %q", test.filter, spend.Untimed, err, &log)
		}
	}
}

// TestAStitchedArchiveIsRead has something new between an archive and its end, which
// a bound of time must not hide.
func TestAStitchedArchiveIsRead(t *testing.T) {
	old := writeArchive(t, `{"ts":"2020-01-01T00:00:00.000Z","cost":1}`+"\n")
	added := gzipped(t, []byte(`{"ts":"2026-01-01T00:00:00.000Z","cost":2}`+"\n"))
	for name, packed := range map[string][]byte{
		"between two copies": slices.Concat(old, added, old),
		"before its trailer": slices.Concat(old, added, old[len(old)-archive.TrailerSize:]),
		"at the end":         slices.Concat(old, added),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "audit_20260213_143022.jsonl.gz"), packed, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newReader(filepath.Join(dir, "audit.jsonl"), newReaderConfig(nil))
		filter := Filter{Since: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), OnDamage: func(*DamageError) {}}
		spend, err := r.Spend(t.Context(), filter)
		if err != nil || spend.Total.Cost != 2 {
			t.Errorf("%s: got %+v, %v, want a cost of 2", name, spend.Total, err)
		}
	}
}
