//go:build unix

package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// jobVariable is the environment variable that makes the test binary a writer.
const jobVariable = "OTELAUDIT_TORTURE_JOB"

// eventName is that of the writers' events.
const eventName = "torture"

// ackFD is the writer's end of the pipe to its parent. Each thing that the
// writer was told is a line on it, in one write:
//
//	A name n       Append returned nil: events 0 to n−1 are in the file
//	D name n       Append returned a SyncError: they are in the file, no more is known
//	S name n       they are on disk
//	E name n text  Append or Sync returned this error; event n is the next
const ackFD = 3

// job is what a writer has to do.
type job struct {
	Path        string
	Name        string // of the writer; its goroutines are Name.0, Name.1, …
	Goroutines  int
	Events      int   // for each goroutine; 0: until stdin ends
	Batch       int   // each Append has 1 to Batch events
	Padding     int   // each event has 0 to Padding bytes more
	MaxFileSize int64 // 0: the default
	SyncLines   int   // 0: the default
	SyncEvery   int   // call Sync after that many appends; 0: never
	SoleOwner   bool
	Seed        uint64
	// Retry makes the writer open the log until it can, and append again what
	// an error says is not in the file. Without it a goroutine ends at the
	// first error.
	Retry bool
}

// retryInterval spaces the attempts of a job that retries.
const retryInterval = 5 * time.Millisecond

// writerMain is the whole life of a writer.
func writerMain(spec string) int {
	acks := os.NewFile(ackFD, "acks")
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "writer:", err)
		return 1
	}
	var j job
	if err := json.Unmarshal([]byte(spec), &j); err != nil {
		return fail(err)
	}
	// The end of stdin is the order to stop. It also comes when the parent
	// dies, so no writer outlives its test.
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()

	opts := []auditlog.Option{auditlog.WithSessionID(j.Name)}
	if j.MaxFileSize > 0 {
		opts = append(opts, auditlog.WithMaxFileSize(j.MaxFileSize))
	}
	if j.SyncLines > 0 {
		opts = append(opts, auditlog.WithSyncLines(j.SyncLines))
	}
	if j.SoleOwner {
		opts = append(opts, auditlog.WithSoleOwner())
	}
	log, err := auditlog.Open(j.Path, opts...)
	for err != nil && j.Retry {
		select {
		case <-stop:
			return fail(err)
		case <-time.After(retryInterval):
			log, err = auditlog.Open(j.Path, opts...)
		}
	}
	if err != nil {
		return fail(err)
	}
	var wg sync.WaitGroup
	for g := range j.Goroutines {
		w := &writer{job: j, name: fmt.Sprintf("%s.%d", j.Name, g), log: log, acks: acks, stop: stop}
		w.random = rand.New(rand.NewPCG(j.Seed, uint64(g)))
		wg.Go(w.run)
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		code := fail(err)
		if j.Retry {
			return 0 // it was made to fail, and said so; the events are in the file
		}
		return code
	}
	return 0
}

// writer is one goroutine of a job.
type writer struct {
	job
	name   string
	log    *auditlog.Log
	acks   *os.File
	stop   <-chan struct{}
	random *rand.Rand

	next int // number of the next event
}

func (w *writer) run() {
	ctx := context.Background()
	for appends := 1; w.Events == 0 || w.next < w.Events; appends++ {
		select {
		case <-w.stop:
			return
		default:
		}
		if err := w.append(ctx); err != nil && !w.Retry {
			return
		}
		if w.SyncEvery > 0 && appends%w.SyncEvery == 0 {
			if err := w.log.Sync(ctx); err == nil {
				w.tell('S', w.next, "")
			} else {
				w.tell('E', w.next, err.Error())
				if !w.Retry {
					return
				}
			}
		}
	}
}

// append appends a batch, and says what it was told.
func (w *writer) append(ctx context.Context) error {
	size := 1 + w.random.IntN(w.Batch)
	if w.Events > 0 {
		size = min(size, w.Events-w.next)
	}
	batch := make([]auditlog.Event, 0, size)
	for n := w.next; n < w.next+size; n++ {
		batch = append(batch, auditlog.Event{Name: eventName, SessionID: w.name, Attributes: map[string]any{
			"n": n, "pad": padding(w.name, n, w.Padding),
		}})
	}
	for {
		err := w.log.Append(ctx, batch...)
		var partly *auditlog.BatchError
		var unsynced *auditlog.SyncError
		switch {
		case err == nil:
			w.next += len(batch)
			w.tell('A', w.next, "")
			if w.SyncLines == 1 {
				w.tell('S', w.next, "")
			}
			return nil
		case errors.As(err, &partly):
			w.next += partly.Written
			batch = batch[partly.Written:]
			w.tell('D', w.next, "")
		case errors.As(err, &unsynced):
			w.next += len(batch)
			w.tell('D', w.next, "")
			batch = nil
		}
		w.tell('E', w.next, err.Error())
		if !w.Retry || len(batch) == 0 {
			return err
		}
		select {
		case <-w.stop:
			return err
		case <-time.After(retryInterval):
		}
	}
}

// tell writes to the pipe, which is atomic up to PIPE_BUF (512 bytes at least).
func (w *writer) tell(what byte, n int, text string) {
	text = strings.ReplaceAll(text, "\n", "; ")
	line := fmt.Appendf(nil, "%c %s %d %s", what, w.name, n, text)
	line = append(line[:min(len(line), 500)], '\n')
	if _, err := w.acks.Write(line); err != nil {
		os.Exit(3) // nobody listens any more
	}
}

// padding returns what event n of a writer is padded with. Whoever reads the
// event can tell whether it is what was written.
func padding(name string, n, most int) string {
	if most == 0 {
		return ""
	}
	h := uint64(n)*0x9e3779b97f4a7c15 + uint64(len(name))
	h ^= h >> 29
	return strings.Repeat(string(rune('a'+n%26)), int(h%uint64(most+1)))
}

// isPadding reports whether pad is that of event n.
func isPadding(pad string, n int) bool {
	return len(bytes.Trim([]byte(pad), string(rune('a'+n%26)))) == 0
}
