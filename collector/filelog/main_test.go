package main

import (
	"bytes"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/otelcol"
)

// What the configuration does is tested in ../store, with a collector that runs.
func TestTheConfigurationIsValid(t *testing.T) {
	t.Parallel()
	cmd := otelcol.NewCommand(settings())
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"validate", "--config", "config.yaml"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Errorf("config.yaml: %v\n%s", err, &out)
	}
}

func TestAConfigurationWithAMistakeIsAnError(t *testing.T) {
	t.Parallel()
	cmd := otelcol.NewCommand(settings())
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	cmd.SetArgs([]string{"validate", "--config", "config.yaml", "--config", "yaml:receivers::file_log::start: beginning"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "start") {
		t.Errorf("got %v, want an error about start", err)
	}
}
