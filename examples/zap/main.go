// Command zap writes what a program logs with zap to its usual output and to
// the audit log, through OpenTelemetry's bridge for zap. The context goes along
// as a field: it carries the session, and the span if there is one.
//
//	go run -C examples ./zap
//
// It prints zap's own lines, then some members of the audit log's:
//
//	{"level":"info","msg":"llm.call","model":"gpt-4o","input_tokens":1500,"output_tokens":250,"cost_usd":0.0041}
//	{"level":"error","msg":"tool.failed","error":"exit status 1"}
//	{"event":"llm.call","session_id":"session-42","cost":0.0041,"model":"gpt-4o","input_t":1500,"output_t":250}
//	{"event":"tool.failed","session_id":"session-42","reason":"exit status 1"}
package main

import (
	"context"
	"errors"
	"io"

	"go.opentelemetry.io/contrib/bridges/otelzap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otelaudit/otelaudit/examples/internal/show"
	"github.com/otelaudit/otelaudit/exporter"
)

func main() { show.Main(run) }

func run(ctx context.Context, out io.Writer, path string) error {
	if err := work(ctx, out, path); err != nil {
		return err
	}
	return show.Lines(ctx, out, path, "event", "session_id", "cost", "model", "input_t", "output_t", "reason")
}

func work(ctx context.Context, out io.Writer, path string) (err error) {
	shutdown, err := exporter.Setup(ctx, path) // sets the global LoggerProvider, which the bridge takes
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shutdown(ctx)) }()

	// zap's lines without the time, so that they are the same each time.
	usual := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.LowercaseLevelEncoder,
	}), zapcore.AddSync(out), zapcore.InfoLevel)
	logger := zap.New(zapcore.NewTee(usual, otelzap.NewCore("my-agent")))

	ctx = exporter.ContextWithSession(ctx, "session-42")
	logger.Info("llm.call", inContext(ctx),
		zap.String("model", "gpt-4o"), zap.Int("input_tokens", 1500), zap.Int("output_tokens", 250), zap.Float64("cost_usd", 0.0041))
	logger.Error("tool.failed", inContext(ctx), zap.Error(errors.New("exit status 1")))
	return nil
}

// inContext is a field that the bridge understands and other cores skip.
func inContext(ctx context.Context) zap.Field {
	return zap.Field{Key: "context", Type: zapcore.SkipType, Interface: ctx}
}
