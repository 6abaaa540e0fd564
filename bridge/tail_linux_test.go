package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/internal/alloctest"
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

// TestFollowReadsALongUnfinishedLineNotAtEveryLook: a torn line of many MiB, or a
// file that its writer has made longer in advance, may stay as it is for days.
func TestFollowReadsALongUnfinishedLineNotAtEveryLook(t *testing.T) {
	const size = 4 << 20
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var c collector
		path := filepath.Join(dir, "audit.jsonl")
		write(t, path, line("a")+"\n"+`{"event":"b","x":"`)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, path, "http://collector", bridge.WithTransport(inMemory{&c}), bridge.WithPolling())
		// during returns how many bytes are read meanwhile.
		during := func(d time.Duration) int64 {
			before := bytesRead(t)
			time.Sleep(d)
			synctest.Wait()
			return bytesRead(t) - before
		}
		during(time.Second)
		if got := len(c.records()); got != 1 {
			t.Fatalf("got %d events, want the first one", got)
		}
		if err := os.Truncate(path, info.Size()+size); err != nil {
			t.Fatal(err)
		}
		// The time of the file is to be that of the bubble.
		if err := os.Chtimes(path, time.Time{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := during(2 * time.Second); got < size {
			t.Errorf("%d bytes were read after the file became longer, want %d and more", got, size)
		}
		if got := during(2 * time.Second); got >= size {
			t.Errorf("%d bytes were read of a file that did not change, want less than %d", got, size)
		}
		// A change through a memory mapping would not show.
		if got := during(5 * time.Second); got < size || got >= 2*size {
			t.Errorf("%d bytes were read within 5 seconds, want %d and a little more", got, size)
		}
		// What is written over the NULs is seen all the same, also with an older
		// time than before.
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteAt([]byte("\"}\n"+line("c")+"\n"), info.Size())
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
		during(time.Second)
		if diff := cmp.Diff([]string{"a", "b", "c"}, c.names()); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		f.stop(t)
	})
}

// TestFollowDoesNotHoldALineThatHasNotEnded has one of 16 MiB that is an event so
// far, and would be held four times a second.
func TestFollowDoesNotHoldALineThatHasNotEnded(t *testing.T) {
	const size, most = 4 << 20, 1 << 20
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var c collector
		path := filepath.Join(dir, "audit.jsonl")
		write(t, path, line("a")+"\n"+`{"event":"b","reason":"`+strings.Repeat("x", size))
		var f *follower
		if got := alloctest.Largest(func() {
			f = follow(t, path, "http://collector", bridge.WithTransport(inMemory{&c}), bridge.WithPolling())
			time.Sleep(10 * time.Second)
		}, "bridge.(*reader)."); got > most || got == 0 {
			t.Errorf("the reader allocated %d bytes at once, want %d at most", got, most)
		}
		if diff := cmp.Diff([]string{"a"}, c.names()); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteString("\"}\n" + line("c") + "\n")
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"b", "c"}, c.names()); diff != "" {
			t.Errorf("arrived when it had ended (-want +got):\n%s", diff)
		}
		if got := f.stop(t); got.Damaged > 0 || got.Sent != 3 {
			t.Errorf("got %+v, want 3 sent", got)
		}
	})
}
