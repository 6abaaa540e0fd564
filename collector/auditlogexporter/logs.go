package auditlogexporter

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/collector/internal/openlogs"
)

// logs are the open logs of the process: exporters to one path share one, so
// that they share its writes and fsyncs, and may be its sole owner together.
var logs = openLogs{byPath: make(map[string]*openLog)}

// openLogs is safe for concurrent use.
type openLogs struct {
	mu     sync.Mutex
	byPath map[string]*openLog
}

type openLog struct {
	log  *auditlog.Log
	cfg  logConfig
	uses int
}

// open returns the log at path. Call close for each that was got.
func (l *openLogs) open(path string, cfg logConfig, logger *zap.Logger) (*auditlog.Log, error) {
	key, err := cleanPath(path)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.byPath[key]; o != nil {
		if o.cfg != cfg {
			return nil, fmt.Errorf("%s: another exporter has it open with other settings; give both the same sync::lines, sync::interval, "+
				"rotation, sole_owner and session_id, and sync::mode never to both or to none", path)
		}
		o.uses++
		return o.log, nil
	}
	log, err := auditlog.Open(path, append(cfg.options(), auditlog.WithLogger(slog.New(zapslog.NewHandler(logger.Core()))))...)
	if err != nil {
		return nil, err
	}
	l.byPath[key] = &openLog{log: log, cfg: cfg, uses: 1}
	openlogs.Add(key)
	return log, nil
}

// close closes the log with its last use. The lock is held meanwhile, so that
// whoever opens the path again finds it closed.
func (l *openLogs) close(log *auditlog.Log) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, o := range l.byPath {
		if o.log != log {
			continue
		}
		if o.uses--; o.uses > 0 {
			return nil
		}
		delete(l.byPath, key)
		openlogs.Remove(key)
		return log.Close()
	}
	return nil
}

// cleanPath returns one spelling of a path, by which it is known.
func cleanPath(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("expand %s: %w; set it, or name another path", path, err)
		}
		path = filepath.Join(home, rest)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return abs, nil
}
