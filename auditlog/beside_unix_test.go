//go:build unix

package auditlog_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

func mustAll(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestAnArchiveThatIsNoFileOfTheLogIsDamage holds that it is neither read nor passed
// over in silence, and that the rest of the log is read.
func TestAnArchiveThatIsNoFileOfTheLogIsDamage(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{\"n\":1}\n", activeName: "{\"n\":2}\n", "elsewhere.jsonl": "{\"n\":3}\n"})
	dir := filepath.Dir(r.Path())
	name := func(base string) string { return filepath.Join(dir, base) }
	want := map[string]string{
		name("audit_20300101_000000.jsonl"):    "symbolic link to " + name("elsewhere.jsonl"),
		name("audit_20300102_000000.jsonl.gz"): "symbolic link to nothing",
		name("audit_20300103_000000.jsonl"):    "a FIFO",
		name("audit_20300104_000000.jsonl.gz"): "a FIFO",
	}
	mustAll(t,
		os.Symlink(name("elsewhere.jsonl"), name("audit_20300101_000000.jsonl")),
		os.Symlink("nothing", name("audit_20300102_000000.jsonl.gz")),
		syscall.Mkfifo(name("audit_20300103_000000.jsonl"), 0o600),
		syscall.Mkfifo(name("audit_20300104_000000.jsonl.gz"), 0o600),
	)
	if os.Geteuid() == 0 {
		stranger := name("audit_20300105_000000.jsonl")
		mustAll(t, os.WriteFile(stranger, []byte("{\"n\":4}\n"), 0o600), os.Chown(stranger, 12345, -1))
		want[stranger] = "belongs to user 12345"
	}
	v, err := r.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.Events != 2 || len(v.Damaged) != len(want) {
		t.Errorf("got %d events and damage %v, want 2 events and %d files that are damage", v.Events, v.Damaged, len(want))
	}
	for _, d := range v.Damaged {
		if !strings.Contains(d.Reason, want[d.File]) || want[d.File] == "" {
			t.Errorf("got damage %v, want %q", d, want[d.File])
		}
	}
	last, err := r.LastEvents(t.Context(), 10, "")
	if err != nil || len(last) != 2 {
		t.Errorf("LastEvents = %d events, %v, want 2", len(last), err)
	}
	if _, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByHour); err != nil {
		t.Error(err)
	}
}

func TestARefusedFormOfAnArchiveDoesNotHideTheOther(t *testing.T) {
	for planted, genuine := range map[string]string{
		"audit_20300101_000000.jsonl":    "audit_20300101_000000.jsonl.gz",
		"audit_20300101_000000.jsonl.gz": "audit_20300101_000000.jsonl",
	} {
		r := putLog(t, map[string]string{genuine: "{\"n\":1}\n", activeName: "{\"n\":2}\n"})
		mustAll(t, os.Symlink("/dev/null", filepath.Join(filepath.Dir(r.Path()), planted)))
		if got := entries(t, r); len(got) != 2 {
			t.Errorf("%s is a link: got %d events, want 2", planted, len(got))
		}
	}
}

// TestNamesOfTemporaryFilesThatAreTakenStopNothing takes them by folders that are not
// empty, which cannot be removed, as another user's file in a folder with the sticky
// bit cannot be.
func TestNamesOfTemporaryFilesThatAreTakenStopNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	mustAll(t, os.MkdirAll(filepath.Join(path+".next", "full"), 0o700), os.MkdirAll(filepath.Join(path+".repair", "full"), 0o700))
	log := audittest.Open(t, path)
	mustAll(t, log.Append(t.Context(), numbered("w", 0)), log.Rotate(t.Context()))
	mustAll(t, log.Append(t.Context(), numbered("w", 1)), os.Remove(path), log.Rotate(t.Context()))
	auditlog.WaitForCompression(log)
	names := map[string]bool{}
	for _, e := range entries(t, log.Reader) {
		if strings.Contains(string(e.Raw), `"n":`) {
			names[strings.TrimSpace(string(e.Raw))] = true
		}
	}
	if len(names) != 2 {
		t.Errorf("got the events %v, want two", names)
	}
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 2 {
		t.Errorf("got %v, %v, want the two folders", left, err)
	}
}

func TestOpenRemovesTemporaryFilesOfAnyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	leftovers := []string{path + ".next", path + ".next-ABC", path + ".repair", path + ".repair-ABC"}
	for _, name := range leftovers {
		mustAll(t, os.WriteFile(name, []byte("left"), 0o600))
	}
	mustAll(t, os.Symlink("/nothing", path+".repair-link"), os.WriteFile(path+".nextcloud", nil, 0o600))
	audittest.Open(t, path)
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 1 || left[0] != path+".nextcloud" {
		t.Errorf("got %v, %v, want all but the file of another program removed", left, err)
	}
}

// TestCompressionLeavesTheModeOfOtherLinksAlone has another process's log open on the
// file that is rotated: it must not take the file for removed when the other link is.
func TestCompressionLeavesTheModeOfOtherLinksAlone(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "backup")
	first, second := audittest.Open(t, path), audittest.Open(t, path)
	mustAll(t, second.Append(t.Context(), numbered("w", 0)), first.Append(t.Context(), numbered("w", 1)), os.Link(path, backup))
	mustAll(t, first.Rotate(t.Context()))
	auditlog.WaitForCompression(first)
	info, err := os.Stat(backup)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the other link is %v, %v, want 0600", info.Mode(), err)
	}
	mustAll(t, os.Remove(backup), second.Append(t.Context(), numbered("w", 2)))
	if got := entries(t, first.Reader); len(got) != 3 {
		t.Errorf("got %d events, want 3: %v", len(got), got)
	}
	if plain, err := filepath.Glob(filepath.Join(dir, "audit_*.jsonl")); err != nil || len(plain) != 0 {
		t.Errorf("got %v, %v, want compressed archives only", plain, err)
	}
}

// TestANameThatNoArchiveFollowsStopsRotationOnly plants names at and behind the end of
// the numbers: the number after the largest int is negative, and no reader takes a file
// with it for an archive.
func TestANameThatNoArchiveFollowsStopsRotationOnly(t *testing.T) {
	for planted, stops := range map[string]bool{
		"audit_99991231_235959_999999999.jsonl.gz":            true,
		"audit_99991231_235959_1000000000.jsonl.gz":           false,
		"audit_99991231_235959_9223372036854775807.jsonl.gz":  false,
		"audit_99991231_235959_9223372036854775807.jsonl":     false,
		"audit_99991231_235959_-9223372036854775808.jsonl.gz": false,
		"audit_99991231_235959_99999999999999999999999.jsonl": false,
		"audit_99991231_235959_00000000000000000000001.jsonl": false,
		"audit_99991231_235959_999999998.jsonl.gz":            false,
		"audit_99991231_235959_000999999999.jsonl.gz":         false,
		"audit_99991231_235959_+999999999.jsonl.gz":           false,
	} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		log := audittest.Open(t, path)
		mustAll(t, os.WriteFile(filepath.Join(filepath.Dir(path), planted), emptyGzip(t, planted), 0o600))
		mustAll(t, log.Append(t.Context(), numbered("w", 0)))
		err := log.Rotate(t.Context())
		if stops != (err != nil) || stops && !strings.Contains(err.Error(), planted) {
			t.Errorf("%s: rotate: %v, want an error that names it: %v", planted, err, stops)
		}
		mustAll(t, log.Append(t.Context(), numbered("w", 1)))
		auditlog.WaitForCompression(log)
		if got := entries(t, log.Reader); len(got) != 2 {
			t.Errorf("%s: got %d events, want 2", planted, len(got))
		}
	}
}

// emptyGzip returns the content of an archive of that name without events.
func emptyGzip(t *testing.T, name string) []byte {
	t.Helper()
	if !strings.HasSuffix(name, ".gz") {
		return nil
	}
	var b bytes.Buffer
	mustAll(t, gzip.NewWriter(&b).Close())
	return b.Bytes()
}
