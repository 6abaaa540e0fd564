package exporter_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// emitterEnv makes the test binary a program that emits and says when Emit
// returned.
const emitterEnv = "OTELAUDIT_TEST_EMITTER"

func TestMain(m *testing.M) {
	if path := os.Getenv(emitterEnv); path != "" {
		if err := emitAndSay(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const emitted = 5

func emitAndSay(path string) error {
	l, err := auditlog.Open(path, auditlog.WithSyncLines(1000))
	if err != nil {
		return err
	}
	exp, err := exporter.New(l)
	if err != nil {
		return err
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp, exporter.WithWaitForDisk())))
	for n := range emitted {
		var r log.Record
		r.SetEventName(fmt.Sprint("event-", n))
		provider.Logger("test").Emit(context.Background(), r)
		if _, err := fmt.Printf("returned %d\n", n); err != nil {
			return err
		}
	}
	return l.Close()
}

// TestWithWaitForDiskSyncsBeforeEmitReturns looks at the system calls: a kill
// could not tell, as the kernel keeps what was written.
func TestWithWaitForDiskSyncsBeforeEmitReturns(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	//nolint:gosec // the test's own binary
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-s", "200", "-e", "trace=write,fsync,fdatasync", "-o", trace, os.Args[0])
	cmd.Env = append(os.Environ(), emitterEnv+"="+filepath.Join(t.TempDir(), "audit.jsonl"))
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skipf("strace may not trace here: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	order := regexp.MustCompile(`write\(\d+, "\{.*event-(\d)|(f(?:data)?sync)\(|write\(1, "returned (\d)`)
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "resumed>") {
			continue
		}
		if m := order.FindStringSubmatch(line); m != nil {
			switch {
			case m[1] != "":
				got = append(got, "write "+m[1])
			case m[2] != "":
				got = append(got, "sync")
			default:
				got = append(got, "returned "+m[3])
			}
		}
	}
	all := strings.Join(got, ", ")
	for n := range emitted {
		// The first one syncs the folder too.
		if want := fmt.Sprintf("write %d(, sync)+, returned %d", n, n); !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("got %s, want %s in it", all, want)
		}
	}
}
