package otlprepairextension

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// guard gives the decoder of a gRPC server the requests that it can take, and
// logs the requests that the server refuses.
//
// A codec can refuse a request with code Internal only, and does not know the
// call. So the guard puts the outcome into decoded, and reports no error. The
// statistics of the call are next, in the same goroutine: they move the outcome to
// the call's context, and the interceptor answers the reason.
type guard struct {
	encoding.CodecV2

	logger   *zap.Logger
	inFlight *load
	decoded  sync.Map // from the decoded request to an *outcome
}

// outcome is what the codec made of a request.
type outcome struct {
	share   share // until the call ends
	refused error
}

var (
	_ encoding.CodecV2 = (*guard)(nil)
	_ stats.Handler    = (*guard)(nil)
)

func newGuard(logger *zap.Logger, inFlight *load) *guard {
	return &guard{CodecV2: encoding.GetCodecV2("proto"), logger: logger, inFlight: inFlight}
}

func (g *guard) options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ForceServerCodecV2(g), grpc.StatsHandler(g), grpc.ChainUnaryInterceptor(g.intercept)}
}

// Unmarshal implements [encoding.CodecV2].
func (g *guard) Unmarshal(data mem.BufferSlice, v any) error {
	o := &outcome{share: share{of: g.inFlight}}
	if _, isSecond := g.decoded.LoadOrStore(v, o); isSecond {
		return errSecond // the statistics of the call will not have it
	}
	o.refused = g.unmarshal(&o.share, data, v)
	return nil
}

var errSecond = errors.New("a call has more than one request")

func (g *guard) unmarshal(s *share, data mem.BufferSlice, v any) error {
	if err := s.addBytes(int64(data.Len())); err != nil {
		return err
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	// The codec does not know the signal. A request counts no more messages in the
	// descriptors of the others than its bytes can be.
	if err := s.addProto(whole.ReadOnlyData(), signals[0].request, signals[1].request, signals[2].request); err != nil {
		return err
	}
	if err := g.CodecV2.Unmarshal(mem.BufferSlice{whole}, v); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	return nil
}

// call is what is known of a call in its context.
type call struct {
	method  string
	request any // the key of guard.decoded, until the call's handler begins or it ends
	*outcome
}

type callKey struct{}

// TagRPC implements [stats.Handler].
func (g *guard) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, callKey{}, &call{method: info.FullMethodName})
}

// HandleRPC implements [stats.Handler].
func (g *guard) HandleRPC(ctx context.Context, event stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.InPayload:
		if o, ok := g.decoded.Load(event.Payload); ok {
			c.request = event.Payload
			c.outcome, _ = o.(*outcome)
		}
	case *stats.End:
		g.forget(c)
		refused := false
		if c.outcome != nil {
			refused = c.refused != nil
			c.share.release()
		}
		switch code := status.Code(event.Error); {
		case refused, code == codes.ResourceExhausted, code == codes.InvalidArgument, code == codes.Internal:
			g.logger.Warn("refused a request", zap.String("method", clip(c.method)), zap.String("reason", clip(event.Error.Error())))
		}
	}
}

// TagConn implements [stats.Handler].
func (g *guard) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements [stats.Handler].
func (g *guard) HandleConn(context.Context, stats.ConnStats) {}

func (g *guard) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.outcome != nil {
		g.forget(c) // the handler may give the memory of the request to another call
		switch {
		case errors.Is(c.refused, errBusy):
			return nil, status.Error(codes.Unavailable, c.refused.Error())
		case c.refused != nil:
			return nil, status.Error(codes.InvalidArgument, c.refused.Error())
		}
	}
	return next(ctx, req)
}

func (g *guard) forget(c *call) {
	if c.request != nil {
		g.decoded.Delete(c.request)
		c.request = nil
	}
}
