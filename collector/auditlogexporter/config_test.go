package auditlogexporter

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

// ignoreUnknown lets a test look at a part of a file.
var ignoreUnknown = confmap.WithIgnoreUnused()

// load returns the configuration of that name in testdata/config.yaml.
func load(t *testing.T, name string) (*Config, error) {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := conf.Sub(component.NewIDWithName(metadata.Type, name).String())
	if err != nil {
		t.Fatal(err)
	}
	cfg := createDefaultConfig().(*Config)
	if err := sub.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestAPathIsAllThatIsNeeded(t *testing.T) {
	got, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	want := createDefaultConfig().(*Config)
	want.Path = "/var/lib/otelaudit/audit.jsonl"
	if diff := cmp.Diff(want, got, everything); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Sync.Mode != SyncAlways || got.Queue.HasValue() || got.Retry.Enabled {
		t.Errorf("got sync %s, a queue %v, retries %v; want always and none", got.Sync.Mode, got.Queue.HasValue(), got.Retry.Enabled)
	}
}

func TestEverySettingIsRead(t *testing.T) {
	got, err := load(t, "all")
	if err != nil {
		t.Fatal(err)
	}
	want := createDefaultConfig().(*Config)
	want.Path = "~/audit.jsonl"
	want.Sync = SyncConfig{Mode: SyncCadence, Lines: 100, Interval: 5 * time.Second}
	want.Rotation.MaxBytes = 1048576
	want.SoleOwner = true
	want.SessionID = "gateway"
	want.Aliases = false
	want.RecordUID = false
	want.Sources = map[string][]string{"cost": {"my.cost"}}
	want.SpanNames = []string{"my.model.call"}
	want.Events = EventsConfig{Include: []string{"claude_code.*"}, Exclude: []string{"*.tool_result"}}
	want.Attributes = []AttributeRule{
		{Action: Drop, Keys: []string{"user.*"}},
		{Action: Replace, Keys: []string{"prompt"}, Pattern: "sk-[a-z]+", Value: "(key)"},
		{Action: Rename, Keys: []string{"a"}, To: "b"},
	}
	want.Queue.GetOrInsertDefault().WaitForResult = true
	if diff := cmp.Diff(want, got, everything); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatIsWrongIsSaidWithItsPlace has a part of the message for each
// configuration.
func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for name, want := range map[string]string{
		"no_path":         "path: it is empty",
		"mode":            `sync::mode: "sometimes" is none of always, cadence and never`,
		"lines":           "sync::lines: 0; want 1 line or more",
		"interval":        "sync::interval: 0s; want a duration above 0",
		"rotation":        "rotation::max_bytes: 0; want 1 byte or more",
		"sources":         `sources: exporter: WithSources("costs"): no such field; the fields are`,
		"action":          `attributes::0: action: "hide" is none of drop, keep, replace and rename`,
		"no_keys":         "attributes::0: keys: it is empty",
		"bad_pattern":     "attributes::1: pattern: error parsing regexp",
		"no_to":           "attributes::0: to: it is empty",
		"value_of_drop":   `attributes::0: value and pattern are for replace, the action is "drop"`,
		"queue":           "sending_queue: senders are told that a request is accepted before it is written",
		"queue_gives_up":  "retry_on_failure::max_elapsed_time to 0",
		"unknown_setting": "has invalid keys: pathh",
	} {
		if _, err := load(t, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that says %s", name, err, want)
		}
	}
}

// TestTheReadmesConfigurationsAreValid: the first is whole, the second a part of
// one.
func TestTheReadmesConfigurationsAreValid(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```yaml\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("the README has %d configurations, want 2", len(blocks))
	}
	whole, _, _ := strings.Cut(blocks[0], "```")
	part, _, _ := strings.Cut(blocks[1], "```")
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(whole+part), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := confmaptest.LoadConf(file)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := conf.Sub("exporters::auditlog")
	if err != nil {
		t.Fatal(err)
	}
	cfg := createDefaultConfig().(*Config)
	if err := sub.Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(cfg); err != nil || len(cfg.Attributes) != 4 || cfg.Path == "" {
		t.Errorf("got %d rules, path %q, %v", len(cfg.Attributes), cfg.Path, err)
	}
}

// everything has cmp look into the unexported fields of the collector's types.
var everything = cmp.Exporter(func(reflect.Type) bool { return true })
