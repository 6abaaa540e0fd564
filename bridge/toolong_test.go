package bridge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/bridge"
)

// A line that is too long is an entry of the reject file that says where it lies. The
// checkpoint passes it, and what stands before and behind it is sent.
func TestALineThatIsTooLongIsRejectedWithItsPlace(t *testing.T) {
	const longest = 2000
	long := line(strings.Repeat("x", longest))
	for name, content := range map[string]string{
		"between":    line("a") + "\n" + long + "\n" + line("b") + "\n",
		"first":      long + "\n" + line("a") + "\n" + line("b") + "\n",
		"last":       line("a") + "\n" + line("b") + "\n" + long + "\n",
		"with CRLF":  line("a") + "\r\n" + long + "\r\n" + line("b") + "\r\n",
		"with blank": "\n" + line("a") + "\n\n" + long + "\n\n" + line("b") + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, content)
			if got, want := run(t, path, url, bridge.WithMaxLine(longest), bridge.WithDryRun()), (bridge.Stats{Read: 2, Damaged: 1}); got != want {
				t.Errorf("dry run: got %+v, want %+v", got, want)
			}
			b := newBridge(t, path, url, bridge.WithMaxLine(longest))
			stats, err := b.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := (bridge.Stats{Read: 2, Sent: 2, Rejected: 1}); stats != want {
				t.Errorf("got %+v, want %+v", stats, want)
			}
			if diff := cmp.Diff([]string{"a", "b"}, c.names()); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
			at := strings.Index(content, long)
			want := []reject{{
				Kind: "record", File: "audit.jsonl", Line: int64(strings.Count(content[:at], "\n") + 1), Offset: int64(at), Count: 1,
				Reason: fmt.Sprintf("line longer than %d bytes, the longest that is read", longest),
			}}
			if diff := cmp.Diff(want, rejects(t, b.RejectFile())); diff != "" {
				t.Errorf("reject file (-want +got):\n%s", diff)
			}
			length := len(long)
			if name == "with CRLF" {
				length++
			}
			if entry := read(t, b.RejectFile()); !strings.Contains(entry, fmt.Sprintf(`"length":%d}`, length)) || len(entry) > 400 {
				t.Errorf("the entry has %d bytes: %.500s", len(entry), entry)
			}
			// The checkpoint is behind it.
			if got := run(t, path, url, bridge.WithMaxLine(longest)); got != (bridge.Stats{}) {
				t.Errorf("second run: got %+v, want nothing", got)
			}
			write(t, path, content+line("c")+"\n")
			if got, want := run(t, path, url, bridge.WithMaxLine(longest)), (bridge.Stats{Read: 1, Sent: 1}); got != want {
				t.Errorf("third run: got %+v, want %+v", got, want)
			}
		})
	}
	if _, err := bridge.New(logPath(t), bridge.WithMaxLine(0)); err == nil || !strings.Contains(err.Error(), "WithMaxLine(0)") {
		t.Errorf("got %v", err)
	}
}
