package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestAPowerCutTakesNothingThatWasAnswered cuts the power under a collector
// while senders are at it, and looks at the files before anybody opens them.
func TestAPowerCutTakesNothingThatWasAnswered(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			disk := disktest.New(t, fs)
			const cuts = 5
			records := 0
			for n := range cuts {
				records += cutUnderCollector(t, disk, n, "agent.yaml", small)
			}
			t.Logf("%d cuts: %d records answered with 200, all there once", cuts, records)
		})
	}
}

// cutUnderCollector returns how many records were answered with 200 before the
// cut.
func cutUnderCollector(t *testing.T, disk *disktest.Image, n int, configs ...string) int {
	t.Helper()
	const clients = 4
	dir := filepath.Join(disk.Dir, fmt.Sprint("log", n))
	c := start(t, filepath.Join(dir, "audit.jsonl"), configs...)
	s := send(t, c.url, n, clients, 1+rand.IntN(20))
	if _, ok := s.await(100+rand.IntN(500), clients); !ok {
		t.Fatalf("the senders ended: %s", c.output)
	}
	<-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
	// A power cut leaves nobody who could be told something after it. This one
	// does, and ext4 then says nil to an fsync that was under way: only what was
	// told before counts.
	told := s.told()
	disk.Cut(t)
	c.kill(t)
	s.end()
	disk.Restart(t)
	ids, _ := found(t, dir)
	holdTo(t, ids, told)
	return len(told)
}

// TestAPowerCutTakesWhatWasNotSynced shows that the cuts cut: with sync never,
// something that was answered is lost.
func TestAPowerCutTakesWhatWasNotSynced(t *testing.T) {
	disk := disktest.New(t, "ext4")
	dir := filepath.Join(disk.Dir, "log")
	c := start(t, filepath.Join(dir, "audit.jsonl"), "agent.yaml", "yaml:exporters: {auditlog: {sync: {mode: never}}}")
	s := send(t, c.url, 0, 2, 5)
	told, ok := s.await(500, 2)
	if !ok {
		t.Fatalf("the senders ended: %s", c.output)
	}
	disk.Cut(t)
	c.kill(t)
	s.end()
	disk.Restart(t)
	ids, _ := found(t, dir)
	lost := 0
	for id := range told {
		if ids[id] == 0 {
			lost++
		}
	}
	if lost == 0 {
		t.Error("nothing was lost: do the cuts still cut?")
	}
}

// TestAFullDiskIsAnswered503 and what is sent again when there is room is there
// once.
func TestAFullDiskIsAnswered503(t *testing.T) {
	disk := disktest.NewTmpfs(t, "256K")
	dir := filepath.Join(disk.Dir, "log")
	c := start(t, filepath.Join(dir, "audit.jsonl"), "agent.yaml")
	r := newRequest("big", 1000, false)
	for range 2 {
		status, answer, err := post(t.Context(), c.url+r.path, r.body)
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(answer, "no space left on device") {
			t.Fatalf("got %d %s, %v; want 503 that says why", status, answer, err)
		}
	}
	disk.Resize(t, "64M")
	mustPost(t, c.url+r.path, r.body)
	ids, _ := found(t, dir)
	acked := make(map[string]bool)
	for _, id := range r.ids {
		acked[id] = true
	}
	holdTo(t, ids, acked)
	c.terminate(t)
}
