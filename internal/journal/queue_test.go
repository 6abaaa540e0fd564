package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// paper is what a queue writes to in these tests: a list of lines. An fsync takes 1 ms of
// the bubble. It checks that the queue keeps the rules of queueEnv.
type paper struct {
	t      *testing.T
	syncer syncer
	fsyncs int

	busy   chan struct{} // not nil: another process holds the lock until it is closed
	fail   error         // of the next write
	during func()        // called during a write

	mu      sync.Mutex
	entered bool // a goroutine is between lockActive and unlockActive
	lines   []string
	writes  [][]string
}

func newPaper(t *testing.T) (*paper, *queue) {
	p, q := &paper{t: t}, new(queue)
	q.init(p)
	p.syncer.init(syncerConfig{
		fsync: func(syncTarget) error {
			time.Sleep(time.Millisecond)
			p.fsyncs++ // one at a time
			return nil
		},
		repair: func(context.Context, bool) error { return errors.New("no repair") },
	})
	p.syncer.setFile(closedFile{})
	return p, q
}

func (p *paper) lockActive(wait bool) (bool, error) {
	if p.busy != nil {
		if !wait {
			select {
			case <-p.busy:
			default:
				return false, nil
			}
		}
		<-p.busy
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entered {
		p.t.Error("two goroutines write at once")
	}
	p.entered = true
	return true, nil
}

func (p *paper) write(batch []*request) {
	if p.during != nil {
		p.during()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.entered {
		p.t.Error("a write without the lock")
	}
	if p.fail != nil {
		for _, r := range batch {
			r.err = p.fail
		}
		p.fail = nil
		return
	}
	var written []string
	for _, r := range batch {
		for i := range r.lines.Len() {
			written = append(written, strings.TrimSuffix(string(r.lines.Line(i)), "\n"))
		}
		r.written = r.lines.Len()
		r.last, _ = p.syncer.markWritten(r.written)
	}
	p.lines, p.writes = append(p.lines, written...), append(p.writes, written)
}

func (p *paper) unlockActive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entered = false
}

func (p *paper) waitSynced(ctx context.Context, last int64) error { return p.syncer.wait(ctx, last) }

func lineOf(text string) *jsonline.Lines {
	var lines jsonline.Lines
	lines.Commit(append(append(lines.Buffer(), text...), '\n'))
	return &lines
}

// append writes one line, and waits for the disk if toDisk. It returns an error only if
// the line is not written.
func (p *paper) append(ctx context.Context, q *queue, text string, toDisk bool) error {
	r := q.newRequest(lineOf(text))
	defer q.free(r)
	write := q.write
	if toDisk {
		write = q.commit
	}
	if err := write(ctx, r); err != nil {
		return err
	}
	if r.err == nil && toDisk {
		if err := p.syncer.wait(ctx, r.last); err == nil && p.syncer.syncedLines() < r.last {
			p.t.Errorf("line %d is acknowledged before it is synced", r.last)
		}
	}
	return r.err
}

// end waits for the last write and the last fsync. It fails the test unless nobody holds or awaits the locks
// of q.
func (p *paper) end(q *queue) {
	p.t.Helper()
	if err := q.acquire(p.t.Context()); err != nil {
		p.t.Error(err)
	}
	q.release()
	if err := p.syncer.syncNow(false); err != nil {
		p.t.Error(err)
	}
	synctest.Wait()
	for name, l := range map[string]*writeQueue{"write lock": &q.lock, "right to commit": &q.commits.writeQueue} {
		if l.held || len(l.waiting) > 0 {
			p.t.Errorf("the %s is held: %v, with %d waiting", name, l.held, len(l.waiting))
		}
	}
}

func TestWaitingLinesShareAWriteInTheOrderOfTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := newPaper(t)
		if err := q.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() {
				if n != 3 {
					if err := p.append(t.Context(), q, strconv.Itoa(n), false); err != nil {
						t.Error(err)
					}
					return
				}
				if err := q.acquire(t.Context()); err != nil { // in the middle, for the lock only
					t.Error(err)
				}
				if want := []string{"0", "1", "2"}; !slices.Equal(p.lines, want) {
					t.Errorf("before the request for the lock %q are written, want %q", p.lines, want)
				}
				q.release()
			})
			synctest.Wait()
		}
		q.release()
		wg.Wait()
		if want := [][]string{{"0", "1", "2"}, {"4", "5"}}; fmt.Sprint(p.writes) != fmt.Sprint(want) {
			t.Errorf("writes %q, want %q", p.writes, want)
		}
		p.end(q)
	})
}

func TestARequestWhoseContextEndsIsNotWrittenUnlessItsWriteHasBegun(t *testing.T) {
	for _, toDisk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, q := newPaper(t)
			if err := q.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			why := errors.New("why")
			ctx, cancel := context.WithCancelCause(t.Context())
			var wg sync.WaitGroup
			for n, c := range []context.Context{t.Context(), ctx, t.Context()} {
				wg.Go(func() {
					err := p.append(c, q, strconv.Itoa(n), toDisk)
					if want := map[int]error{1: why}[n]; !errors.Is(err, want) {
						t.Errorf("append %d = %v, want %v", n, err, want)
					}
				})
				synctest.Wait()
			}
			cancel(why)
			synctest.Wait()
			q.release()
			wg.Wait()
			if want := []string{"0", "2"}; !slices.Equal(p.lines, want) {
				t.Errorf("written %q, want %q", p.lines, want)
			}

			ctx, cancel = context.WithCancelCause(t.Context())
			p.during = func() { cancel(why) }
			if err := p.append(ctx, q, "3", toDisk); err != nil || p.lines[2] != "3" {
				t.Errorf("append = %v, written %q, though its context ended during the write", err, p.lines)
			}
			p.end(q)
		})
	}
}

func TestTheLockOfAnotherProcessIsWaitedForWithinTheContextAndTenSeconds(t *testing.T) {
	for _, toDisk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, q := newPaper(t)
			p.busy = make(chan struct{})
			start := time.Now()
			var wg sync.WaitGroup
			for n, within := range []time.Duration{time.Hour, time.Second, time.Hour, time.Hour} {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), within)
					defer cancel()
					err := p.append(ctx, q, strconv.Itoa(n), toDisk)
					want, after := ErrLocked, lockLimit
					if n == 1 {
						want, after = context.DeadlineExceeded, time.Second
					}
					if took := time.Since(start); !errors.Is(err, want) || took != after {
						t.Errorf("append %d = %v after %v, want %v after %v", n, err, took, want, after)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			wg.Go(func() {
				if err := p.append(t.Context(), q, "in time", toDisk); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			close(p.busy)
			wg.Wait()
			if want := []string{"in time"}; !slices.Equal(p.lines, want) {
				t.Errorf("written %q, want %q", p.lines, want)
			}
			p.end(q)
		})
	}
}

func TestTheLockOfAnotherProcessDoesNotChangeTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := newPaper(t)
		if err := q.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 3 {
			wg.Go(func() {
				if err := p.append(t.Context(), q, strconv.Itoa(n), false); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		p.busy = make(chan struct{})
		q.release()
		synctest.Wait()
		close(p.busy)
		wg.Wait()
		if want := []string{"0", "1", "2"}; !slices.Equal(p.lines, want) {
			t.Errorf("written %q, want %q", p.lines, want)
		}
		p.end(q)
	})
}

// TestAFollowerWhoseContextEndsDoesNotWaitForTheFsync, whether that is during the write
// or after it.
func TestAFollowerWhoseContextEndsDoesNotWaitForTheFsync(t *testing.T) {
	for _, duringWrite := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, q := newPaper(t)
			ctx, cancel := context.WithCancel(t.Context())
			var left, wrote time.Time
			p.during = func() {
				p.mu.Lock()
				first := len(p.writes) == 0
				p.mu.Unlock()
				if first {
					return
				}
				time.Sleep(time.Microsecond)
				if duringWrite {
					cancel()
					synctest.Wait()
				}
				wrote = time.Now()
				time.AfterFunc(time.Microsecond, cancel) // during the fsync
			}
			var wg sync.WaitGroup
			for n, c := range []context.Context{t.Context(), t.Context(), ctx} { // 1 leads the commit of 2
				wg.Go(func() {
					if err := p.append(c, q, strconv.Itoa(n), true); err != nil {
						t.Errorf("append %d = %v, though its line is written", n, err)
					}
					if n == 2 {
						left = time.Now()
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			if took := left.Sub(wrote); took > time.Microsecond {
				t.Errorf("it left %v after the write", took)
			}
			p.end(q)
		})
	}
}

func TestOneFsyncCoversAllThatTheLastOneReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := newPaper(t)
		const goroutines, rounds = 8, 50
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for n := range rounds {
					time.Sleep(time.Duration(g) * 100 * time.Microsecond) // they come back one by one
					if err := p.append(t.Context(), q, fmt.Sprintf("%d-%d", g, n), true); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if len(p.lines) != goroutines*rounds {
			t.Errorf("%d lines are written, want %d", len(p.lines), goroutines*rounds)
		}
		// The first commits find out how many come.
		if p.fsyncs > rounds+5 {
			t.Errorf("%d fsyncs for %d rounds of %d goroutines", p.fsyncs, rounds, goroutines)
		}
		p.end(q)
	})
}

func TestAFailedWriteOfACommitFailsItsFollowersAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := newPaper(t)
		full := errors.New("full")
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				err := p.append(t.Context(), q, strconv.Itoa(n), true)
				if want := map[bool]error{true: full}[n > 0]; !errors.Is(err, want) {
					t.Errorf("append %d = %v, want %v", n, err, want)
				}
			})
			synctest.Wait()
			if n == 3 { // the second commit is that of 1, 2 and 3
				p.mu.Lock()
				p.fail = full
				p.mu.Unlock()
			}
		}
		wg.Wait()
		if err := p.append(t.Context(), q, "4", true); err != nil {
			t.Error(err)
		}
		if want := []string{"0", "4"}; !slices.Equal(p.lines, want) {
			t.Errorf("written %q, want %q", p.lines, want)
		}
		p.end(q)
	})
}

// TestNoWakeupIsLostOrSentTwice: requests of all kinds, of which some leave, under a lock
// that another process takes now and then. A lost wakeup is a deadlock of the bubble.
func TestNoWakeupIsLostOrSentTwice(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			p, q := newPaper(t)
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(1, uint64(round)))
			below := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			p.during = func() { time.Sleep(time.Duration(below(300)) * time.Microsecond) }
			written := map[string]bool{}
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for n := range 10 {
						time.Sleep(time.Duration(below(1000)) * time.Microsecond)
						ctx, cancel := t.Context(), context.CancelFunc(func() {})
						if below(2) == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(below(3000))*time.Microsecond)
						}
						switch text := fmt.Sprintf("%d-%d", g, n); below(5) {
						case 0:
							if q.acquire(ctx) == nil {
								p.busy = nil
								if below(2) == 0 {
									busy := make(chan struct{})
									time.AfterFunc(time.Duration(below(2000))*time.Microsecond, func() { close(busy) })
									p.busy = busy
								}
								q.release()
							}
						default:
							err := p.append(ctx, q, text, below(2) == 0)
							mu.Lock()
							written[text] = err == nil
							mu.Unlock()
						}
						cancel()
					}
				})
			}
			wg.Wait()
			p.end(q)
			count := map[string]int{}
			for _, text := range p.lines {
				count[text]++
			}
			for text, is := range written {
				if want := map[bool]int{true: 1}[is]; count[text] != want {
					t.Errorf("round %d: line %s is written %d times, want %d", round, text, count[text], want)
				}
			}
		})
	}
}
