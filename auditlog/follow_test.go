package auditlog_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// interference is a log on the real file system whose active file somebody
// else lays hands on.
type interference struct {
	t         *testing.T
	path      string
	log       *auditlog.Log
	next      int
	recovered []auditlog.Event
}

// interfere runs test for logs that are shared and such that are not, with 5
// events in the file. Time is that of testing/synctest.
func interfere(t *testing.T, test func(i *interference)) {
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		synctest.Test(t, func(t *testing.T) {
			i := &interference{t: t, path: filepath.Join(t.TempDir(), "audit.jsonl")}
			log, err := auditlog.Open(i.path, opts...)
			if err != nil {
				t.Fatal(err)
			}
			i.log = log
			i.append(5)
			test(i)
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

func (i *interference) append(n int) {
	i.t.Helper()
	for range n {
		if err := i.log.Append(i.t.Context(), numbered("w", i.next)); err != nil {
			i.t.Fatal(err)
		}
		i.next++
	}
}

// notice lets a second pass.
func (i *interference) notice() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// numbers reads the log at path; events that tell of a recovery go to
// i.recovered.
func (i *interference) numbers(path string) (found []int64) {
	i.t.Helper()
	r, err := auditlog.NewReader(path)
	if err != nil {
		i.t.Fatal(err)
	}
	i.recovered = nil
	for _, entry := range entries(i.t, r) {
		e, err := entry.Event()
		if err != nil {
			i.t.Fatal(err)
		}
		if e.Name == "auditlog_recovered" {
			i.recovered = append(i.recovered, e)
			continue
		}
		found = append(found, e.Attributes["n"].(int64))
	}
	return found
}

func (i *interference) want(path string, want ...int64) {
	i.t.Helper()
	if got := i.numbers(path); !slices.Equal(got, want) {
		i.t.Errorf("%s: found %v, want %v", filepath.Base(path), got, want)
	}
}

func (i *interference) wantRecovered(attribute string, want int64) {
	i.t.Helper()
	if len(i.recovered) != 1 || i.recovered[0].Attributes[attribute] != want || i.recovered[0].Reason == "" {
		i.t.Errorf("recovery events %v, want one with %s %d and a reason", i.recovered, attribute, want)
	}
	if got := i.log.Stats().Recovered; got != 1 {
		i.t.Errorf("Stats().Recovered = %d, want 1", got)
	}
}

func (i *interference) size() int64 {
	i.t.Helper()
	info, err := os.Stat(i.path)
	if err != nil {
		i.t.Fatal(err)
	}
	return info.Size()
}

func TestMovedActiveFileKeepsItsLines(t *testing.T) {
	interfere(t, func(i *interference) {
		away := filepath.Join(filepath.Dir(i.path), "away.jsonl")
		if err := os.Rename(i.path, away); err != nil {
			t.Fatal(err)
		}
		i.notice()
		i.append(3)
		i.want(away, 0, 1, 2, 3, 4)
		i.want(i.path, 5, 6, 7)
		if got := auditlog.Unsynced(i.log); got != 3 {
			i.t.Errorf("%d unsynced lines, want the 3 of the new file", got)
		}
	})
}

func TestRemovedActiveFileIsBroughtBack(t *testing.T) {
	interfere(t, func(i *interference) {
		size := i.size()
		if err := os.Remove(i.path); err != nil {
			t.Fatal(err)
		}
		i.notice()
		i.want(i.path, 0, 1, 2, 3, 4) // without a further event
		i.wantRecovered("restored_length", size)
		i.append(3)
		i.want(i.path, 0, 1, 2, 3, 4, 5, 6, 7)
	})
}

func TestRemovedActiveFileWithASuccessorBecomesAnArchive(t *testing.T) {
	interfere(t, func(i *interference) {
		if err := os.Remove(i.path); err != nil {
			t.Fatal(err)
		}
		line := `{"ts":"2026-01-02T03:04:05.000Z","event":"nav","session_id":"s","n":100}` + "\n"
		if err := os.WriteFile(i.path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		i.notice()
		i.append(3)
		i.want(i.path, 0, 1, 2, 3, 4, 100, 5, 6, 7)
	})
}

func TestTruncatedActiveFileIsReported(t *testing.T) {
	for name, rest := range map[string]int64{"all": 0, "the middle of a line": 30} {
		t.Run(name, func(t *testing.T) {
			interfere(t, func(i *interference) {
				size := i.size()
				if err := os.Truncate(i.path, rest); err != nil {
					t.Fatal(err)
				}
				i.notice()
				damaged := 0
				for _, err := range i.log.Query(i.t.Context(), auditlog.Filter{OnDamage: func(*auditlog.DamageError) { damaged++ }}) {
					if err != nil {
						i.t.Fatal(err)
					}
				}
				if want := min(rest, 1); int64(damaged) != want {
					i.t.Errorf("%d damaged lines, want %d", damaged, want)
				}
				if rest > 0 {
					return // numbers fails at damage
				}
				i.want(i.path)
				i.wantRecovered("truncated_length", size)
				i.append(3)
				i.want(i.path, 5, 6, 7)
			})
		})
	}
}

// TestInterferenceBetweenTwoAppends: who shares a file looks at it before each
// write.
func TestInterferenceBetweenTwoAppendsOfASharedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := auditlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the files are read
	i := &interference{t: t, path: path, log: log}
	i.append(2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	i.append(2)
	i.want(path, 0, 1, 2, 3)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	i.append(2)
	i.want(path, 4, 5)
}

// TestRemovedFileOfTwoLogsIsBroughtBackOnce: both have it open, one of them
// brings it back.
func TestRemovedFileOfTwoLogsIsBroughtBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var logs []*interference
		for range 3 {
			log, err := auditlog.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close() //nolint:errcheck // the files are read
			logs = append(logs, &interference{t: t, path: path, log: log})
		}
		for n, i := range logs {
			i.next = n * 10
			i.append(2)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		logs[0].notice()
		for _, i := range logs {
			i.append(1)
		}
		got := fmt.Sprint(logs[0].numbers(path))
		if want := "[0 1 10 11 20 21 2 12 22]"; got != want {
			t.Errorf("found %s, want %s", got, want)
		}
	})
}

// TestArchiveThatOthersCompressedIsNotBroughtBack: a Log that slept through a
// rotation finds its file without a name, as if somebody had removed it.
func TestArchiveThatOthersCompressedIsNotBroughtBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	sleeper, err := auditlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer sleeper.Close() //nolint:errcheck // the files are read
	other, err := auditlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s, o := &interference{t: t, path: path, log: sleeper}, &interference{t: t, path: path, log: other, next: 10}
	s.append(2)
	if err := other.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	auditlog.WaitForCompression(other)
	o.append(1)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s.append(1)
	s.want(path, 0, 1, 10, 2)
}

func TestAFolderThatWasMovedIsWaitedForAndNotMadeAgain(t *testing.T) {
	interfere(t, func(i *interference) {
		dir := filepath.Dir(i.path)
		away := dir + ".away"
		if err := os.Rename(dir, away); err != nil {
			t.Fatal(err)
		}
		i.notice()
		for range 2 {
			if err := i.log.Append(i.t.Context(), numbered("lost", 99)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("without the folder: got error %v, want that it is not there", err)
			}
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v of the folder, want that it is not there", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		i.notice()
		i.append(3)
		i.want(filepath.Join(away, "audit.jsonl"), 0, 1, 2, 3, 4)
		i.want(i.path, 0, 1, 2, 3, 4, 5, 6, 7) // those that were not synced are in both
	})
}

func TestAFolderThatWasRemovedIsWaitedForAndItsFileBroughtBack(t *testing.T) {
	interfere(t, func(i *interference) {
		dir := filepath.Dir(i.path)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		i.notice()
		if err := i.log.Append(i.t.Context(), numbered("lost", 99)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without the folder: got error %v, want that it is not there", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		i.notice()
		i.append(3)
		i.want(i.path, 0, 1, 2, 3, 4, 5, 6, 7)
	})
}

// The file is looked for from the folder, which is kept open, and the folder
// was moved.
func TestARepairLeavesTheFileOfAnotherInANewFolderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &interference{t: t, path: filepath.Join(t.TempDir(), "audit.jsonl")}
		open := func() *auditlog.Log {
			log, err := auditlog.Open(i.path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			return log
		}
		first := open()
		i.log = first
		i.append(5)
		dir := filepath.Dir(i.path)
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		if err := first.Sync(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without the folder: got error %v, want that it is not there", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		i.log = open()
		i.append(3)
		for range 3 { // each of them may find the file locked by the other
			i.notice()
		}
		i.log = first
		i.append(3)
		got := i.numbers(i.path)
		slices.Sort(got)
		if want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}
