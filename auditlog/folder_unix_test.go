//go:build unix

package auditlog_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// movable is the folder of a log, which gives way to another one.
type movable struct {
	t        *testing.T
	dir, old string // where it is reached, and where it is when it gave way
}

func (m *movable) path() string { return filepath.Join(m.dir, "audit.jsonl") }

// giveWays are the ways in which a folder gives way to another, empty one.
var giveWays = map[string]func(t *testing.T) (m *movable, giveWay func()){
	"moved": func(t *testing.T) (*movable, func()) {
		root := t.TempDir()
		m := &movable{t, filepath.Join(root, "log"), filepath.Join(root, "old")}
		m.must(os.Mkdir(m.dir, 0o700))
		return m, func() {
			m.must(os.Rename(m.dir, m.old))
			m.must(os.Mkdir(m.dir, 0o700))
		}
	},
	"a symbolic link that leads elsewhere": func(t *testing.T) (*movable, func()) {
		root := t.TempDir()
		m := &movable{t, filepath.Join(root, "log"), filepath.Join(root, "a")}
		other := filepath.Join(root, "b")
		m.must(os.Mkdir(m.old, 0o700))
		m.must(os.Mkdir(other, 0o700))
		m.must(os.Symlink(m.old, m.dir))
		return m, func() {
			m.must(os.Symlink(other, m.dir+".new"))
			m.must(os.Rename(m.dir+".new", m.dir))
		}
	},
}

func (m *movable) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// open opens a log there whose file system is fsys, the real one if it is nil.
func (m *movable) open(fsys vfs.FS, opts ...auditlog.Option) *auditlog.Log {
	m.t.Helper()
	if fsys != nil {
		opts = append(opts, auditlog.WithFS(fsys))
	}
	log, err := auditlog.Open(m.path(), opts...)
	m.must(err)
	return log
}

func (m *movable) append(log *auditlog.Log, numbers ...int) {
	m.t.Helper()
	for _, n := range numbers {
		m.must(log.Append(m.t.Context(), numbered("w", n)))
	}
}

// in returns the events in a folder.
func (m *movable) in(dir string) (numbers []int) {
	m.t.Helper()
	r, err := auditlog.NewReader(filepath.Join(dir, "audit.jsonl"))
	m.must(err)
	for _, entry := range entries(m.t, r) {
		e, err := entry.Event()
		m.must(err)
		if n, ok := e.Attributes["n"].(int64); ok {
			numbers = append(numbers, int(n))
		}
	}
	return numbers
}

// want closes the logs and checks what is in the folder that gave way, and in
// the one that took its place.
func (m *movable) want(old, now []int, logs ...*auditlog.Log) {
	m.t.Helper()
	for _, l := range logs {
		m.must(l.Close())
	}
	if got := m.in(m.old); !slices.Equal(got, old) {
		m.t.Errorf("in the folder that gave way: %v, want %v", got, old)
	}
	if got := m.in(m.dir); !slices.Equal(got, now) {
		m.t.Errorf("in the folder that took its place: %v, want %v", got, now)
	}
}

// TestAFolderThatGaveWayIsLeftWithinASecond by a log that writes to it all the
// time, for the one where other processes write.
func TestAFolderThatGaveWayIsLeftWithinASecond(t *testing.T) {
	for name, make := range giveWays {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, giveWay := make(t)
				log := m.open(nil)
				m.append(log, 0, 1)
				giveWay()
				other := m.open(nil)
				m.append(other, 100)
				m.append(log, 2) // from the open folder
				time.Sleep(time.Second)
				synctest.Wait()
				m.append(log, 3)
				m.append(other, 101)
				m.append(log, 4)
				m.want([]int{0, 1, 2}, []int{100, 3, 101, 4}, log, other)
			})
		})
	}
}

// TestAFolderThatIsMadeAgainGetsBackWhatWasRemovedWithIt at the next append: a look
// from a folder that was removed finds nothing.
func TestAFolderThatIsMadeAgainGetsBackWhatWasRemovedWithIt(t *testing.T) {
	for name, taken := range map[string]bool{"empty": false, "with the file of another": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &movable{t: t, dir: filepath.Join(t.TempDir(), "log")}
				log := m.open(nil)
				m.append(log, 0, 1)
				m.must(os.RemoveAll(m.dir))
				if err := log.Append(t.Context(), numbered("w", 2)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("Append without a folder = %v, want an error that tells of it", err)
				}
				m.must(os.Mkdir(m.dir, 0o700))
				want := []int{0, 1, 3}
				if taken {
					other := m.open(nil)
					m.append(other, 100)
					m.must(other.Close())
					want = []int{0, 1, 100, 3}
				}
				m.append(log, 3)
				m.must(log.Close())
				if got := m.in(m.dir); !slices.Equal(got, want) {
					t.Errorf("found %v, want %v", got, want)
				}
			})
		})
	}
}

// TestALogGoesOnWhenItsFolderIsThereAgain: meanwhile it refuses what it cannot keep.
func TestALogGoesOnWhenItsFolderIsThereAgain(t *testing.T) {
	for name, sync := range map[string]struct{ before, after bool }{
		"synced":                                {before: true},
		"to be synced when an interval is over": {},
		"synced at once":                        {after: true}, // the file, but not its name
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root := t.TempDir()
				m := &movable{t, filepath.Join(root, "log"), filepath.Join(root, "old")}
				log := m.open(nil)
				m.append(log, 0, 1)
				if sync.before {
					m.must(log.Sync(t.Context()))
				}
				m.must(os.Rename(m.dir, m.old))
				if sync.after {
					if err := log.Sync(t.Context()); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("Sync without a folder = %v, want an error that tells of it", err)
					}
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if err := log.Append(t.Context(), numbered("w", 2)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("Append without a folder = %v, want an error that tells of it", err)
				}
				m.must(os.Mkdir(m.dir, 0o700))
				time.Sleep(2 * time.Second)
				synctest.Wait()
				m.append(log, 3)
				m.must(log.Close())
				if got := m.in(m.old); !slices.Equal(got, []int{0, 1}) {
					t.Errorf("in the folder that was moved: %v", got)
				}
				now := []int{3}
				if !sync.before {
					now = []int{0, 1, 3} // what was not known to be on disk is here too
				}
				if got := m.in(m.dir); !slices.Equal(got, now) {
					t.Errorf("in the folder that is there again: %v, want %v", got, now)
				}
			})
		})
	}
}

// TestAFolderThatGaveWayIsNotTakenForTheOneAtThePath by what renames there: the
// file of another process is neither repaired nor rotated.
func TestAFolderThatGaveWayIsNotTakenForTheOneAtThePath(t *testing.T) {
	for name, make := range giveWays {
		for what, act := range map[string]func(m *movable, log *auditlog.Log, view *view){
			"repair": func(m *movable, log *auditlog.Log, view *view) {
				view.failSync.Store(true)
				m.must(log.Sync(m.t.Context()))
			},
			"rotation": func(m *movable, log *auditlog.Log, _ *view) {
				e := numbered("w", 5)
				e.Reason = strings.Repeat("x", 670) // there is room for it in the other's file
				m.must(log.Append(m.t.Context(), e))
			},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, giveWay := make(t)
					view := newView(vfs.OS{})
					log := m.open(view, auditlog.WithMaxFileSize(1000), auditlog.WithSyncInterval(time.Hour))
					m.append(log, 0, 1, 2)
					m.must(log.Sync(t.Context()))
					m.append(log, 3)
					giveWay()
					other := m.open(nil, auditlog.WithMaxFileSize(1<<20))
					m.append(other, 100, 101)
					m.must(other.Sync(t.Context()))
					m.append(other, 102) // and it holds no copies of what is synced any more
					before, err := os.Stat(m.path())
					m.must(err)
					act(m, log, view)
					if after, err := os.Stat(m.path()); err != nil || !os.SameFile(before, after) {
						t.Errorf("another file has taken the place of the other's: %v, %v", after, err)
					}
					m.append(log, 4)
					m.append(other, 103)
					m.must(log.Close())
					m.must(other.Close())
					old, now := m.in(m.old), m.in(m.dir)
					if !slices.Equal(old, []int{0, 1, 2, 3}) {
						t.Errorf("in the folder that gave way: %v", old)
					}
					if lost := missing([]int{100, 101, 102, 4, 103}, now); len(lost) > 0 {
						t.Errorf("in the folder that took its place: %v, which lacks %v", now, lost)
					}
				})
			})
		}
	}
}

// TestAnArchiveOfTheSameNameIsNotTakenForTheOneThatIsCompressed when the folder gives
// way meanwhile.
func TestAnArchiveOfTheSameNameIsNotTakenForTheOneThatIsCompressed(t *testing.T) {
	for name, make := range giveWays {
		for _, at := range []string{"create", "sync"} {
			t.Run(name+"/"+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, giveWay := make(t)
					g := &givingWay{at: at}
					g.happen = func() {
						archives, err := filepath.Glob(filepath.Join(m.dir, "audit_*.jsonl"))
						if err != nil || len(archives) != 1 {
							t.Errorf("archives: %q, %v", archives, err)
							return
						}
						giveWay()
						line := `{"ts":"2026-02-13T16:30:22.123Z","event":"nav","session_id":"s","n":100}` + "\n"
						if err := os.WriteFile(archives[0], []byte(line), 0o600); err != nil {
							t.Error(err)
						}
					}
					log := m.open(g)
					m.append(log, 0, 1)
					m.must(log.Rotate(t.Context()))
					auditlog.WaitForCompression(log)
					time.Sleep(2 * time.Second)
					synctest.Wait()
					m.append(log, 2)
					m.want([]int{0, 1}, []int{100, 2}, log)
				})
			})
		}
	}
}

// TestLooksGoAlongThePathForWantOfAFolder to look from.
func TestLooksGoAlongThePathForWantOfAFolder(t *testing.T) {
	for name, fsys := range map[string]*noFolders{
		"no descriptor": {err: syscall.EMFILE},
		"stale":         {lookErr: syscall.ESTALE},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root := t.TempDir()
				m := &movable{t, filepath.Join(root, "log"), filepath.Join(root, "old")}
				m.must(os.Mkdir(m.old, 0o700))
				log := m.open(fsys)
				m.append(log, 0, 1)
				m.must(os.Rename(m.path(), filepath.Join(m.old, "audit.jsonl")))
				m.append(log, 2)
				m.must(log.Rotate(t.Context()))
				m.append(log, 3)
				m.want([]int{0, 1}, []int{2, 3}, log)
				if fsys.opened.Load() == 0 {
					t.Error("no look was to be taken from a folder")
				}
			})
		})
	}
}

// TestWritersWhoseFolderIsSwitchedLoseNothing has two logs, one of which is opened
// anew now and then, and a symbolic link that leads to one of three folders in turn,
// at any moment of what they do.
func TestWritersWhoseFolderIsSwitchedLoseNothing(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"without rotation": 1 << 20, "with rotation": 2000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root := t.TempDir()
				m := &movable{t: t, dir: filepath.Join(root, "log")}
				var dirs []string
				for _, name := range []string{"a", "b", "c"} {
					dirs = append(dirs, filepath.Join(root, name))
					m.must(os.Mkdir(dirs[len(dirs)-1], 0o700))
				}
				m.must(os.Symlink(dirs[0], m.dir))
				d := &dice{r: rand.New(rand.NewPCG(1, 2))}
				done := make(chan struct{})
				check := func(err error) {
					if err != nil {
						t.Error(err)
					}
				}
				open := func() *auditlog.Log {
					log, err := auditlog.Open(m.path(), auditlog.WithMaxFileSize(size))
					check(err)
					return log
				}
				var switcher, writers sync.WaitGroup
				switcher.Go(func() {
					for n := 1; ; n++ {
						select {
						case <-done:
							return
						case <-time.After(time.Duration(d.below(int(3 * time.Second)))):
						}
						check(os.Symlink(dirs[n%len(dirs)], m.dir+".new"))
						check(os.Rename(m.dir+".new", m.dir))
					}
				})
				const appends, perLog = 600, 100
				for w := range 2 {
					writers.Go(func() {
						log := open()
						for n := range appends {
							if w == 1 && n%perLog == perLog-1 {
								check(log.Close())
								log = open()
							}
							check(log.Append(t.Context(), numbered("w", w*appends+n)))
							d.pause(100 * time.Millisecond)
						}
						check(log.Close())
					})
				}
				writers.Wait()
				close(done)
				switcher.Wait()
				count := map[int]int{}
				for _, dir := range dirs {
					var last [2]int
					for _, n := range m.in(dir) {
						count[n]++
						if w := n / appends; n < last[w] {
							t.Errorf("%d behind %d", n, last[w])
						} else {
							last[w] = n
						}
					}
				}
				for n := range 2 * appends {
					if count[n] != 1 {
						t.Errorf("event %d is there %d times", n, count[n])
					}
				}
			})
		})
	}
}
