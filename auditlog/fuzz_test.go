package auditlog_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// oracle says what a file of that content holds, by the standard library's
// idea of JSON: the events, where they stand, and where the damage is.
func oracle(content []byte) (events, damage []string) {
	offset := 0
	for n, line := range bytes.SplitAfter(content, []byte("\n")) {
		text := bytes.TrimSuffix(line, []byte("\n"))
		text = bytes.TrimSuffix(text, []byte("\r"))
		first := bytes.TrimLeft(text, " \t\r")
		switch {
		case len(first) == 0:
		case first[0] == '{' && json.Valid(text):
			events = append(events, fmt.Sprintf("%d:%d:%v %q", n+1, offset, len(line) > 0 && line[len(line)-1] == '\n', text))
		default:
			damage = append(damage, fmt.Sprintf("%d:%d", n+1, offset))
		}
		offset += len(line)
	}
	return events, damage
}

// readAll reads the log and holds every event against the decoder too.
func readAll(t *testing.T, r *auditlog.Reader) (events, damage []string) {
	t.Helper()
	filter := auditlog.Filter{OnDamage: func(d *auditlog.DamageError) {
		damage = append(damage, fmt.Sprintf("%d:%d", d.Line, d.Offset))
	}}
	for e, err := range r.Query(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, fmt.Sprintf("%d:%d:%v %q", e.Line, e.Offset, e.Terminated, e.Raw))
		e.Time()
		if _, err := e.Event(); err != nil {
			t.Errorf("decode %q: %v", e.Raw, err)
		}
	}
	return events, damage
}

// FuzzReader holds that no content of a file makes a reader fail, stop, or
// miss an event, in an active file and in a compressed archive.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "{}", "{}\n", "{}\r\n{}\r", "{\"a\":1}\n\n{\"b\":", "\x00\x00\n{}", "\xef\xbb\xbf{}\n{}\n", "[]\n1\n\"\"\n{}\n",
		`{"event":"nav","ts":"2026-02-13T14:30:22.123Z","cost":1,"otel":{}}` + "\n", `{"event":"\ud800","cost":1e999}` + "\n",
		`{"a":{"intValue":"9007199254740993"},"files":["x"],"config":{"kvlistValue":{"values":[]}}}` + "\n", " { } \n\t\n", "{}{}\n", "{\"\\u0065\":tru}\n",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir() // each process has its own
	f.Fuzz(func(t *testing.T, content []byte) {
		wantEvents, wantDamage := oracle(content)
		var archive bytes.Buffer
		w := gzip.NewWriter(&archive)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range []struct {
			name    string
			content []byte
		}{{activeName, content}, {archiveName, archive.Bytes()}} {
			path := filepath.Join(dir, file.name)
			if err := os.WriteFile(path, file.content, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := auditlog.NewReader(filepath.Join(dir, activeName))
			if err != nil {
				t.Fatal(err)
			}
			events, damage := readAll(t, r)
			if !slices.Equal(events, wantEvents) {
				t.Errorf("%s: got events\n%q, want\n%q", file.name, events, wantEvents)
			}
			if !slices.Equal(damage, wantDamage) {
				t.Errorf("%s: got damage %q, want %q", file.name, damage, wantDamage)
			}
			checkReads(t, r, int64(len(events)))
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkReads runs every read of the log.
func checkReads(t *testing.T, r *auditlog.Reader, events int64) {
	t.Helper()
	for by := auditlog.ByNothing; by <= auditlog.ByMonth; by++ {
		spend, err := r.Spend(t.Context(), auditlog.Filter{}, by)
		if err != nil || spend.Total.Events != events {
			t.Errorf("Spend: got %d events, %v, want %d", spend.Total.Events, err, events)
		}
		if _, err := json.Marshal(spend); err != nil {
			t.Errorf("Spend as JSON: %v", err)
		}
		var grouped int64
		for _, g := range spend.Groups {
			grouped += g.Events
		}
		if by != auditlog.ByNothing && grouped != events {
			t.Errorf("Spend by %d: got %d events in groups, want %d", by, grouped, events)
		}
	}
	spend, err := r.Spend(t.Context(), auditlog.Filter{TimeZone: time.FixedZone("", 14*3600)}, auditlog.ByMonth, auditlog.ByModel)
	if err != nil {
		t.Errorf("Spend by month and model: %v", err)
	}
	if _, err := json.Marshal(spend); err != nil {
		t.Errorf("Spend by month and model as JSON: %v", err)
	}
	if last, err := r.LastEvents(t.Context(), 3, ""); err != nil || int64(len(last)) != min(events, 3) {
		t.Errorf("LastEvents: got %d, %v", len(last), err)
	}
	if _, err := r.AccuracyMetrics(t.Context(), moment); err != nil {
		t.Errorf("AccuracyMetrics: %v", err)
	}
	if _, err := r.GateMetrics(t.Context(), moment, 3); err != nil {
		t.Errorf("GateMetrics: %v", err)
	}
	if v, err := r.Verify(t.Context(), nil); err != nil || v.Events != events {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}

// FuzzArchive holds that no bytes under an archive's name make a reader fail
// or hide what follows the archive, and that what gzip reads without a
// complaint is read.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("\x1f\x8b"))
	f.Add([]byte("{}\n"))
	f.Add(compress(f, "{}\n{\"a\":1}\nx\n"))
	f.Add(compress(f, "{}\n{", "}\n", ""))
	r := putLog(f, map[string]string{activeName: "{\"last\":1}\n"})
	path := filepath.Join(filepath.Dir(onlyFile(f, r)), archiveName)
	f.Fuzz(func(t *testing.T, archive []byte) {
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		events, damage := readAll(t, r)
		if len(events) == 0 || events[len(events)-1] != `1:0:true "{\"last\":1}"` {
			t.Fatalf("got events %q, want the active file's last", events)
		}
		zr, err := gzip.NewReader(bytes.NewReader(archive))
		if err != nil {
			if len(events) != 1 || len(damage) != 1 {
				t.Errorf("no gzip: got %q and damage %q", events, damage)
			}
			return
		}
		content, err := io.ReadAll(io.LimitReader(zr, 16<<20))
		if err != nil || len(content) == 16<<20 {
			return
		}
		wantEvents, wantDamage := oracle(content)
		if !slices.Equal(events[:len(events)-1], wantEvents) || !slices.Equal(damage, wantDamage) {
			t.Errorf("got %q and damage %q, want %q and %q", events, damage, wantEvents, wantDamage)
		}
	})
}
