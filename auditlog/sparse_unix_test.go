//go:build unix

package auditlog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// TestReadingALineWithoutAnEndEndsWithItsContext has a sparse file of 1 TiB, which is one
// line of NULs, as an archive or as the active file.
func TestReadingALineWithoutAnEndEndsWithItsContext(t *testing.T) {
	const plain = "audit_20260213_143022.jsonl"
	for _, sparse := range []string{plain, activeName} {
		r := putLog(t, map[string]string{plain: "{\"n\":1}\n", activeName: "{\"n\":2}\n"})
		mustAll(t, os.Truncate(filepath.Join(filepath.Dir(r.Path()), sparse), 1<<40))
		for what, read := range map[string]func(context.Context) error{
			"Verify": func(ctx context.Context) error {
				_, err := r.Verify(ctx, nil)
				return err
			},
			"Spend": func(ctx context.Context) error {
				_, err := r.Spend(ctx, auditlog.Filter{}, auditlog.ByHour)
				return err
			},
			"LastEvents": func(ctx context.Context) error {
				_, err := r.LastEvents(ctx, 10, "")
				return err
			},
			"HourlySpend": func(ctx context.Context) error {
				_, err := r.HourlySpend(ctx, 1)
				return err
			},
			"Follow": func(ctx context.Context) error {
				for _, err := range r.Follow(ctx, auditlog.Following{Last: 1}) {
					if err != nil {
						return err
					}
				}
				return nil
			},
			"Lines": func(ctx context.Context) (err error) {
				snapshot, err := auditlog.HistoryOf(r).Snapshot(ctx)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, snapshot.Close()) }()
				for _, f := range snapshot.Files() {
					for _, err := range f.Lines(ctx, scan.Cursor{}, nil) {
						if err != nil {
							return err
						}
					}
				}
				return nil
			},
			"Whole": func(ctx context.Context) (err error) {
				snapshot, err := auditlog.HistoryOf(r).Snapshot(ctx)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, snapshot.Close()) }()
				for _, f := range snapshot.Files() {
					if _, _, err := f.Whole(ctx); err != nil {
						return err
					}
				}
				<-ctx.Done() // an archive is whole
				return ctx.Err()
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s with a sparse %s: got %v, want context.DeadlineExceeded", what, sparse, err)
			}
			cancel()
		}
	}
}
