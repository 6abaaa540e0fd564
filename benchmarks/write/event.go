package main

import (
	"log/slog"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otelaudit/otelaudit/auditlog"
)

// The fields that every contestant writes, and a time. The tokens change from
// line to line.
const (
	eventName  = "llm.call"
	session    = "4f0c2e9a-6d1b-4a51-8f5e-0d6c1f0a9b11"
	cost       = 0.0041
	model      = "gpt-4o-2024-08-06"
	reason     = "budget_ok"
	confidence = 87
	duration   = 1250 * time.Millisecond
	traceID    = "5b8efff798038103d269b633813fc60c"
	spanID     = "eee19b7ec3c1b174"
)

// timeLayout is how FORMAT.md writes times.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

func newEvent() auditlog.Event {
	return auditlog.Event{
		Name: eventName, SessionID: session, Cost: new(cost), Model: model,
		InputTokens: new(int64), OutputTokens: new(int64), Reason: reason,
		Confidence: new(int64(confidence)), Duration: new(duration),
		TraceID: traceID, SpanID: spanID,
	}
}

func logZerolog(l *zerolog.Logger, n int64) {
	l.Log().Timestamp().Str("event", eventName).Str("session_id", session).Float64("cost", cost).Str("model", model).
		Int64("input_t", n).Int64("output_t", n/2).Str("reason", reason).Int64("confidence", confidence).
		Int64("duration_ms", duration.Milliseconds()).Str("trace_id", traceID).Str("span_id", spanID).Send()
}

func logZap(l *zap.Logger, n int64) {
	l.Info(eventName, zap.String("session_id", session), zap.Float64("cost", cost), zap.String("model", model),
		zap.Int64("input_t", n), zap.Int64("output_t", n/2), zap.String("reason", reason), zap.Int64("confidence", confidence),
		zap.Int64("duration_ms", duration.Milliseconds()), zap.String("trace_id", traceID), zap.String("span_id", spanID))
}

func zapEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "ts", MessageKey: "event", LineEnding: zapcore.DefaultLineEnding,
		EncodeTime: zapcore.TimeEncoderOfLayout(timeLayout), EncodeDuration: zapcore.MillisDurationEncoder,
	})
}

func slogAttrs(n int64) []slog.Attr {
	return []slog.Attr{
		slog.String("session_id", session), slog.Float64("cost", cost), slog.String("model", model),
		slog.Int64("input_t", n), slog.Int64("output_t", n/2), slog.String("reason", reason), slog.Int64("confidence", confidence),
		slog.Int64("duration_ms", duration.Milliseconds()), slog.String("trace_id", traceID), slog.String("span_id", spanID),
	}
}
