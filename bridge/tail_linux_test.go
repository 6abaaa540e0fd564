package bridge_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/watch"
)

// bytesRead returns how many bytes this process has read so far.
func bytesRead(t *testing.T) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, "/proc/self/io"), "rchar: ")
	n, err := strconv.ParseInt(strings.SplitN(rest, "\n", 2)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFollowReadsALongUnfinishedLineNotAtEveryLook: a torn line of 64 MiB, or a
// file that its writer has made longer in advance, may stay as it is for days.
func TestFollowReadsALongUnfinishedLineNotAtEveryLook(t *testing.T) {
	const size = 64 << 20
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n"+`{"event":"b","x":"`)
	f := follow(t, path, url)
	c.arrive(t, 1)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	start := bytesRead(t)
	if err := os.Truncate(path, info.Size()+size); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it to be read", func() bool { return bytesRead(t)-start >= size })
	waitFor(t, "six looks without reading it", func() bool {
		before := bytesRead(t)
		time.Sleep(6 * watch.DefaultInterval)
		return bytesRead(t)-before < size
	})
	// What is written over the NULs is seen all the same.
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("\"}\n"+line("c")+"\n"), info.Size()); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	c.arrive(t, 3)
	f.stop(t)
}
