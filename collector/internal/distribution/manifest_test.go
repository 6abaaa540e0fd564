package distribution

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap/confmaptest"
	"golang.org/x/mod/modfile"
)

// TestTheManifestIsThatOfTheDistribution holds builder-config.yaml to the
// imports of this package and the versions of go.mod.
func TestTheManifestIsThatOfTheDistribution(t *testing.T) {
	conf, err := confmaptest.LoadConf("../../builder-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	versions := required(t)
	var listed []string
	for _, kind := range []string{"receivers", "processors", "exporters", "extensions", "providers"} {
		list, ok := conf.Get(kind).([]any)
		if !ok {
			t.Fatalf("the manifest has no %s", kind)
		}
		for _, entry := range list {
			m := entry.(map[string]any)
			module, version, _ := strings.Cut(m["gomod"].(string), " ")
			path := module
			if own, ok := m["import"].(string); ok {
				path = own
			} else if versions[module] != version {
				t.Errorf("%s is of version %s in the manifest, %s in go.mod", module, version, versions[module])
			}
			listed = append(listed, path)
		}
	}
	// What the builder adds by itself.
	besides := []string{"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"}
	if got, want := sortedWithout(listed, nil), sortedWithout(components(t), besides); !slices.Equal(got, want) {
		t.Errorf("the manifest has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func required(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[string]string)
	for _, r := range mod.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}

// components returns the imports of this package that have a factory, by their
// names: receivers, processors, exporters, extensions and providers.
func components(t *testing.T) (paths []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "distribution.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, imported := range file.Imports {
		path, err := strconv.Unquote(imported.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"receiver", "processor", "exporter", "extension", "provider", "storage", "telemetry"} {
			if strings.HasSuffix(path, kind) && !strings.HasSuffix(path, "collector/"+kind) {
				paths = append(paths, path)
				break
			}
		}
	}
	return paths
}

func sortedWithout(list, without []string) []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(list)), func(s string) bool { return slices.Contains(without, s) })
}
