package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// warnings is a handler of what packages log, for people: a line for each
// record, and how many of them were warnings. Of the damaged lines of a file it
// says the first few and how many more there are. Call end at the end.
type warnings struct {
	attrs slog.Handler // formats the attributes into line
	*warningLines
}

// warningLines is what a handler shares with those derived from it.
type warningLines struct {
	n    atomic.Int64
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer

	file    string // that the last damaged line is in
	damaged int64  // lines of it
}

// maxDamaged is how many damaged lines of a file are told of one by one.
const maxDamaged = 5

var _ slog.Handler = warnings{}

func newWarnings(w io.Writer) warnings {
	lines := &warningLines{w: w}
	attrs := slog.NewTextHandler(&lines.line, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey || attr.Key == slog.MessageKey) {
				return slog.Attr{} // Handle writes them its own way
			}
			if attr.Value.Kind() == slog.KindDuration {
				attr.Value = slog.DurationValue(attr.Value.Duration().Round(time.Millisecond))
			}
			return attr
		},
	})
	return warnings{attrs, lines}
}

// count returns how many warnings and errors there were.
func (h warnings) count() int64 { return h.n.Load() }

func (h warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (h warnings) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if file, ok := damagedFile(r); ok {
		if file != h.file {
			if err := h.sayMore(); err != nil {
				return err
			}
			h.file, h.damaged = file, 0
		}
		if h.damaged++; h.damaged > maxDamaged {
			h.n.Add(1)
			return nil
		}
	}
	h.line.Reset()
	h.line.WriteString("otelaudit: ")
	switch {
	case r.Level >= slog.LevelError:
		h.n.Add(1)
		h.line.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		h.n.Add(1)
		h.line.WriteString("warning: ")
	}
	h.line.WriteString(strings.TrimPrefix(r.Message, "auditlog: "))
	h.line.WriteByte(' ')
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.w.Write(h.line.Bytes())
	return err
}

// damagedFile returns the file of a warning that tells of a damaged line: where
// it is and the reason, and no more.
func damagedFile(r slog.Record) (file string, ok bool) {
	where := 0
	r.Attrs(func(attr slog.Attr) bool {
		switch attr.Key {
		case "file":
			file = attr.Value.String()
			where++
		case "line", "offset", "reason":
			where++
		}
		return true
	})
	return file, where == 4 && r.NumAttrs() == 4 && r.Level == slog.LevelWarn
}

// end says how much of the last file's damage was not told of. What comes after
// it begins anew.
func (h warnings) end() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.sayMore()
	h.file, h.damaged = "", 0
	return err
}

func (l *warningLines) sayMore() error {
	more := l.damaged - maxDamaged
	if more <= 0 {
		return nil
	}
	_, err := fmt.Fprintf(l.w, "otelaudit: warning: and %s more in %s; otelaudit verify lists all\n", count(more), visible.Excerpt(l.file))
	return err
}

func (h warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{h.attrs.WithAttrs(attrs), h.warningLines}
}

func (h warnings) WithGroup(name string) slog.Handler {
	return warnings{h.attrs.WithGroup(name), h.warningLines}
}
