package exporter

import "github.com/otelaudit/otelaudit/internal/emitters"

// WithEmitters puts emitters in front of those that are known.
func WithEmitters(list ...emitters.Emitter) Option {
	return option(func(cfg config) config {
		cfg.emitters = list
		return cfg
	})
}

// WithoutEmitters leaves all emitters out but the conventions.
func WithoutEmitters() Option {
	return option(func(cfg config) config {
		cfg.withoutEmitters = true
		return cfg
	})
}
