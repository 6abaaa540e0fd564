//go:build unix

// Package torture breaks audit logs from outside and counts what is left. The
// writers are processes of their own that use package auditlog as any program
// would; the tests kill them, cut the power under them, fill their disk, make
// their system calls fail and move their files away. What a writer was told
// goes through a pipe the moment it was told, into a ledger; what the files
// hold is read by code that the log does not share. Then both are compared.
//
// An ordinary go test does a tenth of the runs; -full, as in make torture, does
// them all and prints a table of what was counted.
package torture

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"text/tabwriter"
)

var full = flag.Bool("full", false, "do all the runs instead of a tenth of them, and print what was counted")

func TestMain(m *testing.M) {
	if spec := os.Getenv(jobVariable); spec != "" {
		os.Exit(writerMain(spec))
	}
	if spec := os.Getenv(bridgeVariable); spec != "" {
		os.Exit(bridgeMain(spec))
	}
	flag.Parse()
	code := m.Run()
	if *full {
		counts.print()
	}
	os.Exit(code)
}

// runs returns n with -full, else a tenth of it.
func runs(n int) int {
	if *full {
		return n
	}
	return max(1, n/10)
}

// counts are what the tests counted.
var counts scoreboard

// scoreboard has a row per test.
type scoreboard struct {
	mu   sync.Mutex
	rows []row
}

type row struct {
	what string
	runs int
	result
}

// add keeps what a test counted and logs it.
func (s *scoreboard) add(t *testing.T, runs int, r result) {
	t.Helper()
	t.Logf("%d runs: %v", runs, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, row{t.Name(), runs, r})
}

func (s *scoreboard) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "runs\tevents promised\tfound\tlost\tdoubled\tdisordered\ttorn lines\t test\t")
	for _, r := range s.rows {
		_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t %s\t\n",
			r.runs, r.promised, r.found, r.lost, r.doubled, r.disordered, r.torn, r.what)
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
