package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/otelaudit/otelaudit/collector/internal/distribution"
)

// asCollector makes this program the collector, a process of its own.
const asCollector = "OTELAUDIT_BENCHMARK_COLLECTOR"

func collectorMain() {
	if err := distribution.Run(context.Background(), os.Args[1:], fileexporter.NewFactory()); err != nil {
		os.Exit(1)
	}
}

const config = `yaml:
receivers: {otlp: {protocols: {http: {endpoint: %s}}}}
exporters: {%s}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines: {logs: {receivers: [otlp], exporters: [%s]}}`

// race starts the collector, sends it all the records, and stops it.
func (c *contestant) race(ctx context.Context, path string, body []byte) (perSecond, perMillion float64, err error) {
	at, err := freePort(ctx)
	if err != nil {
		return 0, 0, err
	}
	exporter := c.exporter
	if strings.Contains(exporter, "%s") {
		exporter = fmt.Sprintf(exporter, path)
	}
	name, _, _ := strings.Cut(exporter, ":")
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, self, "--config", fmt.Sprintf(config, at, exporter, name)) //nolint:gosec // itself
	cmd.Env = append(os.Environ(), asCollector+"=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	url := "http://" + at + "/v1/logs"
	before, took, err := measure(ctx, cmd.Process.Pid, url, body)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	if err != nil {
		return 0, 0, err
	}
	cpu := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() - before
	sent := float64(requests() * *batch)
	return sent / took.Seconds(), cpu / sent * 1e6, nil
}

// measure returns the CPU seconds that the collector had used when it was
// ready, and how long it took to answer all requests.
func measure(ctx context.Context, pid int, url string, body []byte) (before float64, took time.Duration, err error) {
	if err := ready(ctx, url); err != nil {
		return 0, 0, err
	}
	p, err := process.NewProcessWithContext(ctx, int32(pid)) //nolint:gosec // a process's number
	if err != nil {
		return 0, 0, err
	}
	used, err := p.TimesWithContext(ctx)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	err = load(ctx, url, body)
	return used.User + used.System, time.Since(start), err
}

// ready returns when the collector answers.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for {
		err := post(ctx, client, url, nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the collector does not answer: %w", err)
		case <-poll.C:
		}
	}
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
