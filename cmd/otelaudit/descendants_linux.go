package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// process is a process as /proc shows it.
type process struct {
	pid, parent, group int
	start              string // in ticks since the system's start: with pid, it identifies the process
	name               string
	dead               bool // all of its threads, and not waited for
}

func (p process) String() string {
	if p.pid == 0 {
		return fmt.Sprintf("process group %d", p.group)
	}
	return fmt.Sprintf("%d (%s)", p.pid, visible.Text(p.name))
}

// readProcess reads /proc/PID/stat, whose second field, the name, may hold anything.
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if err != nil || open < 0 || end < open {
		return process{}, false
	}
	const stateField, parentField, groupField, threadsField, startField = 0, 1, 2, 17, 19
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) <= startField {
		return process{}, false
	}
	parent, err := strconv.Atoi(fields[parentField])
	group, err2 := strconv.Atoi(fields[groupField])
	threads, err3 := strconv.Atoi(fields[threadsField])
	return process{
		pid: pid, parent: parent, group: group, start: fields[startField],
		// If only the first thread has ended, the others go on under a Z.
		name: string(stat[open+1 : end]), dead: (fields[stateField] == "Z" || fields[stateField] == "X") && threads <= 1,
	}, err == nil && err2 == nil && err3 == nil
}

// descendants returns the living processes that this one started, directly or not,
// but for those whose pid is in except, and theirs. This process is a subreaper: a
// daemon whose parent has ended is its child.
//
// It also returns dead children. One may have died while this read /proc, after it
// had started a process that is not in the list. If none is waited for meanwhile, an
// empty list says that there is nothing.
func descendants(except []int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // the process group is known all the same
	}
	children := make(map[int][]process)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || slices.Contains(except, pid) {
			continue
		}
		if p, ok := readProcess(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var found []process
	for parents := []int{os.Getpid()}; len(parents) > 0; parents = parents[1:] {
		list := children[parents[0]]
		delete(children, parents[0]) // what was read while processes ended may have a circle
		for _, p := range list {
			parents = append(parents, p.pid)
			if !p.dead || p.parent == os.Getpid() {
				found = append(found, p)
			}
		}
	}
	return found
}

// signal sends sig to p and not to another process that got its pid. That p is gone
// is no error.
func (p process) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case err != nil: // a kernel before 5.3
		err = unix.Kill(p.pid, sig)
	default:
		defer unix.Close(fd) //nolint:errcheck // nothing was written
		if now, ok := readProcess(p.pid); !ok || now.start != p.start {
			return nil
		}
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
