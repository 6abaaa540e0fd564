package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// The whole of an app that writes its audit log.
func Example() {
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(home) //nolint:errcheck // a temporary folder
	if err := os.Setenv("HOME", home); err != nil {
		fmt.Println(err)
		return
	}
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	log, err := auditlog.NewReader(auditlog.DefaultPath)
	if err != nil {
		fmt.Println(err)
		return
	}
	spend, err := log.Spend(context.Background(), auditlog.Filter{Session: "session-42"}, auditlog.ByModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range spend.Groups {
		fmt.Printf("%s %+v\n", g.Key, g.Totals)
	}
	// Output: gpt-4o {Events:1 Unpriced:0 Cost:0.0041 InputTokens:1500 OutputTokens:250 Calls:1 Failed:0 CacheReadTokens:0 CacheWriteTokens:0 CacheWriteHourTokens:0 ReasoningTokens:0}
}

func run(ctx context.Context) (err error) {
	shutdown, err := exporter.Setup(ctx, "~/.scout/audit.jsonl") // the global LoggerProvider now writes audit lines
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shutdown(context.Background())) }() // drains, syncs and closes

	ctx = exporter.ContextWithSession(ctx, "session-42")
	logger := otel.Logger("my-agent")
	exporter.Emit(ctx, logger, auditlog.Event{
		Name: "llm.call", Model: "gpt-4o", Cost: new(0.0041), InputTokens: new(int64(1500)), OutputTokens: new(int64(250)),
	})
	return nil
}

// Beside what the app's LoggerProvider does already.
func ExampleNewProcessor() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "audit.jsonl")
	if err := addToProvider(context.Background(), path); err != nil {
		fmt.Println(err)
		return
	}
	log, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range log.Query(context.Background(), auditlog.Filter{}) {
		event, decodeErr := e.Event()
		fmt.Println(event.Name, event.Attributes["http.route"], err, decodeErr)
	}
	// Output: request.served /x <nil> <nil>
}

func addToProvider(ctx context.Context, path string) error {
	otlpExp, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL("http://127.0.0.1:4318"))
	if err != nil {
		return err
	}
	log, err := auditlog.Open(path)
	if err != nil {
		return err
	}
	exp, err := exporter.New(log)
	if err != nil {
		return err
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(exporter.NewProcessor(exp, exporter.WithErrorSummary())), // first, so that those behind it see log.record.uid
		sdklog.WithProcessor(sdklog.NewBatchProcessor(otlpExp)),                       // what you have
	)
	var r otellog.Record
	r.SetEventName("request.served")
	r.AddAttributes(attribute.String("http.route", "/x"))
	provider.Logger("app").Emit(ctx, r)
	return log.Close()
}

// A program whose model client is instrumented with spans: each call of a model
// becomes an event, in the session that the agent's span names.
func ExampleWithSpans() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "audit.jsonl")
	ctx := context.Background()
	shutdown, err := exporter.Setup(ctx, path, exporter.WithSpans()) // the global TracerProvider writes to it too
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := otel.Tracer("my-agent")
	inAgent, agent := tracer.Start(ctx, "invoke_agent", trace.WithAttributes(attribute.String("gen_ai.conversation.id", "session-42")))
	_, call := tracer.Start(inAgent, "chat gpt-4o", trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.model", "gpt-4o"),
		attribute.Int("gen_ai.usage.input_tokens", 1500), attribute.Int("gen_ai.usage.output_tokens", 250)))
	call.End()
	agent.End()
	if err := shutdown(ctx); err != nil {
		fmt.Println(err)
		return
	}
	log, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	spend, err := log.Spend(ctx, auditlog.Filter{Session: "session-42"}, auditlog.ByModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range spend.Groups {
		if g.Key != "" {
			fmt.Printf("%s: %d in, %d out\n", g.Key, g.InputTokens, g.OutputTokens)
		}
	}
	// Output: gpt-4o: 1500 in, 250 out
}
