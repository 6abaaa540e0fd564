package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// exampleLog makes a small log to read.
func exampleLog(ctx context.Context) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "auditlog")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "audit.jsonl")
	log, err := auditlog.Open(path, auditlog.WithSessionID("s-1"))
	if err != nil {
		return "", nil, err
	}
	start := time.Date(2026, 2, 13, 14, 30, 0, 0, time.UTC)
	err = log.Append(ctx,
		auditlog.Event{Time: start, Name: auditlog.EventNav, Model: "small", Cost: new(0.25), InputTokens: new(int64(42))},
		auditlog.Event{Time: start.Add(time.Minute), Name: auditlog.EventNav, Model: "large", Cost: new(1.5)},
		auditlog.Event{Time: start.Add(time.Hour), Name: auditlog.EventValidationFail, Reason: "hallucinated_path"},
		auditlog.Event{Time: start.Add(2 * time.Hour), Name: auditlog.EventNav, Model: "large", InputTokens: new(int64(7))},
	)
	if err != nil {
		return "", nil, err
	}
	return path, func() { _ = os.RemoveAll(dir) }, log.Close()
}

func ExampleReader_Query() {
	ctx := context.Background()
	path, remove, err := exampleLog(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()

	r, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	since := time.Date(2026, 2, 13, 16, 30, 0, 0, time.FixedZone("CET", 3600))
	for entry, err := range r.Query(ctx, auditlog.Filter{Since: since}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("line %d at byte %d: %s\n", entry.Line, entry.Offset, entry.Raw)
	}
	// Output:
	// line 3 at byte 202: {"ts":"2026-02-13T15:30:00.000Z","event":"validation_fail","session_id":"s-1","reason":"hallucinated_path"}
	// line 4 at byte 310: {"ts":"2026-02-13T16:30:00.000Z","event":"nav","session_id":"s-1","model":"large","input_t":7}
}

func ExampleReader_Spend() {
	ctx := context.Background()
	path, remove, err := exampleLog(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()

	r, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	spend, err := r.Spend(ctx, auditlog.Filter{Event: auditlog.EventNav}, auditlog.ByModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, group := range spend.Groups {
		fmt.Printf("%s: $%.2f for %d events, %d of them unpriced\n", group.Key, group.Cost, group.Events, group.Unpriced)
	}
	fmt.Printf("total: $%.2f\n", spend.Total.Cost)
	// Output:
	// large: $1.50 for 2 events, 1 of them unpriced
	// small: $0.25 for 1 events, 0 of them unpriced
	// total: $1.75
}

func ExampleReader_LastEvents() {
	ctx := context.Background()
	path, remove, err := exampleLog(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()

	r, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	last, err := r.LastEvents(ctx, 2, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range last {
		event, err := entry.Event()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.Time.Format(time.TimeOnly), event.Name, event.Reason)
	}
	// Output:
	// 15:30:00 validation_fail hallucinated_path
	// 16:30:00 nav
}

func ExampleReader_Verify() {
	ctx := context.Background()
	path, remove, err := exampleLog(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	if err := os.WriteFile(path, []byte("{\"event\":\"nav\"}\nnot an event\n{}\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	r, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := r.Verify(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range found.Damaged {
		fmt.Printf("%s line %d at byte %d: %s\n", filepath.Base(d.File), d.Line, d.Offset, d.Reason)
	}
	fmt.Println(found.Files, "file,", found.Events, "events")
	// Output:
	// audit.jsonl line 2 at byte 16: not a JSON object
	// 1 file, 2 events
}

func ExampleReader_Follow() {
	ctx := context.Background()
	path, remove, err := exampleLog(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()

	log, err := auditlog.Open(path, auditlog.WithSessionID("s-2"))
	if err != nil {
		fmt.Println(err)
		return
	}
	following := auditlog.Following{Last: 1}
	for entry, err := range log.Follow(ctx, following) {
		if err != nil {
			fmt.Println(err)
			break
		}
		event, err := entry.Event()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(event.SessionID, event.Name, event.Model)
		if event.SessionID == "s-2" {
			break // or go on until ctx ends
		}
		// Somebody appends, and rotates the log.
		err = errors.Join(log.Rotate(ctx), log.Append(ctx, auditlog.Event{Name: auditlog.EventNav, Model: "small"}))
		if err != nil {
			fmt.Println(err)
			break
		}
	}
	if err := log.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// s-1 nav large
	// s-2 nav small
}
