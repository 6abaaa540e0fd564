// Command write measures how fast package auditlog writes, beside the loggers
// that people use otherwise and beside the bare system calls, in the same run,
// and prints a Markdown table:
//
//	go run -C benchmarks ./write
//
// All of them write the same eleven fields to files in one folder. Each case
// runs its contestants by turns, several times; a figure is the median of its
// runs and a ratio the median of the ratios within a turn, so that what
// disturbs the machine for a while disturbs both sides.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
)

var (
	turnCount = flag.Int("turns", 9, "how often each contestant runs")
	benchTime = flag.String("benchtime", "300ms", "how long each of these takes, as go test -benchtime")
	folder    = flag.String("dir", "", "make the files below this folder instead of the one for temporary files")
	only      = flag.String("run", ".", "regular expression of the cases to run")
	list      = flag.Bool("list", false, "list the cases")
)

func main() {
	testing.Init() // the flags that testing.Benchmark reads
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := flag.Set("test.benchtime", *benchTime); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*folder, "otelaudit-write-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only temporary files
	var rows []row
	for _, c := range cases() {
		switch {
		case !wanted.MatchString(c.name):
		case *list:
			fmt.Println(c.name)
		default:
			fmt.Fprintf(os.Stderr, "# %s\n", c.name)
			more, err := c.rows(dir)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			rows = append(rows, more...)
		}
	}
	if *list {
		return nil
	}
	return printTable(rows)
}

// row is one of the table. peer, ratio and goal may be empty.
type row struct{ what, ours, peer, ratio, goal string }

func printTable(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line := func(cells ...string) {
		_, _ = fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| ")) // Flush returns the error
	}
	line("what", "ours", "peer", "ratio", "goal")
	line("---", "---", "---", "---", "---")
	for _, r := range rows {
		line(r.what, r.ours, r.peer, r.ratio, r.goal)
	}
	return w.Flush()
}
