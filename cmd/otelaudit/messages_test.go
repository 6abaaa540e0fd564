package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// TestMessagesQuoteAtMost200Bytes gives each verb values of 60 KB in flags, in
// arguments, in files and on standard input, as one word and as many.
func TestMessagesQuoteAtMost200Bytes(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 60_000), strings.Repeat("xx xx ", 10_000)} {
		dir := t.TempDir()
		path, spans, kind := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "spans.json"), filepath.Join(dir, "kind.json")
		for name, content := range map[string]string{
			path:  `{"event":"e","` + long + `":}` + "\n",
			spans: `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"` + long + `"}]}]}]}`,
			kind:  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"` + long + `"}]}]}]}`,
		} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{long}, {"query", long}, {"query", "--" + long}, {"query", "--since", long}, {"query", "--timezone", long}, {"query", "--trace", long},
			{"query", "--path", long}, {"query", "--path", path}, {"query", "--since", "2026-02-13" + strings.Repeat(" ", len(long)), "--until", "2026-02-13"},
			{"trace", long}, {"trace", "5b8e", "--path", path, "--spans", spans}, {"trace", "5b8e", "--path", path, "--spans", kind},
			{"trace", "5b8e", "--path", path, "--spans", long},
			{"append", long}, {"append", "--event", "e", "--cost", long}, {"append", "--event", "e", "--set", long + "=null"}, {"append", "--event", "e", "--set", long},
			{"append", "--json", `{"` + long + `":}`}, {"append", "--json", `{"` + long + `":1e999}`}, {"append", "--json", `{"event":["` + long + `"]}`},
			{"append", "--path", filepath.Join(dir, "new.jsonl"), "-"}, {"append", "--path", long, "--event", "e"},
			{"guard", "--max-per-day", long}, {"guard", "--path", path, "--max-per-day", "1", "--", long}, {"guard", "--path", long, "--max-per-day", "1", "--", "true"},
			{"report", "-o", long, "--path", path}, {"report", "-o", "x", "--path", long}, {"report", "-o", "x", "--trace-url", long},
			{"replay", "--endpoint", long}, {"replay", "--header", long}, {"replay", "--header", long + "=1", "--header", long + "=1"},
			{"replay", "--path", path, "--dry-run", "--checkpoint", long}, {"rotate", "--path", long}, {"verify", "--path", long}, {"burn", "--live", "--interval", long},
		} {
			var out, errs bytes.Buffer
			in := strings.NewReader("{\"" + long + "\":}\n" + long + "\n{\"event\":\"e\",\"cost\":\"" + long + "\"}\n{\"event\":\"e\",\"otel\":\"" + long + "\"}\n")
			code := run(t.Context(), args, streams{in: in, out: &out, err: &errs})
			if code == codeDone || errs.Len() == 0 {
				t.Errorf("%.20q: got exit code %d and %q", args, code, errs.String())
			}
			const own = 400 // a message's own words
			for line := range strings.Lines(errs.String()) {
				if len(line) > own+2*(visible.MaxExcerpt+len("…")) {
					t.Errorf("%.20q: got a line of %d bytes: %.200s", args, len(line), line)
				}
			}
		}
	}
}
