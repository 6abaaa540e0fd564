package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

const checkpointVersion = 1

// checkpointInfix stands between the path of the log and the tag of the
// endpoint in the default name of a checkpoint.
const checkpointInfix = ".checkpoint-"

// headSize is how many bytes at the beginning of a file are compared. They may
// be the same in several files: lines of other programs need no time.
const headSize = 4096

// checkpoint is the content of a checkpoint file: where the next unsent line
// begins, and what stands before it. A position is used only after the bytes
// before it were compared, so that a file that was rotated is recognised under
// its new name, and one that was truncated or replaced is not taken for it.
type checkpoint struct {
	Version  int    `json:"version"`
	Endpoint string `json:"endpoint"`
	// File is the base name the file had when the checkpoint was saved.
	File string `json:"file"`
	// Offset is the position in the uncompressed content, Line the number of
	// lines before it.
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"`
	// Head is the beginning of the file, Tail the last line that was passed.
	Head history.Span `json:"head"`
	Tail history.Span `json:"tail"`
	// Previous is the nearest file before it that can be named: the position is
	// in the file after it, and when that is gone, what comes after Previous is
	// what is new.
	Previous *fileID `json:"previous,omitempty"`
}

// fileID names a whole file.
type fileID struct {
	File string       `json:"file"`
	Head history.Span `json:"head"`
}

// maxCheckpoint is more than a checkpoint has, in bytes: its parts of any length are
// the endpoint and two file names.
const maxCheckpoint = 1 << 20

// readCheckpoint returns the content of the file at path; nil if there is none.
func readCheckpoint(beside vfs.Beside, path string) (data []byte, err error) {
	f, err := beside.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if len(data) > maxCheckpoint {
		return nil, fmt.Errorf("read checkpoint %s: it has more than %d bytes, so the bridge did not write it; remove it, or use another checkpoint", path, maxCheckpoint)
	}
	return data, nil
}

// loadCheckpoint reads a checkpoint of the given endpoint; nil if there is
// none.
func loadCheckpoint(beside vfs.Beside, path, endpoint string) (*checkpoint, error) {
	data, err := readCheckpoint(beside, path)
	if err != nil || data == nil {
		return nil, err
	}
	cp := new(checkpoint)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(cp); err != nil {
		return nil, fmt.Errorf("read checkpoint %s: %w; it is not as the bridge wrote it: restore it, or start from the oldest event with WithFromStart", path, err)
	}
	switch {
	case cp.Version != checkpointVersion:
		return nil, fmt.Errorf("read checkpoint %s: it has version %d and this program writes %d; use a newer program or another checkpoint, or start from the oldest event with WithFromStart",
			path, cp.Version, checkpointVersion)
	case cp.Endpoint != endpoint:
		return nil, fmt.Errorf("read checkpoint %s: it belongs to the endpoint %s, not to %s; use another checkpoint for this one, or start from the oldest event with WithFromStart",
			path, cp.Endpoint, endpoint)
	case !cp.consistent():
		return nil, fmt.Errorf("read checkpoint %s: its numbers do not fit together; restore it, or start from the oldest event with WithFromStart", path)
	}
	return cp, nil
}

func (cp *checkpoint) consistent() bool {
	return cp.Offset > 0 && cp.Line >= 0 &&
		cp.Head.Offset == 0 && cp.Head.Length > 0 && cp.Head.Length <= min(headSize, cp.Offset) &&
		cp.Tail.Offset >= 0 && cp.Tail.Length >= 0 && cp.Tail.Length <= cp.Offset && cp.Tail.Offset <= cp.Offset-cp.Tail.Length
}

// saveCheckpoint makes cp durable under path. In this order, so that a crash
// at any moment leaves the old checkpoint or the new one:
//
//	unlink path.tmp, make it; write; fsync; close
//	rename path.tmp to path
//	fsync the folder
//
// The lock of the bridge makes the name path.tmp its own.
func saveCheckpoint(beside vfs.Beside, path string, cp *checkpoint) (err error) {
	data, err := json.Marshal(cp)
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	if err := replaceCheckpoint(beside, path, append(data, '\n')); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return nil
}

// tempSuffix is added to the path of a checkpoint while it is written.
const tempSuffix = ".tmp"

func replaceCheckpoint(beside vfs.Beside, path string, data []byte) error {
	tmp := path + tempSuffix
	if err := writeSynced(beside, tmp, data); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return vfs.OS{}.SyncDir(filepath.Dir(path))
}

// writeSynced makes a new file at path and makes it durable. After an error no file is
// left: perhaps the disk is full.
func writeSynced(beside vfs.Beside, path string, data []byte) error {
	f, err := beside.Replace(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// checkpointRoom is more than a checkpoint usually takes, in bytes.
const checkpointRoom = 4096

// trySave reports why a checkpoint could not be saved under path. What is sent
// then is sent again by the next run, and by each that a supervisor starts. An
// existing checkpoint is replaced by itself: an immutable one, or another user's in a
// folder with the sticky bit, fails that only.
func trySave(beside vfs.Beside, path string) error {
	tmp := path + tempSuffix
	err := writeSynced(beside, tmp, make([]byte, checkpointRoom))
	if err == nil {
		err = os.Remove(tmp)
	}
	if err == nil {
		var data []byte
		if data, err = readCheckpoint(beside, path); err == nil && data != nil {
			err = replaceCheckpoint(beside, path, data)
		}
	}
	if err != nil {
		return fmt.Errorf("nothing is sent, because no checkpoint can be saved: %w; the bridge needs to write there, or a checkpoint elsewhere", err)
	}
	return nil
}

// mark names the place of cp by the bytes before it.
func (cp *checkpoint) mark() history.Mark {
	return history.Mark{Offset: cp.Offset, Head: cp.Head, Tail: cp.Tail}
}

// mark names the beginning of the file.
func (id *fileID) mark() history.Mark {
	return history.Mark{Offset: id.Head.Length, Head: id.Head, Tail: history.SpanOf(0, nil)}
}

// sameFile reports whether two base names are forms of one file: an archive is
// plain until it is compressed.
func sameFile(a, b string) bool {
	return strings.TrimSuffix(a, ".gz") == strings.TrimSuffix(b, ".gz")
}
