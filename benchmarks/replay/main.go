// Command replay measures `otelaudit replay` beside a collector that reads the
// same files with its file log receiver and sends them with its OTLP/HTTP
// exporter, to the same sink, by turns, and prints a Markdown table:
//
//	go run -C benchmarks ./replay
//
// Both are processes of their own, built here: the command of this repository,
// and collector/filelog. The sink is in this process and not measured.
package main

import (
	"flag"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

var (
	lines    = flag.Int("lines", 1_000_000, "number of lines of the logs that are replayed")
	seconds  = flag.Float64("seconds", 10, "how long to append to a log that is followed, at each rate; at one event a second thrice as long")
	ours     = flag.String("otelaudit", "", "the command to measure (default it is built)")
	theirs   = flag.String("filelog", "", "the collector to measure it beside (default collector/filelog is built)")
	oursArgs = flag.String("args", "", "more arguments for otelaudit replay, such as \"--in-flight 1\"")
)

func main() {
	// A turn takes up to a minute.
	flag.Lookup("turns").DefValue = "3"
	*contest.Turns = 3
	contest.Main("replay", []contest.Case{
		{Name: "335 bytes", Rows: speedOf("lines of 335 bytes", shortLog, false)},
		{Name: "335 bytes gz", Rows: speedOf("lines of 335 bytes in archives", shortLog, true)},
		{Name: "full", Rows: speedOf("full lines of exporter", fullLog, false)},
		{Name: "full gz", Rows: speedOf("full lines in archives", fullLog, true)},
		{Name: "kill", Rows: kills},
		{Name: "follow", Rows: follow},
	})
}
