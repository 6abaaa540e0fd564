package main

import (
	"fmt"
	"strconv"

	"github.com/otelaudit/otelaudit/auditlog"
)

// benchCase is a part of the table.
type benchCase struct {
	name string
	rows func(dir string) ([]row, error)
}

func cases() []benchCase {
	return []benchCase{
		{"no fsync", noFsync},
		{"ten lines per fsync", tenLines},
		{"strict", strict},
		{"strict batch", strictBatch},
		{"latency", latency},
	}
}

func atMost(goal float64) string { return fmt.Sprintf("at most %g ×", goal) }

func versus(what string, ours score, name string, theirs score, goal string) row {
	return row{what, perLine(ours.median()), name + ": " + perLine(theirs.median()), fmt.Sprintf("%.2f ×", ratio(ours, theirs)), goal}
}

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
	scores, err := race(dir, contestants...)
	if err != nil {
		return nil, err
	}
	const what = "one event per Append, no fsync, sole owner"
	zero := contestants[3].name
	rows := []row{
		versus(what, scores[0], zero, scores[3], atMost(1)),
		versus("the same, file shared by processes", scores[1], zero, scores[3], atMost(2.5)),
		versus("batches of 512, file shared by processes", scores[2], zero, scores[3], atMost(0.6)),
	}
	for i := 4; i < len(contestants); i++ {
		rows = append(rows, versus(what, scores[0], contestants[i].name, scores[i], ""))
	}
	return append(rows,
		allocs("allocations per event, sole owner", scores[0], zero, scores[3]),
		allocs("allocations per event, shared", scores[1], zero, scores[3]),
		allocs("allocations per batch of 512", scores[2], zero, scores[3]),
	), nil
}

func allocs(what string, ours score, name string, theirs score) row {
	return row{what, strconv.FormatInt(ours.allocs, 10), fmt.Sprintf("%s: %d", name, theirs.allocs), "", "0"}
}

// tenLines: the default cadence, beside the same cadence in plain code.
func tenLines(dir string) ([]row, error) {
	scores, err := race(dir,
		ours("sole owner", 1, auditlog.WithSoleOwner()),
		ours("shared", 1),
		bare("10 × write, fsync", 1, 10),
	)
	if err != nil {
		return nil, err
	}
	return []row{
		versus("default cadence (10 lines), sole owner", scores[0], "bare 10 × write + fsync", scores[2], atMost(1.15)),
		versus("the same, file shared by processes", scores[1], "bare 10 × write + fsync", scores[2], ""),
	}, nil
}

// strict: every Append waits for the disk.
func strict(dir string) ([]row, error) {
	const goroutines = 64
	every := auditlog.WithSyncLines(1)
	scores, err := race(dir,
		oursBy("64 goroutines", goroutines, every),
		ours("one goroutine", 1, every),
		bufioSync(),
	)
	if err != nil {
		return nil, err
	}
	many, one := scores[0], scores[1]
	rate := func(s score) string { return fmt.Sprintf("%.0f lines/s", 1e9/s.median()) }
	return []row{
		{"every Append waits for the disk, 64 goroutines", rate(many), "ours, one goroutine: " + rate(one), fmt.Sprintf("%.1f ×", ratio(one, many)), "at least 20 ×"},
		versus("the same, one goroutine", one, "zerolog+bufio, fsync per line", scores[2], ""),
	}, nil
}

func strictBatch(dir string) ([]row, error) {
	scores, err := race(dir,
		ours("batches", batchSize, auditlog.WithSyncLines(1)),
		bare("512 lines, fsync", batchSize, 1),
		encodedBatch(),
	)
	if err != nil {
		return nil, err
	}
	const what = "batches of 512, each waits for the disk"
	return []row{
		versus(what, scores[0], "bare write of 512 encoded lines + fsync", scores[1], atMost(1.2)),
		versus(what, scores[0], "zerolog into a buffer, write, fsync", scores[2], ""),
	}, nil
}
