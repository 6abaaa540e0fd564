package bridge_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// immutable is FS_IMMUTABLE_FL of linux/fs.h, what chattr +i sets.
const immutable = 0x10

// makeImmutable keeps a file from being replaced until the test ends, or skips the test.
func makeImmutable(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		t.Skipf("no file can be made immutable here: %v", errors.Join(err, f.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags), f.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsSentIfTheCheckpointCannotBeReplaced: the folder takes the temporary
// file, and only the rename fails.
func TestNothingIsSentIfTheCheckpointCannotBeReplaced(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	run(t, path, url)
	b := newBridge(t, path, url)
	saved := read(t, b.Checkpoint())
	makeImmutable(t, b.Checkpoint())
	appendTo(t, path, line("b")+"\n")
	for range 2 { // as a supervisor starts it again
		_, err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), b.Checkpoint()) || !strings.Contains(err.Error(), "nothing is sent") {
			t.Errorf("got %v, want an error that nothing is sent because of %s", err, b.Checkpoint())
		}
	}
	if c.requests != 1 || read(t, b.Checkpoint()) != saved {
		t.Errorf("got %d requests and the checkpoint %s, want one request and the first checkpoint", c.requests, read(t, b.Checkpoint()))
	}
	if _, err := os.Lstat(b.Checkpoint() + ".tmp"); err == nil {
		t.Error("the temporary file is left")
	}
}
