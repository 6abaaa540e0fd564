package history

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// TestAMarkIsInTheFileThatHoldsWhatLayBeforeIt compares marks with plain and compressed
// files that hold the content, or another one.
func TestAMarkIsInTheFileThatHoldsWhatLayBeforeIt(t *testing.T) {
	content := make([]byte, 3000)
	for i := range content {
		content[i] = byte(i*i>>3 + i)
	}
	changed := func(at int) []byte {
		c := bytes.Clone(content)
		c[at]++
		return c
	}
	for _, offset := range []int{0, 1, 100, markSize - 1, markSize, markSize + 1, 2*markSize - 1, 2000, len(content)} {
		near, err := markAt(bytes.NewReader(content), int64(offset), Span{})
		if err != nil {
			t.Fatal(err)
		}
		marks := map[string]Mark{"tail at the place": near}
		if offset > 40 { // as a checkpoint, whose tail is a line and may end before the place
			marks["tail before the place"] = Mark{
				Offset: int64(offset), Head: SpanOf(0, content[:30]), Tail: SpanOf(int64(offset)-40, content[offset-40:offset-20]),
			}
		}
		for name, m := range marks {
			inHead, inTail := min(offset, 29), int(m.Tail.Offset)
			for _, test := range []struct {
				what    string
				content []byte
				want    bool
			}{
				{"the same", content, true},
				{"longer", append(bytes.Clone(content), "more"...), true},
				{"cut at the place", content[:offset], true},
				{"cut before the place", content[:max(offset-1, 0)], offset == 0},
				{"changed in the head", changed(inHead), offset == 0 || inHead >= offset},
				{"changed in the tail", changed(inTail), offset == 0},
				{"changed after the place", append(bytes.Clone(content[:offset]), "other"...), true},
			} {
				for form, f := range filesOf(t, test.content) {
					got, err := m.IsIn(t.Context(), f)
					if err != nil || got != test.want {
						t.Errorf("offset %d, %s, %s, %s: got %v, %v, want %v", offset, name, test.what, form, got, err, test.want)
					}
				}
			}
		}
	}
}

// filesOf returns files with the content: the active file and archives in both forms.
func filesOf(t *testing.T, content []byte) map[string]*scan.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	source := &logAt(path).Source
	id := archive.ID{Stamp: "20260213_143022", N: 1}
	plain, other := source.Archive(id, true), source.Archive(archive.ID{Stamp: "20260213_143022", N: 2}, false)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(content)
	err = errors.Join(err, z.Close(), os.WriteFile(path, content, 0o600), os.WriteFile(plain.Path, content, 0o600), os.WriteFile(other.Path, packed.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := handle.Close(); err != nil {
			t.Error(err)
		}
	})
	active, err := source.Active(handle)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*scan.File{"active": active, "plain": plain, "compressed": other}
}
