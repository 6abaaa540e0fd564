package autoexport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

const (
	name    = "auditlog"
	pathEnv = "OTELAUDIT_PATH"
)

func init() {
	autoexport.RegisterLogExporter(name, func(ctx context.Context) (sdklog.Exporter, error) { return open(ctx) })
}

// owner is an exporter that owns its log: the registry hands out nothing but
// an exporter, so nobody else could close it.
type owner struct {
	*exporter.Exporter

	log  *auditlog.Log
	once sync.Once
}

var _ sdklog.Exporter = (*owner)(nil)

func open(ctx context.Context) (*owner, error) {
	path := cmp.Or(os.Getenv(pathEnv), auditlog.DefaultPath)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("autoexport: open the audit log %s: %w", path, context.Cause(ctx))
	}
	log, err := auditlog.Open(path)
	if err != nil {
		return nil, fmt.Errorf("autoexport: %w", err)
	}
	exp, err := exporter.New(log)
	if err != nil {
		return nil, fmt.Errorf("autoexport: %w", errors.Join(err, log.Close()))
	}
	return &owner{Exporter: exp, log: log}, nil
}

// Shutdown ends the exporter, then closes its log, also if ctx has ended.
// Further calls do nothing.
func (o *owner) Shutdown(ctx context.Context) (err error) {
	o.once.Do(func() { err = errors.Join(o.Exporter.Shutdown(ctx), o.log.Close()) })
	return err
}
