package alloctest_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/otelaudit/otelaudit/internal/alloctest"
)

var kept []byte

//go:noinline
func allocate(n int) { kept = make([]byte, n) }

// What other goroutines allocate meanwhile does not count, and neither does how often
// something is allocated.
func TestLargestCountsTheObjectsOfOnePath(t *testing.T) {
	const size = 1 << 20
	var others sync.WaitGroup
	stop := make(chan struct{})
	others.Go(func() {
		for other := []byte(nil); ; runtime.KeepAlive(other) {
			select {
			case <-stop:
				return
			default:
				other = make([]byte, 8*size)
			}
		}
	})
	got := alloctest.Largest(func() {
		for range 100 {
			allocate(size)
		}
	}, "alloctest_test.allocate")
	close(stop)
	others.Wait()
	if got != size {
		t.Errorf("got %d bytes, want %d", got, size)
	}
	if got := alloctest.Largest(func() { allocate(100) }, "alloctest_test.allocate"); got < 100 || got > 200 {
		t.Errorf("got %d bytes, want about 100", got)
	}
}
