package bridge

// WithPolling looks at a log that is followed at each interval of the watcher
// only, so that a test with synctest decides when.
func WithPolling() Option {
	return optionFunc(func(c config) config {
		c.poll = true
		return c
	})
}
