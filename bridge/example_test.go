package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bridge")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "audit.jsonl")

	log, err := auditlog.Open(path)
	if err != nil {
		panic(err)
	}
	if err := log.Append(ctx,
		auditlog.Event{Name: auditlog.EventNav, Model: "llama-3.1-8b", Cost: new(0.000003)},
		auditlog.Event{Name: auditlog.EventBudget, Reason: "hourly_budget_exhausted"},
	); err != nil {
		panic(err)
	}
	if err := log.Close(); err != nil {
		panic(err)
	}

	// Stands for an OpenTelemetry Collector.
	server := httptest.NewServer(new(collector))
	defer server.Close()

	b, err := bridge.New(path, bridge.WithEndpoint(server.URL))
	if err != nil {
		panic(err)
	}
	for range 2 {
		stats, err := b.Run(ctx)
		if stop, ok := errors.AsType[*bridge.StopError](err); ok {
			panic("change the configuration: " + stop.Error())
		} else if err != nil {
			panic(err)
		}
		fmt.Printf("sent %d, rejected %d\n", stats.Sent, stats.Rejected)
	}
	// Output:
	// sent 2, rejected 0
	// sent 0, rejected 0
}

// A program may send its own log while it writes it.
func ExampleWithFollow() {
	dir, err := os.MkdirTemp("", "bridge")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "audit.jsonl")
	server := httptest.NewServer(new(collector))
	defer server.Close()

	arrived := make(chan struct{})
	arrive := sync.OnceFunc(func() { close(arrived) })
	b, err := bridge.New(path, bridge.WithEndpoint(server.URL), bridge.WithFollow(),
		bridge.WithProgress(func(p bridge.Progress) {
			if p.Records == 1 {
				arrive()
			}
		}))
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		stats, err := b.Run(ctx)
		fmt.Printf("sent %d\n", stats.Sent)
		done <- err
	}()

	log, err := auditlog.Open(path)
	if err != nil {
		panic(err)
	}
	if err := log.Append(ctx, auditlog.Event{Name: auditlog.EventNav}); err != nil {
		panic(err)
	}
	if err := log.Close(); err != nil {
		panic(err)
	}
	<-arrived
	stop() // what is under way comes to its end
	if err := <-done; err != nil {
		panic(err)
	}
	// Output:
	// sent 1
}
