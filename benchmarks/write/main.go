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

import "github.com/otelaudit/otelaudit/benchmarks/internal/contest"

type (
	contestant = contest.Contestant
	score      = contest.Score
	row        = contest.Row
)

func main() { contest.Main("write", cases()) }
