//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostileText has what terminals act on: control characters of ASCII and of
// ISO 6429 (C1), overrides of the direction, and characters that are not seen.
const hostileText = "a\x1b[2J\x1b]0;title\x07b\x7fc\u009b2Jd\u202ee\u2066f\u200bg\U000e0001h"

// hostileLine is a line that another program wrote, with raw characters where JSON
// allows them, and all of them in each text.
func hostileLine(i int) string {
	raw := strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`).Replace(hostileText)
	return fmt.Sprintf("{\"ts\":\"2026-02-13T14:30:20.000Z\",\t\"event\":\"gate_compress\",\"session_id\":\"%[1]s\\r\\n%[2]d\",\"model\":\"%[1]s\",\"reason\":\"%[1]s\","+
		"\"cost\":1,\"input_t\":1,\"confidence\":5,\"files\":[\"%[1]s\"],\"config\":{\"%[1]s\":1},\"%[1]s\":\"%[1]s\","+
		"\"trace_id\":\"%[3]s\",\"span_id\":\"000000000000000a\",\"otelaudit.span.name\":\"%[1]s\",\"otel\":{\"body\":\"%[1]s\"}}", raw, i, testTrace)
}

// all returns what the program wrote until it ended, and its exit code.
func (x *terminal) all() (string, int) {
	x.t.Helper()
	for more := range x.output {
		x.seen += more
	}
	_ = x.cmd.Wait() // the exit code says it
	return x.seen, x.cmd.ProcessState.ExitCode()
}

// checkTerminal checks that the terminal got text only. It turns each line feed
// into two characters.
func checkTerminal(t *testing.T, args []string, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if args[0] == "replay" {
		text = strings.ReplaceAll(text, "\r", "") // of the bar
	}
	if !utf8.ValidString(text) {
		t.Errorf("%q: the terminal got %q, which is not UTF-8", args, text)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Errorf("%q: the terminal got %q in %q", args, r, text)
			return
		}
	}
}

// TestNoControlCharacterReachesATerminal prints a log of hostile texts in each
// format, and makes each kind of message about hostile texts.
func TestNoControlCharacterReachesATerminal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	damaged := filepath.Join(dir, "damaged "+hostileText+"\x9b.jsonl")
	spans := filepath.Join(dir, "spans.json")
	input := filepath.Join(dir, "input")
	for name, content := range map[string]string{
		path:    hostileLine(1) + "\n" + hostileLine(2) + "\n",
		damaged: hostileLine(1) + "\n" + hostileText + "\n{\"" + hostileText + "\x9b\":\n" + hostileLine(2) + "\n",
		spans:   `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"` + hostileText + `"}]}]}]}`,
		input:   "{\"event\":\"" + hostileText + "\x9b\n" + hostileText + "\xff\x9b\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := hostileText + "\x9b"
	for _, test := range []struct {
		code int
		args []string
	}{
		{codeDone, []string{"query", "--path", path}},
		{codeDone, []string{"query", "--path", path, "--format", "csv"}},
		{codeDone, []string{"query", "--path", path, "--format", "table"}},
		{codeDone, []string{"tail", "--path", path}},
		{codeDone, []string{"spend", "--path", path, "--by", "session", "--breakdown"}},
		{codeDone, []string{"spend", "--path", path, "--by", "session", "--breakdown", "--format", "json"}},
		{codeDone, []string{"spend", "--path", path, "--by", "session", "--breakdown", "--format", "csv"}},
		{codeDone, []string{"burn", "--path", path, "--format", "csv"}},
		{codeDone, []string{"gates", "--path", path}},
		{codeDone, []string{"gates", "--path", path, "--format", "json"}},
		{codeDone, []string{"trace", testTrace, "--path", path}},
		{codeDone, []string{"trace", testTrace, "--path", path, "--format", "json"}},
		{codeFailed, []string{"trace", testTrace, "--path", path, "--spans", spans}},
		{codeDone, []string{"report", "-o", "-", "--title", h, "--path", path}},
		{codeDone, []string{"report", "-o", "/dev/tty", "--title", h, "--path", path}},
		{codeWrong, []string{"query", "--path", damaged}},
		{codeWrong, []string{"verify", "--path", damaged}},
		{codeWrong, []string{"verify", "--path", damaged, "--format", "json"}},
		{codeWrong, []string{"replay", "--dry-run", "--path", damaged}},
		{codeFailed, []string{"query", "--path", path + h}},
		{codeFailed, []string{"query", "--since", h}},
		{codeFailed, []string{"query", "--timezone", h}},
		{codeFailed, []string{"query", "--" + h}},
		{codeFailed, []string{"query", h}},
		{codeFailed, []string{h}},
		{codeFailed, []string{"trace", h}},
		{codeFailed, []string{"append", "--event", "e", "--cost", h}},
		{codeFailed, []string{"append", "--event", "e", "--set", h + "=null"}},
		{codeFailed, []string{"append", "--json", `{"` + h + `":`}},
		{codeFailed, []string{"guard", "--max-per-day", "1", "--", h}},
		{codeFailed, []string{"report", "-o", dir + "/" + h + "/x", "--path", path}},
		{codeFailed, []string{"replay", "--endpoint", h}},
		{codeFailed, []string{"replay", "--header", h + "=1", "--header", h + "=1"}},
	} {
		x := startAtTerminal(t, "otelaudit", test.args...)
		text, code := x.all()
		if code != test.code || text == "" {
			t.Errorf("%q: got exit code %d and %q, want %d", test.args, code, text, test.code)
		}
		checkTerminal(t, test.args, text)
		if rows := strings.Count(text, "\n"); test.args[0] == "query" && slices.Contains(test.args, "csv") && rows != 3 {
			t.Errorf("%q: got %d lines, want one for each event and the head: %q", test.args, rows, text)
		}
	}

	x := startAtTerminal(t, "sh", "-c", "otelaudit append --path new.jsonl - <"+input)
	text, code := x.all()
	if code != codeWrong || !strings.Contains(text, "line 2 of standard input") {
		t.Errorf("append -: got exit code %d and %q", code, text)
	}
	checkTerminal(t, []string{"append", "-"}, text)

	for _, args := range [][]string{{"tail", "-f", "--path", path}, {"query", "-f", "--format", "csv", "--path", path}} {
		x := startAtTerminal(t, "otelaudit", args...)
		x.sees("000000000000000a")
		first := x.seen
		x.types(ctrlC)
		text, code := x.all()
		if code != codeDone {
			t.Errorf("%q: got exit code %d", args, code)
		}
		checkTerminal(t, args, strings.TrimSuffix(first+text, "^C"))
	}
}

// TestPipesGetEachByte prints lines as they are.
func TestPipesGetEachByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	lines := hostileLine(1) + "\n" + hostileLine(2) + "\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"tail", "query"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{verb, "--path", path}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != codeDone || out.String() != lines {
			t.Errorf("%s: got exit code %d and %q, want %q", verb, code, out.String(), lines)
		}
	}
}
