package auditlog

import "github.com/otelaudit/otelaudit/internal/history"

// HistoryOf returns the files of the log that r reads.
func HistoryOf(r *Reader) *history.Log { return r.log }
