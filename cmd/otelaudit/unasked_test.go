package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatAServerSendsUnaskedIsShortened has a server send text behind an answer that
// has no body. A process reports it on stderr as all else.
func TestWhatAServerSendsUnaskedIsShortened(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				served <- nil // closed
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				err = req.Write(new(strings.Builder)) // reads the body
			}
			if err == nil {
				_, err = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n" + strings.Repeat("unasked", 400)))
			}
			if err != nil {
				served <- err
				return
			}
			defer conn.Close() //nolint:errcheck // the client closes it
		}
	}()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte("{\"event\":\"a\"}\n{\"event\":\"b\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := false
	for tries := 0; !seen && tries < 20; tries++ { // the next request may be faster
		cmd := exec.CommandContext(t.Context(), "otelaudit", "replay", "--from-start", "--path", path, "--endpoint", "http://"+l.Addr().String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		for text := range strings.Lines(string(out)) {
			seen = seen || strings.HasPrefix(text, "otelaudit: Unsolicited response")
			if n := strings.Count(text, "unasked"); n > 200/len("unasked") {
				t.Errorf("the text comes %d times", n)
			}
		}
	}
	if !seen {
		t.Error("got no warning of the text")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
