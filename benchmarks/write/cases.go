package main

import (
	"fmt"
	"strconv"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

func cases() []contest.Case {
	return []contest.Case{
		{Name: "no fsync", Rows: noFsync},
		{Name: "ten lines per fsync", Rows: tenLines},
		{Name: "strict", Rows: strict},
		{Name: "strict batch", Rows: strictBatch},
		{Name: "latency", Rows: latency},
	}
}

func atMost(goal float64) string { return fmt.Sprintf("at most %g ×", goal) }

// noFsync: one goroutine, nobody waits for the disk.
func noFsync(dir string) ([]row, error) {
	off := auditlog.WithoutCadenceSync()
	contestants := []contestant{
		ours("sole owner", 1, off, auditlog.WithSoleOwner()),
		ours("shared", 1, off),
		ours("batches", batchSize, off),
		peer("zerolog+lumberjack", newLumberjack, withZerolog),
		peer("zap+lumberjack", newLumberjack, withZap),
		peer("slog+lumberjack", newLumberjack, withSlog),
		peer("zerolog+timberjack", newTimberjack, withZerolog),
	}
	scores, err := contest.Race(dir, contestants...)
	if err != nil {
		return nil, err
	}
	const what = "one event per Append, no fsync, sole owner"
	zero := contestants[3].Name
	rows := []row{
		contest.Versus(what, scores[0], zero, scores[3], atMost(1)),
		contest.Versus("the same, file shared by processes", scores[1], zero, scores[3], atMost(2.5)),
		contest.Versus("batches of 512, file shared by processes", scores[2], zero, scores[3], atMost(0.6)),
	}
	for i := 4; i < len(contestants); i++ {
		rows = append(rows, contest.Versus(what, scores[0], contestants[i].Name, scores[i], ""))
	}
	return append(rows,
		allocs("allocations per event, sole owner", scores[0], zero, scores[3]),
		allocs("allocations per event, shared", scores[1], zero, scores[3]),
		allocs("allocations per batch of 512", scores[2], zero, scores[3]),
	), nil
}

func allocs(what string, ours score, name string, theirs score) row {
	return row{What: what, Ours: strconv.FormatInt(ours.Allocs, 10), Peer: fmt.Sprintf("%s: %d", name, theirs.Allocs), Goal: "0"}
}

// tenLines: the default cadence, beside the same cadence in plain code.
func tenLines(dir string) ([]row, error) {
	scores, err := contest.Race(dir,
		ours("sole owner", 1, auditlog.WithSoleOwner()),
		ours("shared", 1),
		bare("10 × write, fsync", 1, 10),
	)
	if err != nil {
		return nil, err
	}
	return []row{
		contest.Versus("default cadence (10 lines), sole owner", scores[0], "bare 10 × write + fsync", scores[2], atMost(1.15)),
		contest.Versus("the same, file shared by processes", scores[1], "bare 10 × write + fsync", scores[2], ""),
	}, nil
}

// strict: every Append waits for the disk.
func strict(dir string) ([]row, error) {
	const goroutines = 64
	every := auditlog.WithSyncLines(1)
	scores, err := contest.Race(dir,
		oursBy("64 goroutines", goroutines, every),
		ours("one goroutine", 1, every),
		bufioSync(),
	)
	if err != nil {
		return nil, err
	}
	many, one := scores[0], scores[1]
	rate := func(s score) string { return fmt.Sprintf("%.0f lines/s", 1e9/s.Median()) }
	return []row{
		{
			What: "every Append waits for the disk, 64 goroutines", Ours: rate(many), Peer: "ours, one goroutine: " + rate(one),
			Ratio: fmt.Sprintf("%.1f ×", contest.Ratio(one, many)), Goal: "at least 20 ×",
		},
		contest.Versus("the same, one goroutine", one, "zerolog+bufio, fsync per line", scores[2], ""),
	}, nil
}

func strictBatch(dir string) ([]row, error) {
	scores, err := contest.Race(dir,
		ours("batches", batchSize, auditlog.WithSyncLines(1)),
		bare("512 lines, fsync", batchSize, 1),
		encodedBatch(),
	)
	if err != nil {
		return nil, err
	}
	const what = "batches of 512, each waits for the disk"
	return []row{
		contest.Versus(what, scores[0], "bare write of 512 encoded lines + fsync", scores[1], atMost(1.2)),
		contest.Versus(what, scores[0], "zerolog into a buffer, write, fsync", scores[2], ""),
	}, nil
}
