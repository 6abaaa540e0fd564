package recordtest

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// Capturer is a processor that keeps the records. It is not safe for concurrent
// use.
type Capturer struct{ Records []sdklog.Record }

var _ sdklog.Processor = (*Capturer)(nil)

// OnEmit keeps a copy of r.
func (c *Capturer) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.Records = append(c.Records, r.Clone())
	return nil
}

// Enabled reports that every record is wanted.
func (c *Capturer) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// Shutdown does nothing.
func (c *Capturer) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (c *Capturer) ForceFlush(context.Context) error { return nil }
