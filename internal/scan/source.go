package scan

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Source says where the files of a log are and how their lines are read.
type Source struct {
	Path      string // of the active file, absolute
	Dir, Stem string // of Path: the archives of Stem stand in Dir
	Beside    vfs.Beside
	Logger    *slog.Logger // gets damage for which a read names no function
	MaxLine   int          // length of the longest line in bytes
}

// NewSource returns the source of the log at path, which is absolute.
func NewSource(path string, logger *slog.Logger, maxLine int) Source {
	dir, base := filepath.Split(path)
	return Source{
		Path: path, Dir: filepath.Clean(dir), Stem: archive.Stem(base), Beside: vfs.NewBeside(path),
		Logger: logger, MaxLine: maxLine,
	}
}

// LogDamage logs d as a warning.
func (s *Source) LogDamage(d *DamageError) {
	s.Logger.Warn("auditlog: skipping damaged line",
		slog.String("file", d.File), slog.Int64("line", d.Line), slog.Int64("offset", d.Offset), slog.String("reason", d.Reason))
}

// DefaultMaxLine is the length of the longest line in bytes, unless an option sets another.
const DefaultMaxLine = 64 << 20

const (
	minMaxLine = 1 << 10
	maxMaxLine = 1 << 30
)

// CheckMaxLine returns an error if n bytes are too short or too long for MaxLine.
func CheckMaxLine(n int) error {
	if n < minMaxLine || n > maxMaxLine {
		return fmt.Errorf("WithMaxLine(%d): want %d to %d bytes", n, minMaxLine, maxMaxLine)
	}
	return nil
}

// ResolvePath makes path absolute and expands a leading ~/. A later chdir, or a shell
// that did not expand it, does not move the log then.
func ResolvePath(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path of the log is empty; give one, or use auditlog.DefaultPath")
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("expand %s: %w; set it, or name another path", path, err)
		}
		path = filepath.Join(home, rest)
	}
	if strings.HasPrefix(path, "~") && (strings.IndexByte(path, filepath.Separator) > 0 || path == "~") {
		return "", fmt.Errorf("%s: only ~/ is expanded, to your own home directory; write the path out, or ./%s if that is the name", path, path)
	}
	if strings.HasSuffix(path, string(filepath.Separator)) {
		return "", fmt.Errorf("%s names a folder; name the log's file in it, for example %saudit.jsonl", path, path)
	}
	return filepath.Abs(path)
}
