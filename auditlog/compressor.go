package auditlog

import (
	"log/slog"
	"sync"
)

// compressor turns archives into gzip files in the background, one at a time,
// so that no writer waits for it.
type compressor struct {
	log   *Log
	mu    sync.Mutex
	queue []string
	later []string // those that failed
	busy  bool
	done  sync.WaitGroup
}

func (c *compressor) init(l *Log) { c.log = l }

// start queues the archive at path, and those that could not be compressed
// before.
func (c *compressor) start(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(append(c.queue, path), c.later...)
	c.later = nil
	if !c.busy {
		c.busy = true
		c.done.Go(c.run)
	}
}

// wait returns when nothing is queued any more.
func (c *compressor) wait() { c.done.Wait() }

func (c *compressor) run() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		path := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		// Nothing is lost by a failure: the plain archive stays, is read as
		// it is, and the next rotation or Open tries again.
		if err := c.compress(path); err != nil {
			c.log.log.Error("auditlog: compress an archive", slog.String("archive", path), slog.Any("error", err))
			c.mu.Lock()
			c.later = append(c.later, path)
			c.mu.Unlock()
		}
	}
}
