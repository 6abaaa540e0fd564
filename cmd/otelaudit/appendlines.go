package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

const (
	chunkSize = 64 << 10
	// maxBatch and maxBatchBytes bound the memory of events that wait to be written
	// together. One line may exceed the second.
	maxBatch      = 512
	maxBatchBytes = 1 << 20
)

// appendLines appends the lines of standard input, and says on stderr what
// became of them.
func (a *app) appendLines(ctx context.Context, log *auditlog.Log) error {
	l := &lineAppender{app: a, log: log}
	err := l.run(ctx)
	if l.refused > 0 {
		a.sayf("appended %s, refused %s", plural(l.appended, "event"), plural(l.refused, "line"))
	} else {
		a.sayf("appended %s", plural(l.appended, "event"))
	}
	if err == nil && l.refused > 0 {
		return codeError(codeWrong)
	}
	return err
}

// lineAppender appends lines. Events wait in batch for those that are there
// already, but never for those that are still to come.
type lineAppender struct {
	*app
	log     *auditlog.Log
	line    int64  // number of the last whole line that was read
	rest    []byte // the beginning of the next one
	tooLong bool   // the next one is longer than the log takes, and rest is its beginning
	bytes   int    // of the lines of batch
	batch   []auditlog.Event
	origins []origin // of batch
	// refusals wait for those of the batch, so that all are told of in the
	// order of the lines.
	refusals []refusal

	appended, refused int64
}

// refusal is a line that is no event, and why.
type refusal struct {
	origin
	reason string
}

// origin is where an event comes from.
type origin struct {
	line int64
	text string // at most 200 bytes of the line
}

// chunk is what one Read returned.
type chunk struct {
	data []byte
	err  error
}

// readChunks reads in a goroutine of its own, because a Read cannot be
// interrupted. It ends at the end of r, or after the Read during which done
// was closed.
func readChunks(r io.Reader, done <-chan struct{}) <-chan chunk {
	chunks := make(chan chunk)
	go func() {
		for {
			buf := make([]byte, chunkSize)
			n, err := r.Read(buf)
			select {
			case chunks <- chunk{buf[:n], err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

func (l *lineAppender) run(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	chunks := readChunks(l.in, done)
	// What was read was taken from who wrote it: it is appended although ctx
	// may end meanwhile.
	appendCtx := context.WithoutCancel(ctx)
	for {
		select {
		case <-ctx.Done():
			return l.interrupted(ctx)
		case c := <-chunks:
			if err := l.takeChunk(appendCtx, c.data); err != nil {
				return err
			}
			if c.err != nil {
				return l.end(appendCtx, c.err)
			}
		}
	}
}

// takeChunk appends the lines that data completes.
func (l *lineAppender) takeChunk(ctx context.Context, data []byte) error {
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			l.keep(data)
			return l.flush(ctx)
		}
		text := data[:i]
		if len(l.rest) > 0 || i > l.log.MaxLine() {
			l.keep(text)
			text = l.rest
		}
		data = data[i+1:]
		if err := l.takeLine(ctx, text); err != nil {
			return err
		}
		l.rest, l.tooLong = nil, false
	}
}

// keep adds data to the beginning of the next line, of which it holds no more than
// the log takes.
func (l *lineAppender) keep(data []byte) {
	if l.tooLong {
		return
	}
	if len(l.rest)+len(data) <= l.log.MaxLine() {
		l.rest = append(l.rest, data...)
		return
	}
	const enough = 1 << 10 // for the message
	l.tooLong = true
	l.rest = append(bytes.Clone(l.rest[:min(len(l.rest), enough)]), data[:min(len(data), enough)]...)
}

func (l *lineAppender) takeLine(ctx context.Context, text []byte) error {
	l.line++
	text = bytes.TrimSpace(text)
	if len(text) == 0 && !l.tooLong {
		return nil
	}
	o := origin{l.line, visible.Cut(string(text[:min(len(text), 2*visible.MaxExcerpt)]))}
	if l.tooLong {
		l.refuse(o, fmt.Sprintf("it is longer than %d bytes, the longest line that a log takes", l.log.MaxLine()))
		return l.flushFull(ctx)
	}
	event, err := decodeEvent(text)
	if err != nil {
		l.refuse(o, err.Error())
		return l.flushFull(ctx)
	}
	l.batch = append(l.batch, event)
	l.origins = append(l.origins, o)
	l.bytes += len(text)
	return l.flushFull(ctx)
}

func (l *lineAppender) flushFull(ctx context.Context) error {
	if len(l.batch)+len(l.refusals) < maxBatch && l.bytes < maxBatchBytes {
		return nil
	}
	return l.flush(ctx)
}

func (l *lineAppender) refuse(o origin, reason string) {
	l.refused++
	l.refusals = append(l.refusals, refusal{o, reason})
}

// sayRefusals says why lines are not appended, with the beginning of each.
func (l *lineAppender) sayRefusals() {
	slices.SortFunc(l.refusals, func(a, b refusal) int { return cmp.Compare(a.line, b.line) })
	for _, r := range l.refusals {
		l.sayf("line %d of standard input is not appended: %s: %s", r.line, r.reason, visible.Text(r.text))
	}
	clear(l.refusals)
	l.refusals = l.refusals[:0]
}

// flush appends the batch and tells of the refusals.
func (l *lineAppender) flush(ctx context.Context) error {
	defer l.sayRefusals()
	for len(l.batch) > 0 {
		err := l.log.Append(ctx, l.batch...)
		if wrong, ok := errors.AsType[*auditlog.EventError](err); ok {
			// None of the batch was written: go on without this one.
			l.refuse(l.origins[wrong.Index], explainEvent(wrong))
			l.batch = slices.Delete(l.batch, wrong.Index, wrong.Index+1)
			l.origins = slices.Delete(l.origins, wrong.Index, wrong.Index+1)
			continue
		}
		written := len(l.batch)
		if err != nil {
			written = 0
			if part, ok := errors.AsType[*auditlog.BatchError](err); ok {
				written, err = part.Written, part.Err
			} else if _, ok := errors.AsType[*auditlog.SyncError](err); ok {
				written = len(l.batch)
			}
		}
		l.appended += int64(written)
		if err != nil {
			return l.stopped(written, err)
		}
		clear(l.batch)
		l.batch, l.origins, l.bytes = l.batch[:0], l.origins[:0], 0
	}
	return nil
}

// stopped returns an error of the log, of which the first events of the batch
// are in the file.
func (l *lineAppender) stopped(written int, err error) error {
	if written == len(l.batch) {
		return fmt.Errorf("%w; nothing behind line %d of standard input is in the log", plain(err), l.origins[written-1].line)
	}
	return fmt.Errorf("%w; line %d of standard input and what follows it are not in the log", plain(err), l.origins[written].line)
}

// end handles the end of standard input, of which the last line may lack its
// line feed.
func (l *lineAppender) end(ctx context.Context, cause error) error {
	if (len(l.rest) > 0 || l.tooLong) && errors.Is(cause, io.EOF) {
		if err := l.takeLine(ctx, l.rest); err != nil {
			return err
		}
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if errors.Is(cause, io.EOF) {
		return nil
	}
	return fmt.Errorf("read standard input behind line %d: %w", l.line, cause)
}

func (l *lineAppender) interrupted(ctx context.Context) error {
	return fmt.Errorf("%w; nothing behind line %d of standard input is in the log", context.Cause(ctx), l.line)
}
