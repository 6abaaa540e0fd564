package bridge

// WithPolling looks at a log that is followed at each interval of the watcher
// only, so that a test with synctest decides when.
func WithPolling() Option {
	return optionFunc(func(c config) config {
		c.poll = true
		return c
	})
}

// WithProbe sends the first event alone, as is the default, or the first batch whole,
// so that the script of a collector meets batches.
func WithProbe(on bool) Option {
	return optionFunc(func(c config) config {
		c.noProbe = !on
		return c
	})
}
