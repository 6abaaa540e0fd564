package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// attempts counts what is registered.
func attempts(r *resends) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.running {
		n += len(list)
	}
	return n
}

func contentOf(n int) func() ([]byte, error) {
	return func() ([]byte, error) { return fmt.Append(nil, n), nil }
}

// TestRememberedRequestsAreBounded also holds that the latest stay.
func TestRememberedRequestsAreBounded(t *testing.T) {
	var r resends
	write := func(n int, then written) (before int) {
		a, err := r.begin(t.Context(), glance{}, contentOf(n))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.end(a, then); err != nil {
			t.Fatal(err)
		}
		return a.before.lines
	}
	for n := range maxResends + 10 {
		write(n, written{lines: 1})
	}
	if len(r.seen) != maxResends || len(r.running) != 0 {
		t.Errorf("%d are remembered, want %d; %d are being written, want none", len(r.seen), maxResends, len(r.running))
	}
	for n, want := range map[int]int{0: 0, maxResends + 9: 1} {
		if got := write(n, written{}); got != want {
			t.Errorf("request %d: got %d, want %d", n, got, want)
		}
	}
}

// TestAnEqualRequestWaitsForTheOneWhoseSenderGaveUp and takes what that one left
// in the file. Another request with the same glance does not wait.
func TestAnEqualRequestWaitsForTheOneWhoseSenderGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r resends
		first, err := r.begin(gone(t), glance{count: 1}, contentOf(1))
		if err != nil {
			t.Fatal(err)
		}
		other, err := r.begin(gone(t), glance{count: 1}, contentOf(2))
		if err != nil {
			t.Fatal(err)
		}
		taken := make(chan int)
		for range 3 {
			go func() {
				a, err := r.begin(t.Context(), glance{count: 1}, contentOf(1))
				if err != nil {
					t.Error(err)
				}
				taken <- a.before.lines
				if err := r.end(a, written{}); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := attempts(&r); n != 2 {
			t.Errorf("%d are being written, want the two that do not wait", n)
		}
		for a, then := range map[*attempt]written{first: {lines: 7}, other: {lines: 2}} {
			if err := r.end(a, then); err != nil {
				t.Fatal(err)
			}
		}
		// One of them stands for the request that was not answered. The other two
		// are requests of their own.
		if got := <-taken + <-taken + <-taken; got != 7 {
			t.Errorf("got %d lines in all, want 7 once", got)
		}
		synctest.Wait()
		if len(r.running) != 0 {
			t.Errorf("%d glances are kept", len(r.running))
		}
	})
}

// TestEqualRequestsOfSendersThatWaitAreWrittenAtTheSameTime: they are not one.
func TestEqualRequestsOfSendersThatWaitAreWrittenAtTheSameTime(t *testing.T) {
	var r resends
	unread := func() ([]byte, error) {
		t.Error("the content was read")
		return nil, nil
	}
	for range 2 {
		a, err := r.begin(t.Context(), glance{count: 1}, unread)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := r.end(a, written{}); err != nil {
				t.Error(err)
			}
		}()
	}
	if n := attempts(&r); n != 2 {
		t.Errorf("%d are being written, want 2", n)
	}
}

// gone returns the context of a sender that gave up.
func gone(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestTheWaitForAnEqualRequestEndsWithItsContext and the memory of the first
// one stays for the next.
func TestTheWaitForAnEqualRequestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r resends
		first, err := r.begin(gone(t), glance{}, contentOf(1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := r.begin(ctx, glance{}, contentOf(1))
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the context", err)
		}
		if err := r.end(first, written{lines: 3}); err != nil {
			t.Fatal(err)
		}
		again, err := r.begin(t.Context(), glance{}, contentOf(1))
		if err != nil || again.before.lines != 3 {
			t.Errorf("got %v, %v; want 3 lines", again, err)
		}
	})
}

// TestAnEndedRequestIsNotRead: its owner may have reused it.
func TestAnEndedRequestIsNotRead(t *testing.T) {
	var r resends
	a, err := r.begin(t.Context(), glance{}, func() ([]byte, error) {
		t.Error("the content was read")
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.end(a, written{}); err != nil {
		t.Fatal(err)
	}
	if err := a.hash(); err != nil || a.key.Load() != nil {
		t.Errorf("got a hash, %v; want none", err)
	}
}

// TestARequestThatCannotBeHashedIsAnError and keeps no other from being written.
func TestARequestThatCannotBeHashedIsAnError(t *testing.T) {
	var r resends
	broken := errors.New("broken")
	a, err := r.begin(t.Context(), glance{}, func() ([]byte, error) { return nil, broken })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.end(a, written{lines: 1}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if len(r.running)+len(r.seen) != 0 {
		t.Error("something is kept")
	}
}
