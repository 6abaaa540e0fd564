package torture

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestPowerCutsTakeArchivesFromOthers cuts the power under rotating writers
// that remove an archive before its compressed form is on disk. It shows that
// the cuts and the audit of this package find a loss where there is one.
func TestPowerCutsTakeArchivesFromOthers(t *testing.T) {
	disktest.NeedRoot(t)
	writer := filepath.Join(t.TempDir(), "peerwriter")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../benchmarks", "-o", writer, "./peerwriter")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the writer of the peers: %v: %s", err, out)
	}
	lost := 0
	for _, peer := range []string{"lumberjack", "timberjack"} {
		for _, fs := range fileSystems {
			t.Run(peer+"/"+fs, func(t *testing.T) {
				disk := disktest.New(t, fs)
				cuts := runs(20)
				var total sum
				for n := range cuts {
					total.add(cutPeer(t, disk, writer, peer, n))
				}
				counts.add(t, cuts, total.result)
				lost += total.lost
			})
		}
	}
	if lost == 0 && !t.Failed() && !t.Skipped() {
		t.Error("the peers lost nothing: do the cuts still cut?")
	}
}

func cutPeer(t *testing.T, disk *disktest.Image, writer, peer string, n int) result {
	t.Helper()
	dir, l := filepath.Join(disk.Dir, fmt.Sprint("log", n)), newLedger()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	j := job{Name: fmt.Sprint("w", n), Goroutines: 1, Batch: 1}
	p := startCommand(t, l, j, []string{writer, "-peer", peer, "-path", filepath.Join(dir, activeName), "-name", j.Name + ".0"})
	// Three rotations, of about a hundred lines each.
	if !l.await(p.name, 350+rand.IntN(100)) {
		t.Fatalf("%s ended by itself: %s", p.name, p.stderr.String())
	}
	<-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
	l.mark(p.name)
	disk.Cut(t)
	p.kill(t)
	disk.Restart(t)
	r, problems := l.compare(read(t, dir, peerLayout), terms{promised: synced, torn: 1})
	for _, problem := range problems {
		t.Log(problem)
	}
	// What is not of interest any more would fill the disk.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return r
}

// peerLayout is that of lumberjack and timberjack: audit-<time>….jsonl.gz.
func peerLayout(names []string) []string {
	var files []string
	for _, name := range names {
		if strings.HasPrefix(name, "audit-") {
			files = append(files, name)
		}
	}
	slices.SortFunc(files, func(a, b string) int {
		return cmp.Or(strings.Compare(strings.TrimSuffix(a, ".gz"), strings.TrimSuffix(b, ".gz")), -strings.Compare(a, b))
	})
	if slices.Contains(names, activeName) {
		files = append(files, activeName)
	}
	return files
}
