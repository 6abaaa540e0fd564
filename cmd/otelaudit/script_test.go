package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// testCommands are what a script, or another process of a test, can run.
var testCommands = map[string]func(){"otelaudit": main}

func TestMain(m *testing.M) {
	testscript.Main(m, testCommands)
}

// TestScript runs the stories of testdata/script.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC") // what is local is the same everywhere
			env.Values[collectorKey{}] = newCollector(env)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return runtime.GOOS == "linux" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"await": await,
			"checklog": func(ts *testscript.TestScript, neg bool, args []string) {
				checkLog(t.Context(), ts, neg, args)
			},
			"gzip":      gzipFile,
			"tmpfs":     mountTmpfs,
			"collector": collectorCommand,
		},
	})
}

// exits CODE PROGRAM ARGS…: runs the program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// checkLog N FILE: checks that the log has N events, and each line that it has
// against the schema and the spelling of FORMAT.md. N may be the word said: what
// the last command said that it appended.
func checkLog(ctx context.Context, ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: checklog events file")
	}
	if args[0] == "said" {
		m := appendedEvents.FindStringSubmatch(ts.ReadFile("stderr"))
		if m == nil {
			ts.Fatalf("the last command did not say how many events it appended")
		}
		args[0] = m[1]
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	r, err := auditlog.NewReader(ts.MkAbs(args[1]))
	ts.Check(err)
	got := 0
	onDamage := func(d *auditlog.DamageError) { ts.Fatalf("%v", d) }
	for e, err := range r.Query(ctx, auditlog.Filter{OnDamage: onDamage}) {
		ts.Check(err)
		got++
		if err := audittest.CheckLine(e.Raw); err != nil {
			ts.Fatalf("%s line %d: %v\n%s", e.File, e.Line, err, e.Raw)
		}
		if !e.Terminated {
			ts.Fatalf("%s line %d has no line feed", e.File, e.Line)
		}
	}
	if got != want {
		ts.Fatalf("got %d events, want %d", got, want)
	}
}

var appendedEvents = regexp.MustCompile(`appended (\d+) events?`)

// tmpfs SIZE FOLDER: makes a file system of its own for the time of the script.
func mountTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs size folder")
	}
	dir := ts.MkAbs(args[1])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(ts.Exec("mount", "-t", "tmpfs", "-o", "size="+args[0], "tmpfs", dir))
	ts.Defer(func() {
		if err := ts.Exec("umount", dir); err != nil {
			ts.Logf("umount %s: %v", dir, err)
		}
	})
}

// gzip FILE ARCHIVE: compresses a file into an archive.
func gzipFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: gzip file archive")
	}
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	z := gzip.NewWriter(f)
	_, err = fmt.Fprint(z, ts.ReadFile(args[0]))
	ts.Check(errors.Join(err, z.Close(), f.Close()))
}
