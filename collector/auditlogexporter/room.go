package auditlogexporter

import (
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxLineBytes bounds the lines of one request. Each repeats the resource and
	// the scope, so a request of 1 MiB can ask for gigabytes of them.
	maxLineBytes = 256 << 20
	// maxLineBytesInFlight bounds the lines of all requests that are being written.
	maxLineBytesInFlight = 2 * maxLineBytes
	// roomStep is what a request takes of it at a time. The first one is free.
	roomStep = 1 << 20
)

// room is what the lines of one request take in memory.
type room struct {
	all   *atomic.Int64
	taken int64
}

// fits takes room for lines of that many bytes. It returns an error if they are
// more than a request may have, or more than there is memory for now.
func (r *room) fits(size int) error {
	for int64(size) > r.taken+roomStep {
		if size > maxLineBytes {
			return consumererror.NewPermanent(status.Errorf(codes.InvalidArgument,
				"auditlog exporter: the lines of the request would have more than %d bytes, as each repeats the resource and scope; send fewer records in a request", maxLineBytes))
		}
		r.taken += roomStep
		if r.all.Add(roomStep) > maxLineBytesInFlight {
			return fmt.Errorf("auditlog exporter: the lines that are being written fill the %d bytes that they may have in memory; send again", maxLineBytesInFlight)
		}
	}
	return nil
}

func (r *room) release() { r.all.Add(-r.taken) }
