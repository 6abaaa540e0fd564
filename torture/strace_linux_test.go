package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestFailingSystemCallsLoseNothing makes one kind of system call after the
// other fail, again and again, in a writer that appends again what was refused.
// At the end every event is there, once.
func TestFailingSystemCallsLoseNothing(t *testing.T) {
	needStrace(t)
	injections := []struct {
		call   string
		only   string // on this file: the others are the pipe's and the runtime's
		errors []string
	}{
		{"write", activeName, []string{"ENOSPC", "EDQUOT", "EIO", "EINTR"}},
		{"fsync", "", []string{"EIO", "ENOSPC", "EDQUOT"}},
		{"openat", activeName + ".next", []string{"EACCES", "EROFS", "EDQUOT", "EMFILE"}},
		{"renameat2", "", []string{"EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS"}},
		{"unlinkat", "", []string{"EACCES", "EIO", "EROFS"}},
		{"flock", "", []string{"ENOLCK", "EINTR"}},
		{"fstat", "", []string{"EIO"}},
		{"statx", "", []string{"EIO", "EPERM", "EINTR"}},
		{"openat", ".", []string{"EMFILE"}}, // the folder
		{"getdents64", "", []string{"EIO"}},
	}
	done := 0
	var total sum
	t.Run("call", func(t *testing.T) {
		for _, in := range injections {
			for _, e := range in.errors {
				// From the first call of a thread on, and from later ones.
				for _, when := range []string{"1+7", "2+5", "3+11"}[:max(1, runs(30)/10)] {
					done++
					t.Run(in.call+"/"+e+"/"+when, func(t *testing.T) {
						t.Parallel()
						total.add(failCalls(t, in.call, e, when, in.only))
					})
				}
			}
		}
	})
	counts.add(t, done, total.result)
}

func failCalls(t *testing.T, call, errno, when, only string) result {
	t.Helper()
	dir, l := t.TempDir(), newLedger()
	path := filepath.Join(dir, activeName)
	trace := filepath.Join(t.TempDir(), "strace")
	under := []string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%s", call, errno, when)}
	if only != "" {
		under = append(under, "-P", filepath.Join(dir, only))
	}
	j := job{Path: path, Name: "w", Goroutines: 2, Events: 300, Batch: 3, Padding: 200, MaxFileSize: 8 << 10, SyncEvery: 20, Seed: 1, Retry: true}
	startUnder(t, l, j, under...).finishAll(t)
	if text, err := os.ReadFile(trace); err != nil || !bytes.Contains(text, []byte("(INJECTED)")) {
		t.Errorf("no %s failed: %v", call, err)
	}
	r := l.check(t, dir, terms{promised: inFile})
	if want := j.Goroutines * j.Events; r.found != want || r.promised != want {
		t.Errorf("%d events found, %d promised, want %d", r.found, r.promised, want)
	}
	settle(t, dir)
	return r
}

// TestAFailingFsyncCostsNobodyALine lets the fsyncs of one process fail. It
// builds the file anew under the others, which go on with what they have open.
func TestAFailingFsyncCostsNobodyALine(t *testing.T) {
	needStrace(t)
	times := runs(30)
	var repairs atomic.Int64
	var total sum
	t.Run("log", func(t *testing.T) {
		for n := range times {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				dir, l := t.TempDir(), newLedger()
				j := job{
					Path: filepath.Join(dir, activeName), Goroutines: 2, Events: 400, Batch: 3, Padding: 200,
					MaxFileSize: int64(8<<10) << (n % 5), Seed: uint64(n), Retry: true,
				}
				under := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", fmt.Sprintf("inject=fsync:error=EIO:when=%d+%d", 2+n%3, 7+n%5)}
				var writers []*process
				for i := range 3 {
					j.Name = fmt.Sprint("w", i)
					writers = append(writers, startUnder(t, l, j, under...))
					under = nil
				}
				for _, w := range writers {
					w.finishAll(t)
				}
				r := l.check(t, dir, terms{promised: inFile})
				if want := len(writers) * j.Goroutines * j.Events; r.found != want || r.promised != want {
					t.Errorf("%d events found, %d promised, want %d", r.found, r.promised, want)
				}
				settle(t, dir)
				total.add(r)
				suspects, err := filepath.Glob(filepath.Join(dir, "*.suspect"))
				if err != nil {
					t.Fatal(err)
				}
				repairs.Add(int64(len(suspects)))
			})
		}
	})
	if repairs.Load() == 0 {
		t.Error("no file was repaired: do the fsyncs still fail?")
	}
	counts.add(t, times, total.result)
}

// needStrace skips the test where strace is missing or may not trace.
func needStrace(t *testing.T) {
	t.Helper()
	disktest.NeedCommand(t, "strace", "strace")
	out, err := exec.CommandContext(t.Context(), "strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true").CombinedOutput()
	if err != nil {
		t.Skipf("strace cannot inject errors here: %v: %s", err, strings.TrimSpace(string(out)))
	}
}
