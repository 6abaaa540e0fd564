//go:build unix

package torture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ledger is what the writers of a log were told.
type ledger struct {
	mu      sync.Mutex
	changed *sync.Cond
	writers map[string]*account // by name of the goroutine
	gone    map[string]bool     // processes whose pipe has ended
	errors  []string
}

// account is what one goroutine was told. Its events are numbered from 0.
type account struct {
	process      string
	inFile       int  // so many are in the file
	acknowledged int  // of those the Append of so many returned nil
	synced       int  // so many are on disk
	refused      bool // the last word was an error: no other is in the file
	batch        int  // so many more may be, of an Append whose end nobody saw

	// What acknowledged and synced were at the last mark.
	marked struct{ acknowledged, synced int }
}

func newLedger() *ledger {
	l := &ledger{writers: map[string]*account{}, gone: map[string]bool{}}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// open makes the accounts of a job's goroutines.
func (l *ledger) open(j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range j.Goroutines {
		l.writers[fmt.Sprintf("%s.%d", j.Name, g)] = &account{process: j.Name, batch: j.Batch}
	}
}

// enter takes a line of the pipe.
func (l *ledger) enter(line string) error {
	what, rest, _ := strings.Cut(line, " ")
	name, rest, _ := strings.Cut(rest, " ")
	number, text, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("pipe: %q", line)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.writers[name]
	if a == nil {
		return fmt.Errorf("pipe: %q: %s has no account", line, name)
	}
	a.refused = what == "E"
	switch what {
	case "A":
		a.acknowledged += n - a.inFile
		a.inFile = n
	case "D":
		a.inFile = n
	case "S":
		a.synced = n
	case "E":
		l.errors = append(l.errors, name+": "+text)
	default:
		return fmt.Errorf("pipe: %q", line)
	}
	l.changed.Broadcast()
	return nil
}

// mark keeps what the writers of processes were told until now.
func (l *ledger) mark(processes ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.writers {
		if slices.Contains(processes, a.process) {
			a.marked.acknowledged, a.marked.synced = a.acknowledged, a.synced
		}
	}
}

func (l *ledger) left(process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone[process] = true
	l.changed.Broadcast()
}

// await waits until the writers of a process were told that n events are in
// the file, and reports false if it ends before.
func (l *ledger) await(process string, n int) bool {
	return l.awaitUntil(process, func() bool { return l.total(process) >= n })
}

// awaitUntil waits for a condition, which is evaluated under the lock.
func (l *ledger) awaitUntil(process string, condition func() bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !condition() {
		if l.gone[process] {
			return false
		}
		l.changed.Wait()
	}
	return true
}

// inFile returns how many events of a process are in the file.
func (l *ledger) inFile(process string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total(process)
}

func (l *ledger) total(process string) (n int) {
	for _, a := range l.writers {
		if a.process == process {
			n += a.inFile
		}
	}
	return n
}

// said returns the errors that the writers were told.
func (l *ledger) said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errors
}
