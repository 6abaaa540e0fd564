// Package contest measures ways to write lines by turns and prints what came of
// it as a Markdown table.
package contest

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
)

// Turns is a flag, and so are the others of every command that calls [Main].
var (
	Turns     = flag.Int("turns", 9, "how often each contestant runs")
	benchTime = flag.String("benchtime", "300ms", "how long each of these takes, as go test -benchtime")
	folder    = flag.String("dir", "", "make the files below this folder instead of the one for temporary files")
	only      = flag.String("run", ".", "regular expression of the cases to run")
	list      = flag.Bool("list", false, "list the cases")
)

// Case is a part of the table.
type Case struct {
	Name string
	Rows func(dir string) ([]Row, error)
}

// Main is the command of that name: it runs the cases that the flags choose.
func Main(name string, cases []Case) {
	testing.Init() // the flags that testing.Benchmark reads
	flag.Parse()
	if err := run(name, cases); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(name string, cases []Case) error {
	if err := flag.Set("test.benchtime", *benchTime); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*folder, "otelaudit-"+name+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only temporary files
	var rows []Row
	for _, c := range cases {
		switch {
		case !wanted.MatchString(c.Name):
		case *list:
			fmt.Println(c.Name)
		default:
			fmt.Fprintf(os.Stderr, "# %s\n", c.Name)
			more, err := c.Rows(dir)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			rows = append(rows, more...)
		}
	}
	if *list {
		return nil
	}
	return printTable(rows)
}

// Row is one of the table. Peer, Ratio and Goal may be empty.
type Row struct{ What, Ours, Peer, Ratio, Goal string }

func printTable(rows []Row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line := func(cells ...string) {
		_, _ = fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| ")) // Flush returns the error
	}
	line("what", "ours", "peer", "ratio", "goal")
	line("---", "---", "---", "---", "---")
	for _, r := range rows {
		line(r.What, r.Ours, r.Peer, r.Ratio, r.Goal)
	}
	return w.Flush()
}

// Versus is the row of two scores.
func Versus(what string, ours Score, name string, theirs Score, goal string) Row {
	return Row{what, PerLine(ours.Median()), name + ": " + PerLine(theirs.Median()), fmt.Sprintf("%.2f ×", Ratio(ours, theirs)), goal}
}
