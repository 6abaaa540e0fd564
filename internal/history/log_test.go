package history

import (
	"log/slog"

	"github.com/otelaudit/otelaudit/internal/scan"
)

func logAt(path string) *Log {
	return New(scan.NewSource(path, slog.New(slog.DiscardHandler), scan.DefaultMaxLine), false)
}
