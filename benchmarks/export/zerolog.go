package main

import (
	"testing"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// zero writes the model calls as a program that knows zerolog and no
// OpenTelemetry would: their attributes are constants of the call.
func zero() contest.Contestant {
	return contest.Contestant{Name: "zerolog+lumberjack", Bench: func(b *testing.B, path string) error {
		w := &lumberjack.Logger{Filename: path, MaxSize: never >> 20}
		l := zerolog.New(w)
		for b.Loop() {
			for n := range int64(batchSize) {
				logModelCall(&l, n)
			}
		}
		b.StopTimer()
		return w.Close()
	}, Lines: batchSize}
}

// logModelCall writes the attributes of recordtest.ModelCalls.
func logModelCall(l *zerolog.Logger, n int64) {
	l.Log().Timestamp().
		Str("gen_ai.operation.name", "chat").
		Str("gen_ai.provider.name", "openai").
		Str("gen_ai.request.model", "gpt-4o").
		Str("gen_ai.response.model", "gpt-4o-2024-08-06").
		Str("gen_ai.response.id", "chatcmpl-9J8K7L6M5N4B3V2C1X0Z").
		Str("gen_ai.conversation.id", "conv-5f0b4f5e9d43").
		Int64("gen_ai.usage.input_tokens", 1500).
		Int64("gen_ai.usage.output_tokens", n).
		Float64("gen_ai.request.temperature", 0.2).
		Bool("gen_ai.request.stream", true).
		Float64("cost_usd", 0.0041).
		Str("server.address", "api.openai.com").
		Send()
}
