// Command benchmark measures the collector with the audit log exporter beside
// the same collector with contrib's file exporter: the same OTLP receiver, the
// same requests, by turns in one run. It prints a table in Markdown.
//
//	go run -C collector ./benchmark
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

var (
	turns   = flag.Int("turns", 7, "how often each contestant runs")
	records = flag.Int("records", 400_000, "how many records it is sent each time")
	clients = flag.Int("clients", 16, "how many clients send at the same time")
	batch   = flag.Int("batch", 512, "how many records a request has")
	folder  = flag.String("dir", "", "make the files below this folder instead of the one for temporary files")
	only    = flag.String("run", ".", "regular expression of the contestants to run beside those that they are compared with")
)

func main() {
	if os.Getenv(asCollector) != "" {
		collectorMain()
		return
	}
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// contestant is a collector with one exporter.
type contestant struct {
	name     string
	exporter string // its configuration, with %s for the path
	goal     string
}

// never is a size that no file gets to.
const never = "rotation: {max_bytes: 1099511627776}"

// peers are what each contestant is compared with. Neither ever syncs, and what
// one rotates it does not compress; the audit log always compresses its archives,
// so those of its contestants that are to be compared never rotate.
var peers = []contestant{
	{name: "file exporter, rotated at 10 MB", exporter: "file: {path: %s, rotation: {max_megabytes: 10}}"},
	{name: "file exporter", exporter: "file: {path: %s}"},
}

var contestants = []contestant{
	{"nothing written (nop)", "nop: {}", ""},
	{"on disk at each answer", "auditlog: {path: %s, " + never + "}", "records/s ≥ 1 ×, CPU ≤ 1 ×"},
	{"the same, archives of 10 MiB, gzip", "auditlog: {path: %s}", ""},
	{"synced every 10 lines", "auditlog: {path: %s, sync: {mode: cadence}, " + never + "}", ""},
	{"never synced", "auditlog: {path: %s, sync: {mode: never}, " + never + "}", "records/s ≥ 1.3 ×"},
	{"never synced, sole owner", "auditlog: {path: %s, sole_owner: true, sync: {mode: never}, " + never + "}", ""},
}

// score is what a contestant reached, a number for each turn.
type score struct {
	perSecond  []float64 // records
	perMillion []float64 // CPU seconds
}

func run(ctx context.Context) error {
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*folder, "otelaudit-collector-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only temporary files
	body, err := requestOf(ctx, *batch)
	if err != nil {
		return err
	}
	running := slices.Clone(peers)
	for _, c := range contestants {
		if wanted.MatchString(c.name) {
			running = append(running, c)
		}
	}
	scores := make(map[string]*score)
	for turn := range *turns {
		fmt.Fprintf(os.Stderr, "# turn %d of %d\n", turn+1, *turns)
		for _, c := range running {
			path, err := os.MkdirTemp(dir, "turn-")
			if err != nil {
				return err
			}
			perSecond, perMillion, err := c.race(ctx, filepath.Join(path, "out.jsonl"), body)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if scores[c.name] == nil {
				scores[c.name] = &score{}
			}
			s := scores[c.name]
			s.perSecond, s.perMillion = append(s.perSecond, perSecond), append(s.perMillion, perMillion)
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d turns of %d records, each %d connections with requests of %d (%d bytes of protobuf over HTTP), %d processors. "+
		"The SDK's batch processor sends 512 records at most, the collector's 8192.\n\n",
		*turns, *records, *clients, *batch, len(body), runtime.NumCPU())
	return printTable(scores)
}

func printTable(scores map[string]*score) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line := func(cells ...string) {
		_, _ = fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| ")) // Flush returns the error
	}
	head, rule := []string{"collector", "records/s", "CPU s per million"}, []string{"---", "---", "---"}
	for _, p := range peers {
		head, rule = append(head, "records/s, CPU beside "+p.name), append(rule, "---")
	}
	line(append(head, "goal")...)
	line(append(rule, "---")...)
	for _, c := range slices.Concat(peers, contestants) {
		s := scores[c.name]
		if s == nil {
			continue
		}
		cells := []string{c.name, fmt.Sprintf("%.0f", median(s.perSecond)), fmt.Sprintf("%.1f", median(s.perMillion))}
		for _, p := range peers {
			cells = append(cells, fmt.Sprintf("%.2f ×, %.2f ×", ratio(s.perSecond, scores[p.name].perSecond), ratio(s.perMillion, scores[p.name].perMillion)))
		}
		line(append(cells, c.goal)...)
	}
	return w.Flush()
}

// ratio returns the median of ours ÷ theirs within the turns.
func ratio(ours, theirs []float64) float64 {
	var all []float64
	for i := range ours {
		all = append(all, ours[i]/theirs[i])
	}
	return median(all)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
