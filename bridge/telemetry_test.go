package bridge_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"

	"github.com/otelaudit/otelaudit/bridge"
)

// collect returns the values of all metrics by name.
func collect(t *testing.T, reader *sdkmetric.ManualReader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				values[m.Name] = float64(data.DataPoints[0].Value)
			case metricdata.Gauge[int64]:
				values[m.Name] = float64(data.DataPoints[0].Value)
			case metricdata.Gauge[float64]:
				values[m.Name] = data.DataPoints[0].Value
			default:
				t.Errorf("%s: got %T", m.Name, data)
			}
		}
	}
	return values
}

func TestMetricsSayWhatWasDoneAndWhatIsLeft(t *testing.T) {
	var c collector
	c.push(reply(503, typeText, "busy"))
	path, url := logPath(t), c.serve(t)
	first, _ := lines("a", 3)
	write(t, path, first)
	archive(t, path, "20260101_000000")
	write(t, path, line("bad")+"\nno json\n")
	accept := c.refuse("bad")
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		if recordsOf(req)[0].GetEventName() == "late-0" {
			once.Do(func() { close(held) })
			<-release
		}
		accept(w, r, req)
	}
	reader := sdkmetric.NewManualReader()
	f := follow(t, path, url, bridge.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	got := map[string]float64{}
	waitFor(t, "the end of the log", func() bool {
		got = collect(t, reader)
		return got["otelaudit.replay.lag.size"] == 1 && got["otelaudit.replay.rejected"] == 1 && got["otelaudit.replay.damaged"] == 1
	})
	want := map[string]float64{
		"otelaudit.replay.sent": 3, "otelaudit.replay.rejected": 1, "otelaudit.replay.damaged": 1, "otelaudit.replay.retried": 1,
		"otelaudit.replay.lag.size": 1, "otelaudit.replay.lag.time": 0, // the line feed of the damaged line
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at the end of the log (-want +got):\n%s", diff)
	}

	// While the collector holds an event, others come, and the log is rotated.
	late, _ := lines("late", 4)
	appendTo(t, path, late[:len(late)/4])
	<-held
	appendTo(t, path, late[len(late)/4:])
	archive(t, path, "20260102_000000")
	more, _ := lines("more", 2)
	write(t, path, more)
	got = collect(t, reader)
	if want := float64(1 + len(late) + len(more)); got["otelaudit.replay.lag.size"] != want {
		t.Errorf("got a lag of %v bytes, want %v", got["otelaudit.replay.lag.size"], want)
	}
	appended := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	if got, want := got["otelaudit.replay.lag.time"], time.Since(appended).Seconds(); got > want || got < want-60 {
		t.Errorf("got a lag of %v seconds, want %v", got, want)
	}
	close(release)
	c.arrive(t, 3+4+2)
	f.stop(t)
	if got := collect(t, reader); got["otelaudit.replay.sent"] != 9 {
		t.Errorf("got %v sent, want 9", got["otelaudit.replay.sent"])
	}
	if _, ok := collect(t, reader)["otelaudit.replay.lag.size"]; ok {
		t.Error("the lag is still reported after the run")
	}
}

func TestLogFileAttributesAreAddedIfAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		opts []bridge.Option
		want []string
	}{
		"by default": {nil, []string{"", "", ""}},
		"asked for":  {[]bridge.Option{bridge.WithLogFileAttributes()}, []string{"audit_20260101_000000.jsonl.gz", "audit.jsonl", "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("a")+"\n")
			archive(t, path, "20260101_000000")
			write(t, path, line("b")+"\n"+`{"event":"c","log.file.name":"own","log.file.path":"/own"}`+"\n")
			run(t, path, url, tt.opts...)
			var got []string
			for _, r := range c.records() {
				name, paths := "", 0
				for _, kv := range r.GetAttributes() {
					switch kv.GetKey() {
					case "log.file.name":
						name += kv.GetValue().GetStringValue()
					case "log.file.path":
						paths++
					}
				}
				if want := min(len(name), 1); paths != want && r.GetEventName() != "c" {
					t.Errorf("%s: got %d log.file.path, want %d", r.GetEventName(), paths, want)
				}
				got = append(got, name)
			}
			if tt.opts == nil {
				tt.want[2] = "own"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("log.file.name (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDerivedFieldsAreAddedIfAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		opts []bridge.Option
		want []string
	}{
		"by default": {nil, nil},
		"asked for":  {[]bridge.Option{bridge.WithDerivedFields()}, []string{"gpt-4o"}},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, `{"event":"chat","model":"gpt-4o","gen_ai.response.model":"gpt-4o","otel":{"derived":["model"]}}`+"\n")
			run(t, path, url, tt.opts...)
			var got []string
			for _, kv := range c.records()[0].GetAttributes() {
				if kv.GetKey() == "model" {
					got = append(got, kv.GetValue().GetStringValue())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("model (-want +got):\n%s", diff)
			}
		})
	}
}
