package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A pipe to append - is read for as long as its writer lives. What was taken
// from it when a signal comes is in the log, and the user learns where the rest
// begins.
func TestAnInterruptedAppendSaysWhichLineIsTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	in, feed := io.Pipe()
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	var stderr bytes.Buffer
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"append", "--path", path, "-"}, streams{in: in, out: io.Discard, err: &stderr})
	}()
	// A write returns when it was read, and that the next one was read says
	// that the one before has reached the appending goroutine.
	for _, text := range []string{`{"event":"one"}` + "\n", `{"event":"two"}` + "\n", `{"event":"ha`, `lf`} {
		if _, err := io.WriteString(feed, text); err != nil {
			t.Fatal(err)
		}
	}
	interrupt(errors.New("terminated signal received"))
	if got := <-code; got != codeFailed {
		t.Errorf("got exit code %d, want %d", got, codeFailed)
	}
	if err := feed.Close(); err != nil { // ends the goroutine that reads
		t.Error(err)
	}
	want := "otelaudit: appended 2 events\n" +
		"otelaudit: terminated signal received; nothing behind line 2 of standard input is in the log\n"
	if got := stderr.String(); got != want {
		t.Errorf("got on stderr\n%s\nwant\n%s", got, want)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(content), "\n"); got != 2 {
		t.Errorf("got %d lines in the log, want 2:\n%s", got, content)
	}
}

// Lines come in pieces of any size, and the last one may lack its line feed.
func TestLinesAreTheSameHoweverTheyArrive(t *testing.T) {
	var input strings.Builder
	const lines = 300
	for i := range lines {
		fmt.Fprintf(&input, `{"event":"e","ts":"2026-02-13T14:30:22.123Z","n":%d,"text":%q}`+"\n", i, strings.Repeat("x", i*7%1000))
	}
	var want []byte
	for _, size := range []int{1 << 20, chunkSize - 1, 1000, 17} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var stderr bytes.Buffer
		in := &pieces{Reader: strings.NewReader(strings.TrimSuffix(input.String(), "\n")), size: size}
		if got := run(t.Context(), []string{"append", "--path", path, "--session", "s", "-"}, streams{in: in, out: io.Discard, err: &stderr}); got != codeDone {
			t.Fatalf("pieces of %d bytes: got exit code %d: %s", size, got, &stderr)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if n := bytes.Count(got, []byte{'\n'}); n != lines || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d bytes: got %d lines that are equal to those of one piece: %v, want %d", size, n, bytes.Equal(got, want), lines)
		}
	}
}

// pieces returns at most size bytes at a time.
type pieces struct {
	io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }
