package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFolderIsNotTrustedJustAfterAChange(t *testing.T) {
	r := logAt(filepath.Join(t.TempDir(), "audit.jsonl"))
	state := func() folderState {
		s, err := r.folderState()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Now()
	if err := os.Chtimes(r.Dir, now, now.Add(time.Minute)); err != nil { // a clock of its own
		t.Fatal(err)
	}
	if s := state(); s.same(s) {
		t.Errorf("a folder that was changed just now is settled: %+v", s)
	}
	if err := os.Chtimes(r.Dir, now, now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if s := state(); !s.same(s) {
		t.Errorf("a folder that was changed a minute ago is not settled: %+v", s)
	}
}
