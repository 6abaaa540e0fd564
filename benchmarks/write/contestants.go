package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/DeRuina/timberjack"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/otelaudit/otelaudit/auditlog"
)

const (
	never     = 1 << 40 // bytes: no rotation
	neverMiB  = never >> 20
	batchSize = 512
)

func openLog(path string, opts []auditlog.Option) (*auditlog.Log, error) {
	return auditlog.Open(path, append([]auditlog.Option{auditlog.WithMaxFileSize(never)}, opts...)...)
}

// ours appends batches of events.
func ours(name string, batch int, opts ...auditlog.Option) contestant {
	return contestant{Name: name, Bench: func(b *testing.B, path string) error {
		log, err := openLog(path, opts)
		if err != nil {
			return err
		}
		ctx, n := context.Background(), int64(0)
		events := make([]auditlog.Event, batch)
		for i := range events {
			events[i] = newEvent()
		}
		for err == nil && b.Loop() {
			for i := range events {
				*events[i].InputTokens, *events[i].OutputTokens = n, n/2
				n++
			}
			err = log.Append(ctx, events...)
		}
		b.StopTimer()
		return errors.Join(err, log.Close())
	}, Lines: batch}
}

// oursBy appends single events from a number of goroutines.
func oursBy(name string, goroutines int, opts ...auditlog.Option) contestant {
	return contestant{Name: name, Bench: func(b *testing.B, path string) error {
		log, err := openLog(path, opts)
		if err != nil {
			return err
		}
		b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
		var count atomic.Int64
		var failure atomic.Pointer[error]
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			ctx, e := context.Background(), newEvent()
			for pb.Next() {
				n := count.Add(1)
				*e.InputTokens, *e.OutputTokens = n, n/2
				if err := log.Append(ctx, e); err != nil {
					failure.Store(&err)
					return
				}
			}
		})
		b.StopTimer()
		if f := failure.Load(); f != nil {
			err = *f
		}
		return errors.Join(err, log.Close())
	}, Lines: 1}
}

// encoded returns a line as ours are.
func encoded(path string) ([]byte, error) {
	log, err := openLog(path, nil)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(log.Append(context.Background(), newEvent()), log.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path) //nolint:gosec // it was made here
}

// bare makes the system calls and nothing else: a write of so many lines that
// are encoded already, and an fsync after every few writes.
func bare(name string, lines, writesPerSync int) contestant {
	return contestant{Name: name, Bench: func(b *testing.B, path string) error {
		text, err := encoded(path + ".encoded")
		if err != nil {
			return err
		}
		text = bytes.Repeat(text, lines)
		return withFile(b, path, func(f *os.File) error {
			for writes := 1; b.Loop(); writes++ {
				if _, err := f.Write(text); err != nil {
					return err
				}
				if writes%writesPerSync == 0 {
					if err := f.Sync(); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}, Lines: lines}
}

// withFile runs a loop that appends to a file.
func withFile(b *testing.B, path string, loop func(f *os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600) //nolint:gosec // the path is made here
	if err != nil {
		return err
	}
	err = loop(f)
	b.StopTimer()
	return errors.Join(err, f.Close())
}

// encodedBatch is the plain code for a batch: zerolog into a buffer, a write,
// an fsync.
func encodedBatch() contestant {
	return contestant{Name: "zerolog into a buffer, write, fsync", Bench: func(b *testing.B, path string) error {
		return withFile(b, path, func(f *os.File) error {
			var buf bytes.Buffer
			l, n := zerolog.New(&buf), int64(0)
			for b.Loop() {
				buf.Reset()
				for range batchSize {
					logZerolog(&l, n)
					n++
				}
				if _, err := f.Write(buf.Bytes()); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
			}
			return nil
		})
	}, Lines: batchSize}
}

// bufioSync is the plain code for a line that must be on disk.
func bufioSync() contestant {
	return contestant{Name: "zerolog+bufio, fsync per line", Bench: func(b *testing.B, path string) error {
		return withFile(b, path, func(f *os.File) error {
			w := bufio.NewWriter(f)
			l, n := zerolog.New(w), int64(0)
			for b.Loop() {
				logZerolog(&l, n)
				n++
				if err := w.Flush(); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
			}
			return nil
		})
	}, Lines: 1}
}

func newLumberjack(path string) io.WriteCloser {
	return &lumberjack.Logger{Filename: path, MaxSize: neverMiB}
}

func newTimberjack(path string) io.WriteCloser {
	return &timberjack.Logger{Filename: path, MaxSize: neverMiB}
}

// peer writes single lines through a rotating writer. What its logger makes of
// an error of the writer is the logger's: zerolog prints it, the others drop it.
func peer(name string, open func(string) io.WriteCloser, logger func(io.Writer) func(n int64)) contestant {
	return contestant{Name: name, Bench: func(b *testing.B, path string) error {
		w := open(path)
		log, n := logger(w), int64(0)
		for b.Loop() {
			log(n)
			n++
		}
		b.StopTimer()
		return w.Close()
	}, Lines: 1}
}

func withZerolog(w io.Writer) func(int64) {
	zerolog.TimeFieldFormat, zerolog.TimestampFieldName = timeLayout, "ts"
	l := zerolog.New(w)
	return func(n int64) { logZerolog(&l, n) }
}

func withZap(w io.Writer) func(int64) {
	l := zap.New(zapcore.NewCore(zapEncoder(), zapcore.AddSync(w), zapcore.InfoLevel))
	return func(n int64) { logZap(l, n) }
}

func withSlog(w io.Writer) func(int64) {
	l := slog.New(slog.NewJSONHandler(w, nil))
	return func(n int64) { l.LogAttrs(context.Background(), slog.LevelInfo, eventName, slogAttrs(n)...) }
}
