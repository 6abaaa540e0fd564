package otlprepairextension

import (
	"context"
	"net/http"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/otelaudit/otelaudit/collector/otlprepairextension/internal/metadata"
)

// Config is the configuration, which has no settings.
type Config struct {
	// prevent unkeyed literal initialization
	_ struct{}
}

var _ component.Config = (*Config)(nil)

// NewFactory returns the factory of the extension, whose type is otlp_repair.
func NewFactory() extension.Factory {
	return extension.NewFactory(
		metadata.Type,
		func() component.Config { return &Config{} },
		func(_ context.Context, set extension.Settings, _ component.Config) (extension.Extension, error) {
			return &repairer{logger: set.Logger, repairing: make(chan struct{}, 1)}, nil
		},
		metadata.ExtensionStability,
	)
}

// repairer is safe for concurrent use.
type repairer struct {
	component.StartFunc
	component.ShutdownFunc

	logger    *zap.Logger
	inFlight  load          // of the requests that are being handled
	repairing chan struct{} // holds one element while a request is being repaired
}

var (
	_ extension.Extension            = (*repairer)(nil)
	_ extensionmiddleware.HTTPServer = (*repairer)(nil)
	_ extensionmiddleware.GRPCServer = (*repairer)(nil)
)

// GetHTTPHandler returns what a server wraps its handler with.
func (r *repairer) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return &handler{repairer: r, next: next}, nil
	}, nil
}

// GetGRPCServerOptions returns options that refuse what the decoder of the server
// may not be given.
func (r *repairer) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return newGuard(r.logger, &r.inFlight).options(), nil
}
