// Command zap writes what a program logs with zap to its usual output and to
// the audit log, through OpenTelemetry's bridge for zap. The context goes along
// as a field: it carries the session, and the span if there is one. What is behind
// a namespace has its name in front: gen_ai.usage.cost is known, whether or not
// objects make it up.
//
//	go run -C examples ./zap
//
// It prints zap's own lines, then some members of the audit log's:
//
//	{"level":"info","msg":"llm.call","model":"gpt-4o","input_tokens":1500,"output_tokens":250,"cost_usd":0.0041}
//	{"level":"info","msg":"llm.call","gen_ai":{"response.model":"gpt-4o","usage":{"input_tokens":2000,"output_tokens":300,"cost":0.0052}}}
//	{"level":"error","msg":"tool.failed","error":"exit status 1"}
//	{"event":"llm.call","session_id":"session-42","cost":0.0041,"model":"gpt-4o","input_t":1500,"output_t":250}
//	{"event":"llm.call","session_id":"session-42","cost":0.0052,"model":"gpt-4o","input_t":2000,"output_t":300}
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
	logger.Info("llm.call", inContext(ctx), zap.Namespace("gen_ai"), zap.String("response.model", "gpt-4o"),
		zap.Dict("usage", zap.Int("input_tokens", 2000), zap.Int("output_tokens", 300), zap.Float64("cost", 0.0052)))
	logger.Error("tool.failed", inContext(ctx), zap.Error(errors.New("exit status 1")))
	return nil
}

// inContext is a field that the bridge understands and other cores skip.
func inContext(ctx context.Context) zap.Field {
	return zap.Field{Key: "context", Type: zapcore.SkipType, Interface: ctx}
}
