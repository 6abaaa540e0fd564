package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// warnings is a handler of what packages log, for people: a line for each
// record, and how many of them were warnings.
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
}

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

func (h warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{h.attrs.WithAttrs(attrs), h.warningLines}
}

func (h warnings) WithGroup(name string) slog.Handler {
	return warnings{h.attrs.WithGroup(name), h.warningLines}
}
