package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkApart reports whether a file that the bridge writes is one of the log, or two
// that it writes are one: a checkpoint replaces what it is saved over.
func (b *Bridge) checkApart(ctx context.Context) (err error) {
	written := []struct{ what, path string }{
		{"checkpoint", b.checkpoint},
		{"temporary file of the checkpoint", b.checkpoint + tempSuffix},
		{"lock of the checkpoint", b.checkpoint + lockSuffix},
		{"reject file", b.rejectFile},
	}
	rejects := written[len(written)-1]
	for _, w := range written[:len(written)-1] {
		if sameName(w.path, rejects.path) {
			return fmt.Errorf("nothing is sent, because %s is the reject file and the %s: name another reject file", w.path, w.what)
		}
	}
	ofTheLog := []string{b.path} // also when it does not exist yet
	snapshot, err := b.log.Snapshot(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, snapshot.Close()) }()
		for _, f := range snapshot.Files() {
			ofTheLog = append(ofTheLog, f.Path)
		}
	}
	for _, of := range ofTheLog {
		for _, w := range written {
			if sameName(w.path, of) {
				return fmt.Errorf("nothing is sent, because the %s %s is a file of the log itself: name another file", w.what, of)
			}
		}
	}
	return nil
}

// sameName reports whether two paths are one name, or two names of one file. A folder
// or file that does not exist, or cannot be looked at, is left to the one who opens it.
func sameName(a, b string) bool {
	return filepath.Base(a) == filepath.Base(b) && sameFileAt(os.Stat, filepath.Dir(a), filepath.Dir(b)) ||
		sameFileAt(os.Lstat, a, b)
}

func sameFileAt(stat func(string) (os.FileInfo, error), a, b string) bool {
	infoA, errA := stat(a)
	infoB, errB := stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
