package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// senders post requests of logs and of spans one after the other, and remember
// what they were told. Each record has an id of its own, its log.record.uid, as
// emitters that care give it one.
type senders struct {
	wg   sync.WaitGroup
	stop context.CancelFunc

	mu      sync.Mutex
	changed *sync.Cond
	acked   map[string]bool // ids whose request was answered with 200
	unknown []request       // those that were answered otherwise, or not
}

type request struct {
	path, body string
	ids        []string
}

// send starts senders to a collector, which end with the first request that
// fails.
func send(t *testing.T, url string, run, count, batch int) *senders {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &senders{stop: stop, acked: make(map[string]bool)}
	s.changed = sync.NewCond(&s.mu)
	for sender := range count {
		s.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r := newRequest(fmt.Sprintf("%d.%d.%d", run, sender, n), batch, sender%2 == 1)
				status, _, err := post(ctx, url+r.path, r.body)
				s.mu.Lock()
				if err != nil || status != http.StatusOK {
					s.unknown = append(s.unknown, r)
					s.changed.Broadcast()
					s.mu.Unlock()
					return
				}
				for _, id := range r.ids {
					s.acked[id] = true
				}
				s.changed.Broadcast()
				s.mu.Unlock()
			}
		})
	}
	t.Cleanup(s.end)
	return s
}

func newRequest(name string, batch int, spans bool) request {
	r := request{path: "/v1/logs"}
	before, between, behind := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[`, `{"eventName":"e","attributes":[`, `]}]}]}`
	if spans {
		r.path = "/v1/traces"
		before, between = `{"resourceSpans":[{"scopeSpans":[{"spans":[`, `{"name":"ai.embed.doEmbed","attributes":[`
	}
	var items []string
	for i := range batch {
		id := fmt.Sprintf("%s.%d", name, i)
		r.ids = append(r.ids, id)
		items = append(items, fmt.Sprintf(`%s{"key":"log.record.uid","value":{"stringValue":%q}},{"key":"pad","value":{"stringValue":%q}}]}`,
			between, id, strings.Repeat("x", 300)))
	}
	r.body = before + strings.Join(items, ",") + behind
	return r
}

// await waits until so many records were answered with 200, and reports false
// if all senders ended before. It returns what was.
func (s *senders) await(n, senders int) (map[string]bool, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.acked) < n {
		if len(s.unknown) == senders {
			return nil, false
		}
		s.changed.Wait()
	}
	return maps.Clone(s.acked), true
}

// told returns what was answered with 200 up to now.
func (s *senders) told() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.acked)
}

// end returns when no sender is at it any more.
func (s *senders) end() {
	s.stop()
	s.wg.Wait()
}

// found counts how often each id is in the files of a log, archives included,
// and the lines that are damaged.
func found(t *testing.T, dir string) (ids map[string]int, damaged int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids = make(map[string]int)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		switch plain, compressed := strings.CutSuffix(e.Name(), ".gz"); {
		case compressed:
			if _, err := os.Stat(filepath.Join(dir, plain)); err == nil {
				continue // the same, not removed yet
			}
			z, err := gzip.NewReader(bytes.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %v", e.Name(), err)
			}
			if text, err = io.ReadAll(z); err != nil {
				t.Fatalf("%s: %v", e.Name(), err)
			}
		case !strings.HasSuffix(e.Name(), ".jsonl"):
			continue
		}
		for line := range bytes.Lines(text) {
			var event struct {
				ID string `json:"log.record.uid"`
			}
			if json.Unmarshal(line, &event) != nil {
				damaged++
			} else if event.ID != "" {
				ids[event.ID]++
			}
		}
	}
	return ids, damaged
}

// holdTo fails the test unless each id of acked is there once.
func holdTo(t *testing.T, ids map[string]int, acked map[string]bool) {
	t.Helper()
	lost, doubled := 0, 0
	for id := range acked {
		switch n := ids[id]; {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	if lost+doubled > 0 {
		t.Errorf("of %d records that were answered with 200, %d are lost and %d are there more than once", len(acked), lost, doubled)
	}
}
