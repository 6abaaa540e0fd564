package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/collector/store/internal/program"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// startFilelog starts the collector with the file log receiver on the folder of
// a log.
func startFilelog(t *testing.T, folder, storage, endpoint string, flags ...string) *program.Server {
	t.Helper()
	s, err := program.Start(built(t, buildFilelog), []string{
		"OTELAUDIT_FOLDER=" + folder,
		"OTELAUDIT_STORAGE=" + storage,
		"OTELAUDIT_OTLP_ENDPOINT=" + endpoint,
		"OTELAUDIT_COLLECTOR_LOG=stderr",
	}, append([]string{"--config", "../filelog/config.yaml"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, s)
	return s
}

// arrivesVia returns n records that arrive from a log by the file log receiver.
func arrivesVia(t *testing.T, path string, n int) []arrival {
	t.Helper()
	s := serve(t, -1)
	collector := startFilelog(t, filepath.Dir(path), t.TempDir(), s.url)
	eventually(t, fmt.Sprintf("%d records arrive", n), func() bool { return len(s.got()) >= n || collector.Ended() })
	stop(t, collector)
	if got := len(s.got()); got != n {
		t.Errorf("got %d records from the file log receiver, want %d", got, n)
	}
	return s.got()
}

// arrivesByReplay returns the records that arrive from a log by the replay.
func arrivesByReplay(t *testing.T, path string) []arrival {
	t.Helper()
	s := serve(t, -1)
	args := command(t, "otelaudit replay --endpoint http://gateway", "http://gateway.example:4318", s.url)
	otelaudit(t, append(args[1:], "--path", path)...)
	return s.got()
}

// byUID returns the records that carry an id of their own.
func byUID(arrivals []arrival) map[string]arrival {
	m := make(map[string]arrival)
	for _, a := range arrivals {
		if uid := a.attributes()["log.record.uid"].GetStringValue(); uid != "" {
			m[uid] = a
		}
	}
	return m
}

// sum adds up an attribute of all records.
func sum(arrivals []arrival, key string) float64 {
	var total float64
	for _, a := range arrivals {
		total += a.attributes()[key].GetDoubleValue() + float64(a.attributes()[key].GetIntValue())
	}
	return total
}

func TestTheFileLogReceiverReadsAuditFiles(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	got := arrivesVia(t, files.path, files.events)
	want := byUID(arrivesByReplay(t, files.path))

	compared := 0
	for uid, a := range byUID(got) {
		w, ok := want[uid]
		if !ok {
			t.Fatalf("the replay has no record %s", uid)
		}
		compared++
		// What the event was is an attribute, since the receiver has no event names.
		if got, want := a.attributes()["event"].GetStringValue(), w.GetEventName(); got != want {
			t.Errorf("event: got %q, want %q", got, want)
		}
		type mapped struct {
			Time              uint64
			Severity          int32
			TraceID, SpanID   []byte
			Flags             uint32
			Body              *commonpb.AnyValue
			Service           string
			Scope             string
			Session           string
			Cost, Input, Used *commonpb.AnyValue
		}
		of := func(a arrival) mapped {
			attrs := a.attributes()
			return mapped{
				a.GetTimeUnixNano(), int32(a.GetSeverityNumber()), a.GetTraceId(), a.GetSpanId(), a.GetFlags(), a.GetBody(),
				a.resource["service.name"].GetStringValue(), a.scope.GetName(), attrs["session.id"].GetStringValue(),
				attrs["cost_usd"], attrs["gen_ai.usage.input_tokens"], attrs["gen_ai.usage.cost"],
			}
		}
		g := of(a)
		if a.attributes()["session.id"] == nil { // the replay adds it
			g.Session = a.attributes()["session_id"].GetStringValue()
		}
		if diff := gocmp.Diff(of(w), g, protocmp.Transform()); diff != "" {
			t.Fatalf("record %s (-replay +filelog):\n%s", uid, diff)
		}
	}
	if want := files.events - 50 - strings.Count(foreign, "\n"); compared != want {
		t.Errorf("compared %d records, want the %d of the exporter", compared, want)
	}

	// The fields of the line are attributes, derived ones too: this is what spend
	// adds up.
	var cost float64
	var input int64
	for _, g := range spend(t, files.path, "model") {
		cost += g.Cost
		input += g.InputTokens
	}
	if got := sum(got, "cost"); math.Abs(got-cost) > 1e-9 {
		t.Errorf("cost: got %v, want %v", got, cost)
	}
	if got := int64(sum(got, "input_t")); got != input {
		t.Errorf("input_t: got %d, want %d", got, input)
	}
}

// TestWhatTheFileLogReceiverLoses holds the table of docs/scaling.md: if a newer
// receiver does better, the table has to say so.
func TestWhatTheFileLogReceiverLoses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	auditLog := audittest.Open(t, path)
	exp, err := exporter.New(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)),
		sdklog.WithAllowKeyDuplication(), sdklog.WithAttributeCountLimit(7))
	var r log.Record
	r.SetEventName("llm.call")
	r.SetTimestamp(start)
	r.SetObservedTimestamp(start.Add(time.Millisecond))
	r.SetSeverity(log.SeverityInfo)
	r.SetSeverityText("notice")
	r.AddAttributes(
		attribute.Int64("large", math.MaxInt64),
		attribute.ByteSlice("bytes", []byte{0xff, 0}),
		attribute.Float64("nan", math.NaN()),
		attribute.Int64("model", 7), // a model is a string
		attribute.String("twice", "a"), attribute.String("twice", "b"),
		attribute.Float64("whole", 1),
		attribute.String("beyond the limit", ""))
	provider.Logger("agent", log.WithInstrumentationVersion("1.2.3")).Emit(t.Context(), r)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := auditLog.Close(); err != nil {
		t.Fatal(err)
	}

	look := func(arrivals []arrival) map[string]string {
		a := arrivals[0]
		attrs := a.attributes()
		twice := 0
		for _, kv := range a.GetAttributes() {
			if kv.GetKey() == "twice" {
				twice++
			}
		}
		text := func(v *commonpb.AnyValue) string {
			if v == nil {
				return "nothing"
			}
			return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", v.GetValue()), "*v1.AnyValue_"), "Value")
		}
		return map[string]string{
			"event name":         a.GetEventName(),
			"observed time":      strconv.FormatBool(a.GetObservedTimeUnixNano() == uint64(start.Add(time.Millisecond).UnixNano())),
			"severity text":      a.GetSeverityText(),
			"scope version":      a.scope.GetVersion(),
			"dropped attributes": strconv.Itoa(int(a.GetDroppedAttributesCount())),
			"large integer":      text(attrs["large"]),
			"bytes":              text(attrs["bytes"]),
			"NaN":                text(attrs["nan"]),
			"key of a field":     text(attrs["model"]),
			"key twice":          strconv.Itoa(twice),
			"whole double":       text(attrs["whole"]),
		}
	}
	exact := map[string]string{
		"event name": "llm.call", "observed time": "true", "severity text": "notice", "scope version": "1.2.3",
		"dropped attributes": "1", "large integer": "Int", "bytes": "Bytes", "NaN": "Double", "key of a field": "Int",
		"key twice": "2", "whole double": "Double",
	}
	if diff := gocmp.Diff(exact, look(arrivesByReplay(t, path))); diff != "" {
		t.Errorf("replay (-emitted +arrived):\n%s", diff)
	}
	lost := map[string]string{
		"event name": "", "observed time": "false", "severity text": "INFO", "scope version": "",
		"dropped attributes": "0", "large integer": "Kvlist", "bytes": "Kvlist", "NaN": "Kvlist", "key of a field": "nothing",
		"key twice": "0", "whole double": "Double",
	}
	if diff := gocmp.Diff(lost, look(arrivesVia(t, path, 1))); diff != "" {
		t.Errorf("file log receiver (-documented +arrived):\n%s", diff)
	}
}

// TestTheFileLogReceiverDoublesWhatWasAcceptedBeforeAKill: it saves its offsets
// at the end of a poll, which may be millions of lines later.
func TestTheFileLogReceiverDoublesWhatWasAcceptedBeforeAKill(t *testing.T) {
	t.Parallel()
	const lines = 2000
	path := writeLines(t, t.TempDir(), lines)
	storage := t.TempDir()

	s := serve(t, 5)
	collector := startFilelog(t, filepath.Dir(path), storage, s.url)
	eventually(t, "five requests are accepted and the next one waits", func() bool { return s.hangs() || collector.Ended() })
	kill(t, collector)
	before := len(s.got())
	if before == 0 || before >= lines {
		t.Fatalf("%d of %d records were accepted before the kill, want some", before, lines)
	}
	if doubled := deliveredTwice(t, path, storage, s.got(), lines); doubled != before {
		t.Errorf("%d of the %d records accepted before the kill came again, want all: docs/scaling.md says so", doubled, before)
	}
}

// TestTheFileLogReceiverLosesWhatWasNotAcceptedBeforeAKill: a last batch of
// fewer than 100 waits in memory, while the offset behind it is saved.
func TestTheFileLogReceiverLosesWhatWasNotAcceptedBeforeAKill(t *testing.T) {
	t.Parallel()
	const lines = 50
	path := writeLines(t, t.TempDir(), lines)
	storage := t.TempDir()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}

	s := serve(t, 0)
	collector := startFilelog(t, filepath.Dir(path), storage, s.url)
	offset := fmt.Appendf(nil, `"Offset":%d,`, info.Size())
	var saved []byte
	changes := 0
	eventually(t, "the offset behind the lines is saved", func() bool {
		// The offset stands in a page of the database before the transaction is
		// committed. Each poll makes a new one of a few pages, so that after so many
		// changes an older one is committed.
		if now := contents(t, storage); !bytes.Equal(now, saved) && bytes.Contains(now, offset) {
			saved = now
			changes++
		}
		return changes > 10 || collector.Ended()
	})
	kill(t, collector)
	if got := len(s.got()); got != 0 {
		t.Fatalf("%d records were accepted, want none", got)
	}

	// What is appended afterwards arrives, so it had its chance.
	auditLog := audittest.Open(t, path)
	if err := auditLog.Append(t.Context(), auditlog.Event{Name: "after"}); err != nil {
		t.Fatal(err)
	}
	s = serve(t, -1)
	collector = startFilelog(t, filepath.Dir(path), storage, s.url)
	eventually(t, "the event after the kill arrives", func() bool {
		got := s.got()
		return collector.Ended() || len(got) > 0 && got[len(got)-1].attributes()["event"].GetStringValue() == "after"
	})
	stop(t, collector)
	if got := len(s.got()); got != 1 {
		t.Errorf("%d of %d records arrived after the kill, want none: docs/scaling.md says that they are lost", got-1, lines)
	}

	if got := len(arrivesByReplay(t, path)); got != lines+1 {
		t.Errorf("the replay brings %d records, want %d", got, lines+1)
	}
}

// TestTheFileLogReceiverLosesNothingWithTheGate: without the memory, the poll
// does not end before everything was accepted.
func TestTheFileLogReceiverLosesNothingWithTheGate(t *testing.T) {
	t.Parallel()
	const lines = 50
	gate := gateInConfig(t)
	path := writeLines(t, t.TempDir(), lines)
	storage := t.TempDir()

	s := serve(t, 0)
	collector := startFilelog(t, filepath.Dir(path), storage, s.url, gate)
	eventually(t, "a request waits", func() bool { return s.hangs() || collector.Ended() })
	kill(t, collector)

	s = serve(t, -1)
	collector = startFilelog(t, filepath.Dir(path), storage, s.url, gate)
	eventually(t, "the lines arrive after the kill", func() bool { return len(s.got()) >= lines || collector.Ended() })
	stop(t, collector)
	if got := len(s.got()); got != lines {
		t.Errorf("%d records arrived after the kill, want %d", got, lines)
	}
}

// gateInConfig returns the flag that the configuration says to use.
func gateInConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../filelog/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, "--feature-gates=") {
			return word
		}
	}
	t.Fatal("the configuration names no feature gate")
	return ""
}

// TestTheFileLogReceiverDropsTheBatchOfARefusedRecord, and a replay only that
// record.
func TestTheFileLogReceiverDropsTheBatchOfARefusedRecord(t *testing.T) {
	t.Parallel()
	const lines = 50
	refuse := func(a arrival) bool { return a.attributes()["n"].GetIntValue() == 25 }
	path := writeLines(t, t.TempDir(), lines)

	s := serveBut(t, -1, refuse)
	collector := startFilelog(t, filepath.Dir(path), t.TempDir(), s.url)
	eventually(t, "a request is refused", func() bool {
		return strings.Contains(collector.Said(), "Dropping data") || collector.Ended()
	})
	auditLog := audittest.Open(t, path)
	if err := auditLog.Append(t.Context(), auditlog.Event{Name: "after"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a later event arrives", func() bool { return len(s.got()) > 0 || collector.Ended() })
	stop(t, collector)
	if got := len(s.got()); got != 1 {
		t.Errorf("%d of %d records of the refused batch arrived, want none: docs/scaling.md says that they are dropped", got-1, lines)
	}

	s = serveBut(t, -1, refuse)
	cmd := exec.CommandContext(t.Context(), built(t, buildOtelaudit), "replay", "--path", path, "--endpoint", s.url)
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("replay: got %v, want exit code 1\n%s", err, out)
	}
	if got := len(s.got()); got != lines {
		t.Errorf("the replay brings %d records, want all %d but the refused one", got, lines+1)
	}
}

func TestTheFileLogReceiverFollowsRotations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	auditLog := audittest.Open(t, filepath.Join(dir, "audit.jsonl"))
	s := serve(t, -1)
	collector := startFilelog(t, dir, t.TempDir(), s.url)
	times := make(map[int64]int)
	for round := range 4 {
		for n := range 50 {
			err := auditLog.Append(t.Context(), auditlog.Event{Name: "nav", Attributes: map[string]any{"n": 50*round + n}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 { // read before the rotation, or while it goes on
			eventually(t, "the lines arrive", func() bool { return len(s.got()) >= 50*(round+1) || collector.Ended() })
		}
		if err := auditLog.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all lines arrive", func() bool {
		clear(times)
		for _, a := range s.got() {
			times[a.attributes()["n"].GetIntValue()]++
		}
		return len(times) == 200 || collector.Ended()
	})
	stop(t, collector)
	if got := len(s.got()); got != 200 {
		t.Errorf("%d records arrived, want 200", got)
	}
}

// contents returns what is in the files of a folder.
func contents(t *testing.T, folder string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// deliveredTwice goes on where a killed collector ended, until every line has
// arrived, and returns how many of the records that were accepted before come again.
func deliveredTwice(t *testing.T, path, storage string, before []arrival, lines int) int {
	t.Helper()
	seen := make(map[int64]bool)
	for _, a := range before {
		seen[a.attributes()["n"].GetIntValue()] = true
	}
	s := serve(t, -1)
	collector := startFilelog(t, filepath.Dir(path), storage, s.url)
	doubled := 0
	eventually(t, "all lines arrive", func() bool {
		all := make(map[int64]bool)
		for n := range seen {
			all[n] = true
		}
		doubled = 0
		for _, a := range s.got() {
			n := a.attributes()["n"].GetIntValue()
			if seen[n] {
				doubled++
			}
			all[n] = true
		}
		return len(all) == lines || collector.Ended()
	})
	stop(t, collector)
	return doubled
}
