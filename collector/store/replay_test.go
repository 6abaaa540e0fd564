package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// storeInDocument is the address that the document gives its database.
const storeInDocument = "store.example:9428"

// startDocumentedDatabase starts the database with the flags of the document.
func startDocumentedDatabase(t *testing.T) *database {
	t.Helper()
	flags := command(t, "victoria-logs -storageDataPath", "/var/lib/victoria-logs", t.TempDir())
	return startDatabase(t, flags[1:]...)
}

// replay replays the log into the database with the command of the document,
// and returns the last line that it says.
func replay(t *testing.T, db *database, path string, more ...string) string {
	t.Helper()
	args := command(t, "otelaudit replay --endpoint http://"+storeInDocument, storeInDocument, db.address)
	_, stderr := otelaudit(t, slices.Concat(args[1:], []string{"--path", path}, more)...)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return lines[len(lines)-1]
}

// spend returns what the command says of the file.
func spend(t *testing.T, path, by string, more ...string) []auditlog.Group {
	t.Helper()
	stdout, _ := otelaudit(t, append([]string{"spend", "--path", path, "--by", by, "--format", "json"}, more...)...)
	var s auditlog.Spend
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatal(err)
	}
	// The queries are of these sums only.
	for i, g := range s.Groups {
		s.Groups[i].Totals = auditlog.Totals{
			Events: g.Events, Unpriced: g.Unpriced, Cost: g.Cost, InputTokens: g.InputTokens, OutputTokens: g.OutputTokens,
		}
	}
	return s.Groups
}

// spendOf returns what the database says: the rows of a query whose groups are
// named by the field by.
func (d *database) spendOf(t *testing.T, by, query string) []auditlog.Group {
	t.Helper()
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(cmp.Or(text, "NaN"), 64)
		if err != nil {
			t.Fatal(err)
		}
		if math.IsNaN(n) { // the sum of no numbers
			return 0
		}
		return n
	}
	var groups []auditlog.Group
	for _, r := range d.query(t, query) {
		groups = append(groups, auditlog.Group{Key: r[by], Totals: auditlog.Totals{
			Events: int64(number(r["events"])), Unpriced: int64(number(r["unpriced"])), Cost: number(r["cost"]),
			InputTokens: int64(number(r["input_t"])), OutputTokens: int64(number(r["output_t"])),
		}})
	}
	return groups
}

// diffSpend compares groups in any order. The database adds float64s one by one
// and rounds each time, the command does not.
func diffSpend(want, got []auditlog.Group) string {
	return gocmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0),
		cmpopts.SortSlices(func(a, b auditlog.Group) bool { return a.Key < b.Key }))
}

func TestSpendOfTheFilesIsSpendOfTheDatabase(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	db := startDocumentedDatabase(t)
	said := replay(t, db, files.path)
	if want := fmt.Sprintf("sent %d events to ", files.events); !strings.Contains(said, want) {
		t.Fatalf("got %q, want %q", said, want)
	}
	want := spend(t, files.path, "model")
	if len(want) < 5 {
		t.Fatalf("the files have too few models to tell: %+v", want)
	}
	if diff := diffSpend(want, db.spendOf(t, "model", logsql(t, "spend by model"))); diff != "" {
		t.Errorf("spend (-file +database):\n%s", diff)
	}

	oneDay := logsql(t, "spend by model", "\n*\n", "\n"+dayFilter(t)+"\n")
	want = spend(t, files.path, "model", "--since", "2026-02-14", "--until", "2026-02-15")
	if diff := diffSpend(want, db.spendOf(t, "model", oneDay)); diff != "" {
		t.Errorf("spend of a day (-file +database):\n%s", diff)
	}

	// The query by day is of cost and events only.
	want = spend(t, files.path, "day")
	if len(want) < 3 {
		t.Fatalf("the files have too few days to tell: %+v", want)
	}
	for i, g := range want {
		want[i] = auditlog.Group{Key: g.Key + "T00:00:00Z", Totals: auditlog.Totals{Events: g.Events, Cost: g.Cost}}
	}
	if diff := diffSpend(want, db.spendOf(t, "_time", logsql(t, "spend by day"))); diff != "" {
		t.Errorf("spend by day (-file +database):\n%s", diff)
	}
}

// dayFilter is the filter of the document for one day, made one for the day after.
func dayFilter(t *testing.T) string {
	t.Helper()
	const filter = "_time:[2026-02-13, 2026-02-14)"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("`"+filter+"`")) {
		t.Fatalf("%s has no filter %s", document, filter)
	}
	return strings.NewReplacer("-13", "-14", "-14", "-15").Replace(filter)
}

// TestSpendOfRecordsWithTheNamesOfTheirApps is about what came without --derived.
func TestSpendOfRecordsWithTheNamesOfTheirApps(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	db := startDocumentedDatabase(t)
	replay(t, db, files.path, "--derived=false")
	if diff := diffSpend(spend(t, files.path, "model"), db.spendOf(t, "model", logsql(t, "spend by model"))); diff == "" {
		t.Error("the plain query needs no --derived, says its result")
	}
	if diff := diffSpend(spend(t, files.path, "model"), db.spendOf(t, "model", logsql(t, "spend by model, whatever the names"))); diff != "" {
		t.Errorf("spend (-file +database):\n%s", diff)
	}
}

func TestTheEventsOfATraceAreFoundByItsID(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	db := startDocumentedDatabase(t)
	replay(t, db, files.path)
	var names []string
	for _, r := range db.query(t, logsql(t, "events of a trace", traceInDocument, files.trace.String())) {
		names = append(names, r["event_name"])
	}
	if diff := gocmp.Diff(files.ofSpan, names); diff != "" {
		t.Errorf("events of trace %s (-emitted +found):\n%s", files.trace, diff)
	}
}

const traceInDocument = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestASecondReplayDoublesNothing(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	db := startDocumentedDatabase(t)
	replay(t, db, files.path)
	once := strconv.Itoa(files.events)
	if got := db.count(t); got != once {
		t.Fatalf("got %s events, want %s", got, once)
	}
	if said := replay(t, db, files.path); !strings.Contains(said, "sent 0 events") {
		t.Errorf("the second replay said %q, want that it sent nothing", said)
	}
	if got := db.count(t); got != once {
		t.Errorf("after a second replay: got %s events, want %s", got, once)
	}

	// The database takes what comes twice, and the query counts it once.
	replay(t, db, files.path, "--from-start")
	if got, want := db.count(t), strconv.Itoa(2*files.events); got != want {
		t.Errorf("after a replay from the start: got %s events, want %s", got, want)
	}
	if diff := diffSpend(spend(t, files.path, "model"), db.spendOf(t, "model", logsql(t, "spend by model"))); diff != "" {
		t.Errorf("spend after a replay from the start (-file +database):\n%s", diff)
	}
}

// TestACallThatIsLoggedTwiceCountsOnceInTheDatabase writes calls as spans and as log records.
func TestACallThatIsLoggedTwiceCountsOnceInTheDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	writeCallsTwice(t, path)
	want := spend(t, path, "model")
	if len(want) != 1 || want[0].Events != 3 || want[0].InputTokens != 30 {
		t.Fatalf("got %+v, want 3 calls", want)
	}
	db := startDocumentedDatabase(t)
	replay(t, db, path)
	if got := db.count(t); got != "6" {
		t.Fatalf("got %s records, want 6", got)
	}
	if diff := diffSpend(want, db.spendOf(t, "model", logsql(t, "spend by model"))); diff != "" {
		t.Errorf("spend (-file +database):\n%s", diff)
	}
}

// writeCallsTwice writes three calls, each as a span and as a log record.
func writeCallsTwice(t *testing.T, path string) {
	t.Helper()
	auditLog := audittest.Open(t, path)
	exp, err := exporter.New(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	processor, err := exporter.NewSpanProcessor(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor))
	for i := range 3 {
		attrs := []attribute.KeyValue{
			attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.id", fmt.Sprint("r-", i)),
			attribute.String("gen_ai.response.model", "gpt-4o"), attribute.Int64("gen_ai.usage.input_tokens", 10), attribute.Int64("gen_ai.usage.output_tokens", 1),
		}
		ctx, span := traces.Tracer("sdk").Start(t.Context(), "chat gpt-4o")
		span.SetAttributes(attrs...)
		var r log.Record
		r.SetEventName("gen_ai.client.inference.operation.details")
		r.AddAttributes(attrs...)
		logs.Logger("logger").Emit(ctx, r)
		span.End()
	}
	if err := errors.Join(logs.Shutdown(t.Context()), traces.Shutdown(t.Context()), auditLog.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestTheFilesBringBackWhatTheDatabaseLost(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	dir := t.TempDir()
	// By default the database keeps what it accepted in memory for five seconds
	// at most. An hour takes the luck out of it.
	flags := []string{"-storageDataPath=" + dir, "-retentionPeriod=100y", "-inmemoryDataFlushInterval=1h"}
	db := startDatabase(t, flags...)
	replay(t, db, files.path)
	kill(t, db.Server)

	db = startDatabase(t, flags...)
	if got := db.query(t, "* | count() events"); got[0]["events"] != "0" {
		t.Errorf("after kill -9 the database has %s events of %d: docs/scaling.md says that it loses what it had in memory", got[0]["events"], files.events)
	}
	replay(t, db, files.path, "--from-start")
	got := db.spendOf(t, "model", logsql(t, "spend by model"))
	if diff := diffSpend(spend(t, files.path, "model"), got); diff != "" {
		t.Errorf("spend after a replay from the start (-file +database):\n%s", diff)
	}
}

// What follows is why docs/scaling.md says to set the retention before the first
// replay and to compare numbers of events.
func TestTheDatabaseDropsWithoutAnErrorWhatIsOldOrLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log := audittest.Open(t, path)
	err := log.Append(t.Context(),
		auditlog.Event{Name: "old", Time: time.Now().Add(-8 * 24 * time.Hour)},
		auditlog.Event{Name: "large", Attributes: map[string]any{"diff": strings.Repeat("x", 3<<20)}},
		auditlog.Event{Name: "long key", Attributes: map[string]any{strings.Repeat("k", 129): 1}},
		auditlog.Event{Name: "wide", Attributes: numbered(1001)},
		auditlog.Event{Name: "nav"})
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	db := startDatabase(t, "-storageDataPath="+t.TempDir())
	if said := replay(t, db, path); !strings.Contains(said, "sent 5 events") || !strings.Contains(said, "rejected 0") {
		t.Errorf("the replay said %q, want that the database accepted all of them", said)
	}
	var names []string
	for _, r := range db.query(t, "*") {
		names = append(names, r["event_name"])
	}
	if diff := gocmp.Diff([]string{"nav"}, names); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, reason := range []string{"too_small_timestamp", "too_many_fields"} {
		if got := db.metric(t, `vl_rows_dropped_total{reason="`+reason+`"}`); got != "1" {
			t.Errorf("got %s rows dropped because of %s, want 1", got, reason)
		}
	}
}

// numbered returns n attributes.
func numbered(n int) map[string]any {
	attrs := make(map[string]any)
	for i := range n {
		attrs[fmt.Sprintf("a%d", i)] = i
	}
	return attrs
}

func TestSpendOfTheFilesIsSpendOfTheCluster(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	var nodes []*database
	for range 2 {
		flags := command(t, "victoria-logs -httpListenAddr=:9491", "-httpListenAddr=:9491 ", "", "/var/lib/vlstorage", t.TempDir())
		nodes = append(nodes, startDatabase(t, flags[1:]...))
	}
	flags := command(t, "victoria-logs -httpListenAddr=:9428", "-httpListenAddr=:9428 ", "",
		"storage-1.example:9491", nodes[0].address, "storage-2.example:9491", nodes[1].address)
	cluster := startDatabase(t, flags[1:]...)
	replay(t, cluster, files.path)
	// What was on its way to a node when it was asked for is not counted.
	eventually(t, "the nodes have all events", func() bool { return cluster.count(t) == strconv.Itoa(files.events) })

	got := cluster.spendOf(t, "model", logsql(t, "spend by model"))
	if diff := diffSpend(spend(t, files.path, "model"), got); diff != "" {
		t.Errorf("spend (-file +cluster):\n%s", diff)
	}
	for i, node := range nodes {
		if got := node.count(t); got == "0" || got == strconv.Itoa(files.events) {
			t.Errorf("node %d has %s of %d events, want a share", i, got, files.events)
		}
	}

	// Without a node it takes events, and does not count too little.
	kill(t, nodes[0].Server)
	later := filepath.Join(t.TempDir(), "audit.jsonl")
	log := audittest.Open(t, later)
	if err := log.Append(t.Context(), auditlog.Event{Name: "later"}); err != nil {
		t.Fatal(err)
	}
	replay(t, cluster, later)
	if body, err := cluster.ask(t.Context(), queryPath("*")); err == nil {
		t.Errorf("without a node the cluster answers a query with %q, want an error", body)
	}
	eventually(t, "the other node has the event", func() bool { return len(nodes[1].query(t, "event_name:later")) == 1 })
}
