// Command slog writes what a program logs with log/slog to the audit log,
// through OpenTelemetry's bridge for it. A message that looks like the name of
// an event is one; attributes are fields if the audit line knows them, and stay
// on the line in any case. A group is an object, and its name is in front of the
// names in it: gen_ai.usage.cost is known, whether or not groups make it up.
//
//	go run -C examples ./slog
//
// It prints some members of its three lines:
//
//	{"event":"llm.call","session_id":"session-42","cost":0.0041,"model":"gpt-4o","input_t":1500,"output_t":250}
//	{"event":"llm.call","session_id":"session-42","cost":0.0052,"model":"gpt-4o","input_t":2000,"output_t":300}
//	{"event":"log","session_id":"session-42","reason":"context window","prompt":{"limit":10000,"template":"notes/v3"}}
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"

	"github.com/otelaudit/otelaudit/examples/internal/show"
	"github.com/otelaudit/otelaudit/exporter"
)

func main() { show.Main(run) }

func run(ctx context.Context, out io.Writer, path string) error {
	if err := work(ctx, path); err != nil {
		return err
	}
	return show.Lines(ctx, out, path, "event", "session_id", "cost", "model", "input_t", "output_t", "reason", "prompt")
}

func work(ctx context.Context, path string) (err error) {
	shutdown, err := exporter.Setup(ctx, path) // sets the global LoggerProvider, which the bridge takes
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shutdown(ctx)) }()

	logger := otelslog.NewLogger("my-agent")
	ctx = exporter.ContextWithSession(ctx, "session-42")
	logger.InfoContext(ctx, "llm.call",
		slog.String("model", "gpt-4o"), slog.Int("input_tokens", 1500), slog.Int("output_tokens", 250), slog.Float64("cost_usd", 0.0041))
	logger.WithGroup("gen_ai").InfoContext(ctx, "llm.call", slog.Group("response", slog.String("model", "gpt-4o")),
		slog.Group("usage", slog.Int("input_tokens", 2000), slog.Int("output_tokens", 300), slog.Float64("cost", 0.0052)))
	logger.WarnContext(ctx, "The prompt is close to the limit",
		slog.String("reason", "context window"), slog.Group("prompt", slog.String("template", "notes/v3"), slog.Int("limit", 10000)))
	return nil
}
