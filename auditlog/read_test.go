package auditlog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/scan"
)

const (
	activeName  = "audit.jsonl"
	archiveName = "audit_20260213_143022.jsonl.gz"
)

// putLog writes the files of a log, those named .gz compressed, and returns a
// reader of it.
func putLog(t testing.TB, contents map[string]string, opts ...auditlog.ReaderOption) *auditlog.Reader {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if strings.HasSuffix(name, ".gz") {
			content = string(compress(t, content))
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := auditlog.NewReader(filepath.Join(dir, activeName), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// compress makes one gzip member of each content.
func compress(t testing.TB, contents ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, content := range contents {
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// read returns the events and the damage of the log.
func read(t testing.TB, r *auditlog.Reader, filter auditlog.Filter) (found []auditlog.Entry, damage []auditlog.DamageError) {
	t.Helper()
	filter.OnDamage = func(d *auditlog.DamageError) { damage = append(damage, *d) }
	for e, err := range r.Query(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, e.Clone())
	}
	return found, damage
}

// at says where entries stand, and what they are.
func at(found []auditlog.Entry) (list []string) {
	for _, e := range found {
		list = append(list, fmt.Sprintf("%s:%d:%d %s", filepath.Base(e.File), e.Line, e.Offset, e.Raw))
	}
	return list
}

func TestReaderAcceptsWhatAnyJSONWriterProduces(t *testing.T) {
	long := `{"event":"nav","long":"` + strings.Repeat("x", 3<<20) + `"}`
	deep := `{"event":"nav","deep":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	for name, line := range map[string]string{
		"spaces":             "  { \"event\" :\t\"nav\" , \"a\":[ 1 , 2 ] }  ",
		"escapes":            `{"\u0065vent":"n\u0061v"}`,
		"CRLF":               "{\"event\":\"nav\"}\r",
		"key order":          `{"x":1,"event":"nav","ts":"2026-02-13T14:30:22.123Z"}`,
		"duplicate keys":     `{"event":"brief","event":1,"event":"nav"}`,
		"lone surrogate":     `{"\udc00":"\ud800","event":"nav"}`,
		"invalid UTF-8":      "{\"event\":\"nav\",\"a\":\"\xff\"}",
		"long":               long,
		"deep":               deep,
		"number of any size": `{"event":"nav","n":1e999999}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, end := range []string{"\n", ""} {
				r := putLog(t, map[string]string{activeName: "{}\n" + line + end})
				found, damage := read(t, r, auditlog.Filter{Event: "nav"})
				if len(found) != 1 || len(damage) > 0 {
					t.Fatalf("end %q: got %d events and damage %v, want one event", end, len(found), damage)
				}
				e := found[0]
				if !bytes.Equal(e.Raw, []byte(strings.TrimSuffix(line, "\r"))) {
					t.Errorf("end %q: got %.100q", end, e.Raw)
				}
				if e.Line != 2 || e.Offset != 3 || e.Terminated != (end != "") || filepath.Base(e.File) != activeName {
					t.Errorf("end %q: got %s line %d offset %d terminated %v, want %s line 2 offset 3",
						end, e.File, e.Line, e.Offset, e.Terminated, activeName)
				}
			}
		})
	}
}

func TestMissingKeysAndBlankLinesAreNoDamage(t *testing.T) {
	t.Parallel()
	r := putLog(t, map[string]string{activeName: "\n \t\n{}\n\r\n" + strings.Repeat(" ", 1<<20+1) + "\n{\"a\":1}\n  "})
	found, damage := read(t, r, auditlog.Filter{})
	want := []string{"audit.jsonl:3:4 {}", fmt.Sprintf(`audit.jsonl:6:%d {"a":1}`, 4+3+2+1<<20+2)}
	if diff := cmp.Diff(want, at(found)); diff != "" || len(damage) > 0 {
		t.Errorf("-want +got:\n%s\ndamage: %v", diff, damage)
	}
	e, err := found[0].Event()
	if err != nil || e.Name != "" {
		t.Errorf("{} is %v, %v, want an event without a name", e, err)
	}
	if _, ok := found[0].Time(); ok {
		t.Error("{} has a time")
	}
}

func TestEachMalformedLineIsSkippedAndReported(t *testing.T) {
	nuls := strings.Repeat("\x00", 3<<20)
	for name, test := range map[string]struct{ line, reason string }{
		"text":            {"hello", "a JSON object"},
		"array":           {"[1,2]", "not a JSON object"},
		"string":          {`"{}"`, "not a JSON object"},
		"number":          {"1", "not a JSON object"},
		"null":            {"null", "not a JSON object"},
		"two objects":     {"{}{}", "more bytes"},
		"cut":             {`{"event":"na`, "ends inside a string"},
		"no closing":      {`{"event":"nav"`, "too early"},
		"trailing comma":  {`{"event":"nav",}`, "string"},
		"single quotes":   {`{'event':'nav'}`, "string"},
		"NaN":             {`{"cost":NaN}`, "value"},
		"leading zero":    {`{"cost":01}`, "','"},
		"bad escape":      {`{"a":"\x"}`, "escape"},
		"control":         {"{\"a\":\"\x01\"}", "control"},
		"NULs":            {"\x00\x00\x00", "NUL"},
		"many NULs":       {nuls, "NUL"},
		"NULs and a line": {"\x00\x00{}", "NUL"},
		"NUL behind":      {"{}\x00", "more bytes"},
		"byte order mark": {"\xef\xbb\xbf{}", "byte order mark"},
		"other space":     {"\v{}", "not a JSON object"},
		"only CR inside":  {"{}\r{}", "more bytes"},
		"long text":       {strings.Repeat("x", 5<<20), "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			before := "{\"n\":1}\r\n\n"
			content := before + test.line + "\n{\"n\":2}\n"
			for _, file := range []string{activeName, archiveName} {
				r := putLog(t, map[string]string{file: content, "audit_20250101_000000.jsonl": "{}\n"})
				found, damage := read(t, r, auditlog.Filter{})
				want := []string{
					"audit_20250101_000000.jsonl:1:0 {}",
					file + `:1:0 {"n":1}`,
					fmt.Sprintf(`%s:4:%d {"n":2}`, file, len(before)+len(test.line)+1),
				}
				if diff := cmp.Diff(want, at(found)); diff != "" {
					t.Errorf("events: -want +got:\n%s", diff)
				}
				if len(damage) != 1 {
					t.Fatalf("damage: got %v, want one", damage)
				}
				d := damage[0]
				if !strings.Contains(d.Reason, test.reason) {
					t.Errorf("got reason %q, want it to say %q", d.Reason, test.reason)
				}
				if filepath.Base(d.File) != file || d.Line != 3 || d.Offset != int64(len(before)) || d.Length != int64(len(test.line)) {
					t.Errorf("got %s line %d offset %d length %d, want %s line 3 offset %d length %d",
						d.File, d.Line, d.Offset, d.Length, file, len(before), len(test.line))
				}
			}
		})
	}
}

func TestLastLineWithoutLineFeed(t *testing.T) {
	for _, file := range []string{activeName, archiveName, "audit_20260213_143022.jsonl"} {
		whole := putLog(t, map[string]string{file: "{}\n{\"a\":1}"})
		found, damage := read(t, whole, auditlog.Filter{})
		if len(found) != 2 || found[1].Terminated || len(damage) != 0 {
			t.Errorf("%s: whole JSON: got %v and damage %v, want it read, not terminated", file, at(found), damage)
		}
		for _, tail := range []string{`{"a":`, "x", "\x00\x00", strings.Repeat("\x00", 2<<20)} {
			torn := putLog(t, map[string]string{file: "{}\n" + tail})
			found, damage = read(t, torn, auditlog.Filter{})
			if len(found) != 1 || len(damage) != 1 {
				t.Fatalf("%s: torn %.10q: got %v and damage %v", file, tail, at(found), damage)
			}
			want := auditlog.DamageError{
				File: damage[0].File, Line: 2, Offset: 3, Length: int64(len(tail)),
				Reason: "torn line (no line feed at the end of the file)",
			}
			if diff := cmp.Diff(want, damage[0]); diff != "" {
				t.Errorf("%s: -want +got:\n%s", file, diff)
			}
		}
	}
}

func TestDamageIsLoggedWhenNobodyAsks(t *testing.T) {
	var b bytes.Buffer
	r := putLog(t, map[string]string{activeName: "x\n"}, auditlog.WithLogger(slog.New(slog.NewTextHandler(&b, nil))))
	for _, err := range r.Query(t.Context(), auditlog.Filter{}) {
		t.Error("found an event", err)
	}
	for _, want := range []string{"level=WARN", "audit.jsonl", "line=1", "offset=0", "reason="} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want %s in it", b.String(), want)
		}
	}
}

func TestFilesAreReadInTheOrderTheyWereWritten(t *testing.T) {
	contents := map[string]string{
		activeName:                            "{\"n\":9}\n",
		"audit_20260213_143022.jsonl.gz":      "{\"n\":2}\n",
		"audit_20260213_143022_02.jsonl.gz":   "{\"n\":4}\n",
		"audit_20260213_143022_01.jsonl":      "{\"n\":3}\n",
		"audit_20260213_143022_10.jsonl.gz":   "{\"n\":5}\n",
		"audit_20260213_143022_100.jsonl.gz":  "{\"n\":6}\n",
		"audit_20260213_143023.jsonl":         "{\"n\":7}\n",
		"audit_20250213_235959_01.jsonl.gz":   "{\"n\":1}\n",
		"audit_20260213_143022.jsonl":         "{\"n\":2}\n", // both forms: one is read
		"audit_20260213_143022.jsonl.gz.tmp":  "no archive",
		"audit_20260213_143022.jsonl.suspect": "no archive",
		"audit_20260213.jsonl":                "no archive",
		"audit_x_20260213_143022.jsonl":       "no archive",
		"other.jsonl":                         "no archive",
	}
	r := putLog(t, contents)
	if err := os.Mkdir(filepath.Join(filepath.Dir(onlyFile(t, r)), "audit_20200101_000000.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	found, damage := read(t, r, auditlog.Filter{})
	var got []string
	for _, e := range found {
		got = append(got, string(e.Raw))
	}
	want := []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":6}`, `{"n":7}`, `{"n":9}`}
	if !slices.Equal(got, want) || len(damage) != 0 {
		t.Errorf("got %v and damage %v, want %v", got, damage, want)
	}
}

// onlyFile returns the path of the log's last file.
func onlyFile(t testing.TB, r *auditlog.Reader) string {
	t.Helper()
	s, err := auditlog.HistoryOf(r).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // only its list is used
	return s.Files()[len(s.Files())-1].Path
}

func TestActiveOnlyLeavesArchivesOut(t *testing.T) {
	contents := map[string]string{activeName: "{\"n\":2}\n", archiveName: "{\"n\":1}\n"}
	found, _ := read(t, putLog(t, contents, auditlog.WithActiveOnly()), auditlog.Filter{})
	if len(found) != 1 || string(found[0].Raw) != `{"n":2}` {
		t.Errorf("got %v", at(found))
	}
	delete(contents, activeName)
	for _, err := range putLog(t, contents, auditlog.WithActiveOnly()).Query(t.Context(), auditlog.Filter{}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without active file: got %v, want fs.ErrNotExist", err)
		}
	}
	if found, _ := read(t, putLog(t, contents), auditlog.Filter{}); len(found) != 1 {
		t.Errorf("archives without active file: got %v", at(found))
	}
}

func TestNoLogIsErrNotExist(t *testing.T) {
	r, err := auditlog.NewReader(filepath.Join(t.TempDir(), "none", activeName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.LastEvents(t.Context(), 1, "")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "check the path") {
		t.Errorf("got %v, want fs.ErrNotExist and what to do", err)
	}
	if _, err := auditlog.NewReader(""); err == nil {
		t.Error("an empty path is no error")
	}
}

func TestMultiMemberArchiveIsReadWhole(t *testing.T) {
	r := putLog(t, map[string]string{activeName: ""})
	path := filepath.Join(filepath.Dir(onlyFile(t, r)), archiveName)
	if err := os.WriteFile(path, compress(t, "{\"n\":1}\n{\"n\"", ":2}\n", "", "{\"n\":3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, damage := read(t, r, auditlog.Filter{})
	want := []string{archiveName + `:1:0 {"n":1}`, archiveName + `:2:8 {"n":2}`, archiveName + `:3:16 {"n":3}`}
	if diff := cmp.Diff(want, at(found)); diff != "" || len(damage) > 0 {
		t.Errorf("-want +got:\n%s\ndamage: %v", diff, damage)
	}
}

// TestDamagedArchiveIsReadAsFarAsItGoes cuts an archive at every byte and
// flips every bit of it.
func TestDamagedArchiveIsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	var content strings.Builder
	for n := range 20 {
		fmt.Fprintf(&content, "{\"n\":%d,\"x\":%q}\n", n, strings.Repeat(strconv.Itoa(n*n*7919), 5))
	}
	whole := compress(t, content.String())
	r := putLog(t, map[string]string{activeName: "{\"last\":true}\n"})
	path := filepath.Join(filepath.Dir(onlyFile(t, r)), archiveName)
	var undamaged []string

	check := func(archive []byte, truncated bool) {
		t.Helper()
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		found, damage := read(t, r, auditlog.Filter{})
		if len(found) == 0 || string(found[len(found)-1].Raw) != `{"last":true}` {
			t.Fatalf("the active file was not read: %v", at(found))
		}
		got := at(found[:len(found)-1])
		if undamaged == nil {
			undamaged = got
		}
		if !truncated {
			return // what a flipped bit makes of the content, nobody knows
		}
		if len(got) > len(undamaged) || !slices.Equal(got, undamaged[:len(got)]) {
			t.Fatalf("got %v, want the first lines of %v", got, undamaged)
		}
		if len(damage) != 1 || filepath.Base(damage[0].File) != archiveName || !strings.Contains(damage[0].Reason, "gzip") {
			t.Fatalf("got damage %v, want one of the archive", damage)
		}
		d, end := damage[0], int64(0)
		if len(got) > 0 {
			last := found[len(got)-1]
			end = last.Offset + int64(len(last.Raw)) + 1
			if !last.Terminated {
				end--
			}
		}
		if d.Offset != end || d.Line != int64(len(got)+1) {
			t.Fatalf("got damage at line %d byte %d, want line %d byte %d", d.Line, d.Offset, len(got)+1, end)
		}
	}
	check(whole, false)
	for n := range whole {
		check(whole[:n], true)
	}
	for bit := range len(whole) * 8 {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		check(flipped, false)
	}
	check(append(bytes.Clone(whole), "garbage behind the archive"...), false)
}

func TestFlippedBitInTheChecksumIsReported(t *testing.T) {
	r := putLog(t, map[string]string{activeName: ""})
	path := filepath.Join(filepath.Dir(onlyFile(t, r)), archiveName)
	archive := compress(t, "{\"n\":1}\n")
	archive[len(archive)-8] ^= 1
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	found, damage := read(t, r, auditlog.Filter{})
	if len(found) != 1 || len(damage) != 1 || damage[0].Line != 2 || damage[0].Offset != 8 {
		t.Errorf("got %v and damage %v, want the event, and damage at line 2 byte 8", at(found), damage)
	}
}

// expectError reads the log and wants one error, not that there is no log.
func expectError(t *testing.T, r *auditlog.Reader) {
	t.Helper()
	n := 0
	for _, err := range r.Query(t.Context(), auditlog.Filter{}) {
		n++
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want an error", err)
		}
	}
	if n != 1 {
		t.Errorf("got %d iterations, want 1", n)
	}
}

func TestReadErrorEndsTheSequence(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{}\n"})
	if err := os.Mkdir(filepath.Join(filepath.Dir(onlyFile(t, r)), activeName), 0o700); err != nil {
		t.Fatal(err)
	}
	expectError(t, r)
}

func TestCancelledContextEndsTheSequence(t *testing.T) {
	r := putLog(t, map[string]string{activeName: strings.Repeat("{}\n", 10_000)})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cause := errors.New("enough")
	n := 0
	var last error
	for _, err := range r.Query(ctx, auditlog.Filter{}) {
		if n++; n == 10 {
			cancel(cause)
		}
		last = err
	}
	if !errors.Is(last, cause) || n > 1000 {
		t.Errorf("got %v after %d events, want the cause of the context soon", last, n)
	}
	if _, err := r.Spend(ctx, auditlog.Filter{}, auditlog.ByNothing); !errors.Is(err, cause) {
		t.Errorf("Spend: got %v, want the cause of the context", err)
	}
}

func TestStoppingASequenceEarly(t *testing.T) {
	r := putLog(t, map[string]string{activeName: "{}\n{}\n", archiveName: "{}\n{}\n"})
	for stop := 1; stop <= 4; stop++ {
		n := 0
		for _, err := range r.Query(t.Context(), auditlog.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("got %d events, want %d", n, stop)
		}
	}
}

func TestLinesGoOnBehindACursor(t *testing.T) {
	content := "{\"n\":1}\nbroken\n\n{\"n\":2}\n{\"n\":3}\n"
	for _, name := range []string{activeName, archiveName} {
		s, err := auditlog.HistoryOf(putLog(t, map[string]string{name: content})).Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		file := s.Files()[0]
		var all []auditlog.Entry
		for e, err := range file.Lines(t.Context(), scan.Cursor{}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, auditlog.Entry(e.Clone()))
		}
		if len(all) != 3 || file.Active() != (name == activeName) {
			t.Fatalf("%s: got %v, active %v", name, at(all), file.Active())
		}
		for i := range all {
			cursor := scan.Cursor{}
			if i > 0 {
				cursor.Offset = all[i-1].Offset + int64(len(all[i-1].Raw)) + 1
				cursor.Line = all[i-1].Line
			}
			var rest []auditlog.Entry
			for e, err := range file.Lines(t.Context(), cursor, nil) {
				if err != nil {
					t.Fatal(err)
				}
				rest = append(rest, auditlog.Entry(e.Clone()))
			}
			if diff := cmp.Diff(all[i:], rest); diff != "" {
				t.Errorf("%s behind line %d: -want +got:\n%s", name, cursor.Line, diff)
			}
		}
		for _, err := range file.Lines(t.Context(), scan.Cursor{Offset: 1 << 20}, nil) {
			t.Errorf("%s: found something behind the end, error %v", name, err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestSinceComparesInstants(t *testing.T) {
	lines := []string{
		`{"ts":"2026-02-13T14:30:22.123Z"}`,
		`{"ts":"2026-02-13T20:00:22.123+05:30"}`,
		`{"ts":"2026-02-13t09:30:22.123000000000-05:00"}`,
		`{"ts":"2026-02-13 14:30:22,123z"}`,
		`{"ts":"2026-02-13T14:30\u003a22.123Z"}`,
		`{"ts":1,"ts":"2026-02-13T14:30:22.1230Z"}`,
		`{"ts":"2026-02-13T14:30:22.123"}`,
	}
	before := []string{
		`{"ts":"2026-02-13T14:30:22.122999999Z"}`,
		`{"ts":"2026-02-13T14:30:22Z"}`,
		`{"ts":"2026-02-13T19:30:22.123+05:30"}`, // a later string, an earlier instant
		`{"ts":"2026-02-13T14:30:22+0530"}`,
	}
	without := []string{
		`{}`, `{"ts":1}`, `{"ts":null}`, `{"ts":""}`, `{"ts":"2026-02-13"}`, `{"ts":"2026-02-30T00:00:00Z"}`,
		`{"ts":"2026-13-01T00:00:00Z"}`, `{"ts":"2026-02-13T24:00:00Z"}`,
		`{"ts":"2026-02-13T14:30:22.Z"}`, `{"ts":"2026-02-13T14:30:22Zx"}`,
		`{"ts":"2026-02-13T14:30:22.123Z","ts":"x"}`,
	}
	r := putLog(t, map[string]string{activeName: strings.Join(slices.Concat(lines, before, without), "\n") + "\n"})
	instant := time.Date(2026, 2, 13, 14, 30, 22, 123_000_000, time.UTC)
	for _, since := range []time.Time{instant, instant.In(time.FixedZone("", -11*3600))} {
		found, _ := read(t, r, auditlog.Filter{Since: since})
		var got []string
		for _, e := range found {
			got = append(got, string(e.Raw))
			if ts, ok := e.Time(); !ok || !ts.Equal(instant) {
				t.Errorf("%s: got time %v, %v, want %v", e.Raw, ts, ok, instant)
			}
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Errorf("since: -want +got:\n%s", diff)
		}
	}
	for until, want := range map[time.Time]int{
		instant:                     len(before),
		instant.Add(1):              len(before) + len(lines),
		instant.Add(-1):             3,
		instant.Add(-2 * time.Hour): 1,
	} {
		if found, _ := read(t, r, auditlog.Filter{Until: until}); len(found) != want {
			t.Errorf("until %v: got %v, want %d events", until, at(found), want)
		}
	}
	if found, _ := read(t, r, auditlog.Filter{}); len(found) != len(lines)+len(before)+len(without) {
		t.Errorf("without bounds: got %d events", len(found))
	}
}

func TestFilterMatchesAllItsParts(t *testing.T) {
	trace := "5b8efff798038103d269b633813fc60c"
	r := putLog(t, map[string]string{
		archiveName: `{"event":"nav","session_id":"s1","model":"m1"}` + "\n" + `{"event":"brief","session_id":"s1","model":"m1"}` + "\n",
		activeName: `{"event":"nav","session_id":"s2","model":"m1","trace_id":"` + strings.ToUpper(trace) + `"}` + "\n" +
			`{"event":"n\u0061v","session_id":"s1","model":"m2","trace_id":"` + trace + `"}` + "\n" +
			`{"event":["nav"],"session_id":1,"model":null,"nested":{"event":"nav","session_id":"s1"}}` + "\n",
	})
	for _, test := range []struct {
		filter auditlog.Filter
		want   []int64 // lines of the archive, then those of the active file + 10
	}{
		{auditlog.Filter{}, []int64{1, 2, 11, 12, 13}},
		{auditlog.Filter{Event: "nav"}, []int64{1, 11, 12}},
		{auditlog.Filter{Session: "s1"}, []int64{1, 2, 12}},
		{auditlog.Filter{Model: "m1"}, []int64{1, 2, 11}},
		{auditlog.Filter{TraceID: trace}, []int64{11, 12}},
		{auditlog.Filter{TraceID: strings.ToUpper(trace)}, []int64{11, 12}},
		{auditlog.Filter{Event: "nav", Session: "s1", Model: "m1"}, []int64{1}},
		{auditlog.Filter{Event: "na"}, nil},
		{auditlog.Filter{Event: "1"}, nil},
	} {
		found, _ := read(t, r, test.filter)
		var got []int64
		for _, e := range found {
			if filepath.Base(e.File) == activeName {
				e.Line += 10
			}
			got = append(got, e.Line)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: got lines %v, want %v", test.filter, got, test.want)
		}
	}
}

func TestLastEventsAreTheLastOnesOldestFirst(t *testing.T) {
	line := func(from, to int) string {
		var b strings.Builder
		for n := from; n < to; n++ {
			fmt.Fprintf(&b, "{\"n\":%d,\"event\":%q}\n", n, []string{"even", "odd"}[n%2])
		}
		return b.String()
	}
	r := putLog(t, map[string]string{
		"audit_20260101_000000.jsonl.gz": line(0, 5), "audit_20260102_000000.jsonl": line(5, 10), activeName: line(10, 15) + "broken\n",
	})
	for _, test := range []struct {
		n     int
		event string
		want  []int64
	}{
		{0, "", nil}, {-1, "", nil}, {1, "", []int64{14}}, {5, "", []int64{10, 11, 12, 13, 14}},
		{7, "", []int64{8, 9, 10, 11, 12, 13, 14}}, {4, "odd", []int64{7, 9, 11, 13}},
		{100, "even", []int64{0, 2, 4, 6, 8, 10, 12, 14}}, {3, "none", nil},
	} {
		last, err := r.LastEvents(t.Context(), test.n, test.event)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, entry := range last {
			e, err := entry.Event()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Attributes["n"].(int64))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("last %d of %q: got %v, want %v", test.n, test.event, got, test.want)
		}
	}
}

func TestLastEventsOutliveTheReadBuffer(t *testing.T) {
	var content strings.Builder
	var want []string
	for n := range 60 {
		line := fmt.Sprintf(`{"n":%d,"long":%q}`, n, strings.Repeat(strconv.Itoa(n%10), 50_000))
		want = append(want, line)
		content.WriteString(line + "\n")
	}
	last, err := putLog(t, map[string]string{activeName: content.String()}).LastEvents(t.Context(), 20, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range last {
		if string(e.Raw) != want[40+i] {
			t.Errorf("event %d: got %.20s…, want %.20s…", 40+i, e.Raw, want[40+i])
		}
	}
}

func TestVerifyReportsEveryDamage(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{}\nx\n{}\n", activeName: "{}\n{"})
	calls := 0
	got, err := r.Verify(t.Context(), func(*auditlog.DamageError) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	if got.Files != 2 || got.Events != 3 || len(got.Damaged) != 2 || calls != 2 {
		t.Errorf("got %+v and %d calls, want 2 files, 3 events, 2 damaged lines and calls", got, calls)
	}
	if want := "line 2 at byte 3: "; !strings.Contains(got.Damaged[0].Error(), want) || !strings.Contains(got.Damaged[0].Error(), archiveName) {
		t.Errorf("got %v, want the archive's name and %q in it", got.Damaged[0], want)
	}
}
