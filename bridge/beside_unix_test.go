//go:build unix

package bridge_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/bridge"
)

// The files of the bridge, by what is added to the path of the checkpoint. Of these
// the temporary file is removed, whatever it is, and the others are used.
const (
	theCheckpoint = ""
	theTemporary  = ".tmp"
	theLock       = ".lock"
	theRejectFile = "rejected"
)

func fileOf(b *bridge.Bridge, which string) string {
	if which == theRejectFile {
		return b.RejectFile()
	}
	return b.Checkpoint() + which
}

// TestWhatOthersPutBesideTheLogIsNeitherFollowedNorWaitedFor has each file of the
// bridge be something else before it runs. Its record is refused by the collector, so
// that the reject file is written.
func TestWhatOthersPutBesideTheLogIsNeitherFollowedNorWaitedFor(t *testing.T) {
	kinds := map[string]struct {
		put  func(name, victim string) error
		want string
	}{
		"link":     {func(name, victim string) error { return os.Symlink(victim, name) }, "symbolic link to"},
		"dangling": {func(name, victim string) error { return os.Symlink(victim+".new", name) }, "symbolic link to"},
		"FIFO":     {func(name, _ string) error { return syscall.Mkfifo(name, 0o600) }, "a FIFO"},
	}
	if os.Geteuid() == 0 {
		kinds["stranger"] = struct {
			put  func(name, victim string) error
			want string
		}{func(name, _ string) error {
			return errors.Join(os.WriteFile(name, nil, 0o600), os.Chown(name, 12345, -1))
		}, "belongs to user 12345"}
	}
	for kind, tt := range kinds {
		for _, which := range []string{theCheckpoint, theTemporary, theLock, theRejectFile} {
			t.Run(kind+" as "+which, func(t *testing.T) {
				var c collector
				path, url := logPath(t), c.serve(t)
				c.push(c.refuse("a"))
				write(t, path, line("a")+"\n")
				victim := filepath.Join(t.TempDir(), "victim")
				write(t, victim, "precious")
				b := newBridge(t, path, url)
				name := fileOf(b, which)
				if err := tt.put(name, victim); err != nil {
					t.Fatal(err)
				}
				_, err := b.Run(t.Context())
				if which == theTemporary {
					if err != nil || c.requests == 0 {
						t.Errorf("got %v after %d requests, want the temporary file to be replaced", err, c.requests)
					}
				} else if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), tt.want) || c.requests != 0 {
					t.Errorf("got %v after %d requests, want an error with %s and %q, and no request", err, c.requests, name, tt.want)
				}
				if got := read(t, victim); got != "precious" {
					t.Errorf("the file that the link leads to holds %q", got)
				}
				if _, err := os.Lstat(victim + ".new"); err == nil {
					t.Error("a dangling link was followed")
				}
			})
		}
	}
}

// TestAHugeCheckpointIsNotRead makes it a sparse file of 1 TiB.
func TestAHugeCheckpointIsNotRead(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	for _, opts := range [][]bridge.Option{nil, {bridge.WithFromStart()}} {
		b := newBridge(t, path, url, opts...)
		write(t, b.Checkpoint(), "")
		if err := os.Truncate(b.Checkpoint(), 1<<40); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), b.Checkpoint()) || c.requests != 0 {
			t.Errorf("got %v after %d requests, want an error that names the checkpoint", err, c.requests)
		}
	}
}

// TestTheSearchForThePlaceEndsWithItsContext has a checkpoint behind 1 TiB of NULs.
func TestTheSearchForThePlaceEndsWithItsContext(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, "")
	const size = 1 << 40
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	b := newBridge(t, path, url)
	sum := func(n int) string {
		s := sha256.Sum256(make([]byte, n))
		return hex.EncodeToString(s[:])
	}
	write(t, b.Checkpoint(), fmt.Sprintf(`{"version":1,"endpoint":%q,"file":"audit.jsonl","offset":%d,"line":1,`+
		`"head":{"offset":0,"length":4096,"sha256":%q},"tail":{"offset":%d,"length":1,"sha256":%q}}`,
		b.Endpoint(), size, sum(4096), size-1, sum(1)))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// TestARefusedArchiveIsSkippedAsDamage has a FIFO and a link among the archives.
func TestARefusedArchiveIsSkippedAsDamage(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	other := filepath.Join(t.TempDir(), "other")
	write(t, other, line("other")+"\n")
	write(t, path, line("a")+"\n")
	archive(t, path, "20260101_000000")
	write(t, path, line("b")+"\n")
	dir := filepath.Dir(path)
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(dir, "audit_20260102_000000.jsonl.gz"), 0o600),
		os.Symlink(other, filepath.Join(dir, "audit_20260103_000000.jsonl")),
	); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, path, url), (bridge.Stats{Read: 2, Sent: 2, Damaged: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := run(t, path, url); got.Sent != 0 || got.Restarted {
		t.Errorf("second run: got %+v, want nothing sent", got)
	}
}

// TestWhatRootMakesBesideALogBelongsToItsOwner has root replay the log of another user,
// who then goes on with the same checkpoint.
func TestWhatRootMakesBesideALogBelongsToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	const owner = 12345
	var c collector
	path, url := logPath(t), c.serve(t)
	c.push(c.refuse("a"))
	write(t, path, line("a")+"\n"+line("b")+"\n")
	if err := errors.Join(os.Chown(path, owner, owner), os.Chown(filepath.Dir(path), owner, owner)); err != nil {
		t.Fatal(err)
	}
	b := newBridge(t, path, url, bridge.WithBatchSize(1))
	for range 2 {
		if _, err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, which := range []string{theCheckpoint, theLock, theRejectFile} {
			info, err := os.Stat(fileOf(b, which))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Sys().(*syscall.Stat_t).Uid; got != owner {
				t.Errorf("%s belongs to user %d, want %d", info.Name(), got, owner)
			}
		}
		appendTo(t, path, line("c")+"\n")
	}
}

// TestTheBridgeWritesToNoFileOfTheLog names files of the log, and files of the bridge
// itself, as checkpoint and reject file. A checkpoint replaces what it is saved over.
func TestTheBridgeWritesToNoFileOfTheLog(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	dir := filepath.Dir(path)
	alias, gone := filepath.Join(t.TempDir(), "alias"), filepath.Join(dir, "other.jsonl")
	plain := filepath.Join(dir, "audit_20260101_000000.jsonl")
	beside := filepath.Join(dir, "c")
	write(t, plain, line("a")+"\n")
	write(t, path, line("b")+"\n")
	if err := os.Symlink(dir, alias); err != nil {
		t.Fatal(err)
	}
	before := read(t, path) + read(t, plain)
	for name, tt := range map[string]struct {
		log, checkpoint, reject string
	}{
		"checkpoint is the log":                {checkpoint: path},
		"checkpoint is the log by a link":      {checkpoint: filepath.Join(alias, filepath.Base(path))},
		"checkpoint is an archive":             {checkpoint: plain},
		"checkpoint is a log that is not made": {log: gone, checkpoint: gone},
		"temporary file is the log":            {log: beside + ".tmp", checkpoint: beside},
		"lock is the log":                      {log: beside + ".lock", checkpoint: beside},
		"reject file is the log":               {reject: path},
		"reject file is an archive":            {reject: filepath.Join(alias, filepath.Base(plain))},
		"reject file is the checkpoint":        {checkpoint: beside, reject: filepath.Join(alias, "c")},
		"reject file is the temporary file":    {checkpoint: beside, reject: beside + ".tmp"},
		"reject file is the lock":              {checkpoint: beside, reject: beside + ".lock"},
	} {
		opts := []bridge.Option{bridge.WithFromStart()}
		if tt.checkpoint != "" {
			opts = append(opts, bridge.WithCheckpoint(tt.checkpoint))
		}
		if tt.reject != "" {
			opts = append(opts, bridge.WithRejectFile(tt.reject))
		}
		if tt.log == "" {
			tt.log = path
		}
		_, err := newBridge(t, tt.log, url, opts...).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "nothing is sent") || c.requests != 0 {
			t.Errorf("%s: got %v after %d requests, want an error that nothing is sent", name, err, c.requests)
		}
		if got := read(t, path) + read(t, plain); got != before {
			t.Fatalf("%s: the log holds %q, want %q", name, got, before)
		}
	}
}

// TestTheCheckOfARejectFileTakesNoEntryOfAnotherBridge: two bridges with checkpoints of
// their own have the reject file in common.
func TestTheCheckOfARejectFileTakesNoEntryOfAnotherBridge(t *testing.T) {
	path := logPath(t)
	write(t, path, "")
	b := newBridge(t, path, "http://127.0.0.1:1")
	for range 2000 {
		checked := make(chan error)
		go func() { checked <- bridge.CheckRejectFile(b) }()
		err := bridge.AppendReject(b, "entry\n")
		if err = errors.Join(err, <-checked); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(b.RejectFile()); err != nil || string(got) != "entry\n" {
			t.Fatalf("the reject file holds %q, %v, want the entry", got, err)
		}
		if err := os.Remove(b.RejectFile()); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want nothing left", left, err)
	}
}
