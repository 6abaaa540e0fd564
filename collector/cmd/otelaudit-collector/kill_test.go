package main

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// small files, so that some kills fall into a rotation.
const small = "yaml:exporters: {auditlog: {rotation: {max_bytes: 65536}}}"

// TestAKilledCollectorHasWhatItAnswered kills it again and again while senders
// are at it. What they were told is there once; what they were not told, they
// send again, and it is there by its id.
func TestAKilledCollectorHasWhatItAnswered(t *testing.T) {
	const kills, clients = 8, 4
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "audit.jsonl")
	all := make(map[string]bool)
	torn, again := 0, make(map[string]bool)
	for n := range kills {
		c := start(t, path, "agent.yaml", small)
		s := send(t, c.url, n, clients, 1+rand.IntN(20))
		if _, ok := s.await(100+rand.IntN(400), clients); !ok {
			t.Fatalf("the senders ended: %s", c.output)
		}
		<-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
		c.kill(t)
		s.end()
		for id := range s.told() {
			all[id] = true
		}
		ids, damaged := found(t, dir)
		holdTo(t, ids, all)
		if damaged > torn+1 {
			t.Errorf("%d lines are damaged, there were %d before the kill", damaged, torn)
		}
		torn = damaged

		c = start(t, path, "agent.yaml", small)
		for _, r := range s.unknown {
			mustPost(t, c.url+r.path, r.body)
			for _, id := range r.ids {
				again[id] = true
			}
		}
		c.terminate(t)
	}
	ids, _ := found(t, dir)
	holdTo(t, ids, all)
	doubled := 0
	for id := range again {
		if ids[id] == 0 {
			t.Errorf("%s was sent again, and is not there", id)
		}
		doubled += max(0, ids[id]-1)
	}
	if others := len(ids) - len(all) - len(again); others != 0 {
		t.Errorf("%d ids are there that nobody sent", others)
	}
	t.Logf("%d kills: %d records answered with 200, all there once; %d sent again, %d of them there before; %d torn lines", kills, len(all), len(again), doubled, torn)
}
