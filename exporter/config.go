package exporter

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelaudit/otelaudit/internal/emitters"
)

// Option configures an [Exporter].
type Option interface {
	SetupOption
	SpanProcessorOption
	apply(cfg config) config
}

type config struct {
	sources        []ownSources
	withoutAliases bool
	withoutUID     bool
	replace        func(attribute.KeyValue) attribute.KeyValue
	onError        func(error)
	meters         metric.MeterProvider
	// For tests: emitters in front of those that are known, or none at all.
	emitters        []emitters.Emitter
	withoutEmitters bool
}

type ownSources struct {
	field string
	keys  []string
}

type option func(config) config

func (o option) apply(cfg config) config { return o(cfg) }

func (o option) applySetup(cfg setupConfig) setupConfig {
	cfg.exporter = append(cfg.exporter, o)
	return cfg
}

func newConfig(opts []Option) config {
	var cfg config
	for _, opt := range opts {
		if opt != nil {
			cfg = opt.apply(cfg)
		}
	}
	return cfg
}

// WithSources puts attribute keys in front of those that a field of the line
// is taken from (FORMAT.md section 8), in the order given: of several options
// for one field the first one's come first. field is a key of the line:
// event, session_id, cost, model, input_t, output_t, files, reason, confidence
// or duration_ms. For event the keys go before the record's EventName too.
//
// A key with dots is found in maps too: llm.cost is also the member cost of the
// attribute llm, which is what a group of that name becomes.
//
// An attribute that has the name and type of the field itself still wins, and
// values are read by the rules of the field: one that is not a cost, for
// example, is passed over.
func WithSources(field string, keys ...string) Option {
	keys = slices.Clone(keys)
	return option(func(cfg config) config {
		cfg.sources = append(slices.Clip(cfg.sources), ownSources{field, keys})
		return cfg
	})
}

// WithoutAliases leaves the built-in sources out: fields come from attributes
// of their own name and from [WithSources] only.
func WithoutAliases() Option {
	return option(func(cfg config) config {
		cfg.withoutAliases = true
		return cfg
	})
}

// WithReplaceAttribute has replace called for each attribute of a record before
// it is encoded: what it returns is written instead. An attribute without a key
// leaves it out. It must be safe for concurrent use, and return quickly. What
// it takes away is gone for good: it is the one way in which a record loses
// something, meant for secrets and personal data. A line whose log.record.uid it
// takes away has one all the same.
//
// Attributes inside of a body, a resource or a scope do not pass through it, and
// of a map only the whole does.
func WithReplaceAttribute(replace func(attribute.KeyValue) attribute.KeyValue) Option {
	return option(func(cfg config) config {
		cfg.replace = replace
		return cfg
	})
}

// WithOnError has handle called with each error of a method of [Exporter] or
// [Processor], before it returns. It must be safe for concurrent use. The SDK
// hands the errors that are returned to otel.Handle, which are fewer with
// [WithErrorSummary].
func WithOnError(handle func(error)) Option {
	return option(func(cfg config) config {
		cfg.onError = handle
		return cfg
	})
}

// WithoutRecordUID leaves records without log.record.uid as they are. By
// default they get one, a UUIDv7 of the time at which they were observed, so that no
// two lines are the same and what arrives twice in a backend can be recognised.
func WithoutRecordUID() Option {
	return option(func(cfg config) config {
		cfg.withoutUID = true
		return cfg
	})
}
