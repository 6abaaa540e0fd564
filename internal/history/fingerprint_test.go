package history

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestFingerprintKnowsWhereAFileChanged reads a file in parts, changes it, and asks.
func TestFingerprintKnowsWhereAFileChanged(t *testing.T) {
	for _, size := range []int64{1, 100, blockSize, blockSize + 1, 10 * blockSize, 40*blockSize + 17} {
		random := rand.New(rand.NewPCG(1, uint64(size)))
		content := randomBytes(random, size+blockSize)
		for range 200 {
			tr, to := readInParts(t, random, content, size)
			intact := bytes.NewReader(content)
			if got, err := tr.agrees(intact); err != nil || got != to {
				t.Fatalf("intact: it agrees up to %d, %v, want %d", got, err, to)
			}
			if begins, err := tr.begins(intact); err != nil || !begins {
				t.Fatalf("intact: begins = %t, %v", begins, err)
			}
			at := random.Int64N(to)
			cut := bytes.NewReader(content[:at])
			other := append(bytes.Clone(content[:at]), randomBytes(random, to-at+100)...)
			other[at] = content[at] + 1
			grown := bytes.NewReader(other)
			for name, changed := range map[string]*bytes.Reader{"cut": cut, "grown": grown} {
				got, err := tr.agrees(changed)
				if want := at &^ (blockSize - 1); err != nil || got != want {
					t.Fatalf("%s at %d of %d: it agrees up to %d, %v, want %d", name, at, to, got, err, want)
				}
				if begins, err := tr.begins(bytes.NewReader(content[:at])); err != nil || begins {
					t.Fatalf("%s at %d of %d: begins = %t, %v", name, at, to, begins, err)
				}
			}
		}
	}
}

// readInParts remembers content up to size or, by a shorter last part, a little
// less.
func readInParts(t *testing.T, random *rand.Rand, content []byte, size int64) (tr fingerprint, to int64) {
	t.Helper()
	for {
		part := 1 + random.Int64N(size)
		if to+part > size && to > 0 {
			return tr, to
		}
		to = min(to+part, size)
		before, end := tr, tr.to
		if err := tr.extend(bytes.NewReader(content), to); err != nil || tr.to != to {
			t.Fatalf("extend to %d: it ends at %d, %v", to, tr.to, err)
		}
		// A copy stays what it was.
		if got, err := before.agrees(bytes.NewReader(content)); err != nil || got != end {
			t.Fatalf("the trail before agrees up to %d, %v, want %d", got, err, end)
		}
	}
}

func randomBytes(random *rand.Rand, n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestFingerprintHasABound(t *testing.T) {
	const window = maxBlocks * blockSize
	random := rand.New(rand.NewPCG(1, 2))
	content := randomBytes(random, 2*window+5)
	var all, parts fingerprint
	if err := all.extend(bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	for to := int64(0); to < int64(len(content)); {
		to = min(to+100*blockSize+1, int64(len(content)))
		if err := parts.extend(bytes.NewReader(content), to); err != nil {
			t.Fatal(err)
		}
	}
	for name, tr := range map[string]fingerprint{"all": all, "parts": parts} {
		if got := len(tr.sums); got < maxBlocks || got > maxBlocks*5/4+1 {
			t.Errorf("%s: %d blocks are remembered, want about %d", name, got, maxBlocks)
		}
		if begins, err := tr.begins(bytes.NewReader(content)); err != nil || !begins {
			t.Errorf("%s: begins = %t, %v", name, begins, err)
		}
		last := tr.to - 1
		for _, change := range []struct {
			at, also, want int64
		}{
			{0, last, 0}, // the first block is always known
			{window / 2, last, tr.to &^ (blockSize - 1)}, // forgotten
			{tr.from, last, 0},                           // nobody knows how much before it
			{tr.from + 9*blockSize, last, tr.from + 9*blockSize},
		} {
			changed := bytes.Clone(content)
			changed[change.at]++
			changed[change.also]++ // whoever truncates changes all that follows
			if got, err := tr.agrees(bytes.NewReader(changed)); err != nil || got != change.want {
				t.Errorf("%s, changed at %d: it agrees up to %d, %v, want %d", name, change.at, got, err, change.want)
			}
		}
	}
}

func TestFingerprintStopsAtTheEndOfTheFile(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), blockSize)
	var tr fingerprint
	if err := tr.extend(bytes.NewReader(content[:5000]), 6000); err != nil || tr.to != 5000 {
		t.Fatalf("it ends at %d, %v, want 5000", tr.to, err)
	}
	if got, err := tr.agrees(bytes.NewReader(content)); err != nil || got != 5000 {
		t.Errorf("it agrees up to %d, %v, want 5000", got, err)
	}
	// It can go back as well.
	if err := tr.extend(bytes.NewReader(content), 100); err != nil || tr.to != 100 {
		t.Fatalf("it ends at %d, %v, want 100", tr.to, err)
	}
	if got, err := tr.agrees(bytes.NewReader(content[:100])); err != nil || got != 100 {
		t.Errorf("it agrees up to %d, %v, want 100", got, err)
	}
}
