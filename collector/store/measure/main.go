//go:build unix

// Command measure measures what docs/scaling.md calculates with, and prints it
// as a Markdown table:
//
//	go run -C collector/store ./measure
//
// An app emits model calls of 12 attributes, each with ids, numbers and a cost of
// its own; the otelaudit command adds them up and replays them into VictoriaLogs.
// Everything runs on this machine, one after the other, but replay and database,
// which share its cores.
package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/otelaudit/otelaudit/collector/store/internal/program"
)

var (
	events = flag.Int("events", 1_000_000, "how many events to write")
	folder = flag.String("dir", "", "make the files below this folder instead of the one for temporary files")
)

func main() {
	flag.Parse()
	// Interrupted, it ends the database too and removes its files.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(*folder, "otelaudit-measure-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	otelaudit, err := program.Build(ctx, dir, "../..", "./cmd/otelaudit")
	if err != nil {
		return err
	}
	database, err := program.Build(ctx, dir, ".", program.VictoriaLogs)
	if err != nil {
		return err
	}
	m := measurement{n: float64(*events), path: filepath.Join(dir, "log", "audit.jsonl"), data: filepath.Join(dir, "data")}
	steps := []struct {
		name string
		do   func() error
	}{
		{"write", func() error { return m.write(ctx) }},
		{"sizes", m.sizes},
		{"spend", func() error { return m.spend(ctx, otelaudit) }},
		{"replay", func() error { return m.replay(ctx, otelaudit, database) }},
		{"query", func() error { return m.query(ctx, database) }},
	}
	for _, step := range steps {
		fmt.Fprintf(os.Stderr, "# %s\n", step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return m.print(os.Stdout)
}

type measurement struct {
	n          float64 // events
	path, data string  // of the log, and of the database
	rows       [][2]string
}

func (m *measurement) row(what, format string, args ...any) {
	m.rows = append(m.rows, [2]string{what, fmt.Sprintf(format, args...)})
}

// rate adds a row for work that was done in so much time and with so much
// computing.
func (m *measurement) rate(what string, took, cpu time.Duration) {
	m.row(what, "%.0f events/s, %.1f CPU s per million", m.n/took.Seconds(), cpu.Seconds()/m.n*1e6)
}

func (m *measurement) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintf(w, "| %d events, %d cores\t| measured\t|\n|---\t|---\t|\n", int(m.n), runtime.NumCPU()) // Flush returns the error
	for _, r := range m.rows {
		_, _ = fmt.Fprintf(w, "| %s\t| %s\t|\n", r[0], r[1])
	}
	return w.Flush()
}

func (m *measurement) write(ctx context.Context) error {
	before, err := ownCPU()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := writeModelCalls(ctx, m.path, int(m.n)); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := ownCPU()
	if err != nil {
		return err
	}
	m.rate("write, one goroutine, fsync and rotation by default", took, after-before)
	return nil
}

func ownCPU() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// sizes measures the archives: the active file is any part of one.
func (m *measurement) sizes() error {
	archives, err := filepath.Glob(strings.TrimSuffix(m.path, ".jsonl") + "_*.jsonl.gz")
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return errors.New("there is no archive: write more events")
	}
	var plain counter
	var packed int64
	for _, archive := range archives {
		size, err := unpack(archive, &plain)
		if err != nil {
			return err
		}
		packed += size
	}
	m.row("a line", "%.0f bytes", float64(plain.bytes)/float64(plain.lines))
	m.row("a line in an archive", "%.0f bytes", float64(packed)/float64(plain.lines))
	return nil
}

func unpack(archive string, to io.Writer) (size int64, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(to, z); err != nil { //nolint:gosec // an archive of our own
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

type counter struct{ bytes, lines int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	c.lines += int64(strings.Count(string(p), "\n"))
	return len(p), nil
}

func (m *measurement) spend(ctx context.Context, otelaudit string) error {
	took, cpu, err := command(ctx, otelaudit, "spend", "--path", m.path, "--by", "model")
	if err != nil {
		return err
	}
	m.rate("`otelaudit spend --by model` over archives", took, cpu)
	return nil
}

// command runs a command and returns how long it took and computed.
func command(ctx context.Context, file string, args ...string) (took, cpu time.Duration, err error) {
	cmd := exec.CommandContext(ctx, file, args...) //nolint:gosec // a program that was just built
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took = time.Since(start)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// startDatabase is the single node of docs/scaling.md.
func (m *measurement) startDatabase(ctx context.Context, file string) (*program.Server, string, error) {
	return program.StartDatabase(ctx, file, "-storageDataPath="+m.data, "-retentionPeriod=100y")
}

func (m *measurement) replay(ctx context.Context, otelaudit, database string) error {
	db, address, err := m.startDatabase(ctx, database)
	if err != nil {
		return err
	}
	took, cpu, err := command(ctx, otelaudit, "replay", "--path", m.path, "--header", "VL-Stream-Fields=service.name,event_name",
		"--endpoint", "http://"+address+"/insert/opentelemetry/v1/logs")
	if err := errors.Join(err, db.Stop()); err != nil { // what it has in memory goes to its files
		return err
	}
	size, err := sizeOf(m.data)
	if err != nil {
		return err
	}
	m.rate("`otelaudit replay` into the database", took, cpu)
	m.row("the database meanwhile", "%.1f CPU s per million", db.CPU().Seconds()/m.n*1e6)
	m.row("an event in the database", "%.0f bytes", float64(size)/m.n)
	return nil
}

func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

const spendQuery = `* | format if (model:"") "<gen_ai.response.model>" as model | math cost default cost_usd as cost` +
	` | stats by (model) sum(cost) cost, count() events`

func (m *measurement) query(ctx context.Context, database string) error {
	db, address, err := m.startDatabase(ctx, database)
	if err != nil {
		return err
	}
	start := time.Now()
	found, err := count(ctx, "http://"+address+"/select/logsql/query?query="+url.QueryEscape(spendQuery))
	took := time.Since(start)
	if err := errors.Join(err, db.Stop()); err != nil {
		return err
	}
	if found != int(m.n) {
		return fmt.Errorf("the database has %d events, want %d", found, int(m.n))
	}
	m.row("spend by model in the database", "%.0f events/s", m.n/took.Seconds())
	return nil
}

// count returns how many events the groups of a query have.
func count(ctx context.Context, query string) (total int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, query, http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return 0, errors.New(resp.Status)
	}
	for groups := json.NewDecoder(resp.Body); ; {
		var group struct {
			Events int `json:"events,string"`
		}
		switch err := groups.Decode(&group); {
		case errors.Is(err, io.EOF):
			return total, nil
		case err != nil:
			return 0, err
		}
		total += group.Events
	}
}
