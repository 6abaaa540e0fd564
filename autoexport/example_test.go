package autoexport_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	_ "github.com/otelaudit/otelaudit/autoexport"
)

// As OTEL_LOGS_EXPORTER=auditlog OTELAUDIT_PATH=… ./app would start it.
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "audit.jsonl")
	if err := errors.Join(os.Setenv("OTEL_LOGS_EXPORTER", "auditlog"), os.Setenv("OTELAUDIT_PATH", path)); err != nil {
		fmt.Println(err)
		return
	}
	if err := app(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	log, err := auditlog.NewReader(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	spend, err := log.Spend(context.Background(), auditlog.Filter{}, auditlog.ByEvent)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range spend.Groups {
		fmt.Println(g.Key, g.Events)
	}
	// Output: llm.call 1
}

func app(ctx context.Context) (err error) {
	exp, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		return err
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exp)))
	defer func() { err = errors.Join(err, provider.Shutdown(ctx)) }()

	var r otellog.Record
	r.SetEventName("llm.call")
	provider.Logger("my-agent").Emit(ctx, r)
	return nil
}
