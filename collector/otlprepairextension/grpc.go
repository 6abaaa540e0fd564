package otlprepairextension

import (
	"context"
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
// A codec can refuse a request with code Internal only. So the guard puts the
// reason into refused, and reports no error. The statistics of the call are next,
// in the same goroutine: they move the reason to the call's context, and the
// interceptor answers it.
type guard struct {
	encoding.CodecV2

	logger  *zap.Logger
	refused sync.Map // from the decoded request to an error
}

var (
	_ encoding.CodecV2 = (*guard)(nil)
	_ stats.Handler    = (*guard)(nil)
)

func newGuard(logger *zap.Logger) *guard {
	return &guard{CodecV2: encoding.GetCodecV2("proto"), logger: logger}
}

func (g *guard) options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ForceServerCodecV2(g), grpc.StatsHandler(g), grpc.ChainUnaryInterceptor(g.intercept)}
}

// Unmarshal implements [encoding.CodecV2].
func (g *guard) Unmarshal(data mem.BufferSlice, v any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if err := g.unmarshal(whole, v); err != nil {
		g.refused.Store(v, err)
	}
	return nil
}

func (g *guard) unmarshal(whole mem.Buffer, v any) error {
	for i := range signals {
		// The codec does not know the signal. A request counts no more messages in
		// the descriptors of the others than its bytes can be.
		if err := checkProto(whole.ReadOnlyData(), signals[i].request); err != nil {
			return err
		}
	}
	if err := g.CodecV2.Unmarshal(mem.BufferSlice{whole}, v); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	return nil
}

// call is what is known of a call in its context.
type call struct {
	method  string
	refused error
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
		if reason, ok := g.refused.LoadAndDelete(event.Payload); ok {
			c.refused, _ = reason.(error)
		}
	case *stats.End:
		switch status.Code(event.Error) {
		case codes.ResourceExhausted, codes.InvalidArgument, codes.Internal:
			g.logger.Warn("refused a request", zap.String("method", clip(c.method)), zap.String("reason", clip(event.Error.Error())))
		}
	}
}

// TagConn implements [stats.Handler].
func (g *guard) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements [stats.Handler].
func (g *guard) HandleConn(context.Context, stats.ConnStats) {}

func (g *guard) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.refused != nil {
		return nil, status.Error(codes.InvalidArgument, c.refused.Error())
	}
	return next(ctx, req)
}
