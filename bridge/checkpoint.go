package bridge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	Head span `json:"head"`
	Tail span `json:"tail"`
	// Previous is the nearest file before it that can be named: the position is
	// in the file after it, and when that is gone, what comes after Previous is
	// what is new.
	Previous *fileID `json:"previous,omitempty"`
}

// span names a part of a file by its content.
type span struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	SHA256 string `json:"sha256"`
}

// fileID names a whole file.
type fileID struct {
	File string `json:"file"`
	Head span   `json:"head"`
}

func spanOf(offset int64, content []byte) span {
	sum := sha256.Sum256(content)
	return span{Offset: offset, Length: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
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

// content is a file of the log, as far as the checkpoint looks at it.
type content interface {
	Content() (io.ReadCloser, error)
}

// interruptible is a content whose reading ends with its context: up to the place of
// a checkpoint there may be any number of bytes.
type interruptible struct {
	content
	ctx context.Context
}

func (c interruptible) Content() (io.ReadCloser, error) {
	r, err := c.content.Content()
	return interruptibleReader{r, c.ctx}, err
}

type interruptibleReader struct {
	io.ReadCloser
	ctx context.Context
}

func (r interruptibleReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}

// matches reports whether the content of f up to the position of cp is what
// stood before it when cp was saved.
func (cp *checkpoint) matches(f content) (ok bool, err error) {
	r, err := f.Content()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head := make([]byte, cp.Head.Length)
	if _, err := io.ReadFull(r, head); err != nil {
		return false, shortIsNil(err)
	}
	if spanOf(0, head) != cp.Head {
		return false, nil
	}
	// The tail may begin within the head.
	rest := io.MultiReader(bytes.NewReader(head), r)
	tail := sha256.New()
	for _, part := range []struct {
		w io.Writer
		n int64
	}{
		{io.Discard, cp.Tail.Offset},
		{tail, cp.Tail.Length},
		{io.Discard, cp.Offset - cp.Tail.Offset - cp.Tail.Length},
	} {
		if _, err := io.CopyN(part.w, rest, part.n); err != nil {
			return false, shortIsNil(err)
		}
	}
	return hex.EncodeToString(tail.Sum(nil)) == cp.Tail.SHA256, nil
}

// matches reports whether f begins as the file that id names.
func (id *fileID) matches(f content) (bool, error) {
	head, err := readHead(f, id.Head.Length)
	if err != nil {
		return false, err
	}
	return spanOf(0, head) == id.Head, nil
}

// readHead returns the first n bytes of f, fewer if it is shorter.
func readHead(f content, n int64) (head []byte, err error) {
	r, err := f.Content()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head, err = io.ReadAll(io.LimitReader(r, n))
	if errors.Is(err, io.ErrUnexpectedEOF) { // a truncated archive
		err = nil
	}
	return head, err
}

// shortIsNil drops the errors that only say that there are no more bytes.
func shortIsNil(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// sameFile reports whether two base names are forms of one file: an archive is
// plain until it is compressed.
func sameFile(a, b string) bool {
	return strings.TrimSuffix(a, ".gz") == strings.TrimSuffix(b, ".gz")
}
