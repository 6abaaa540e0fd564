package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/scan"
)

const longest = 2000 // bytes, the longest line of these tests

// sized returns an event whose line has n bytes.
func sized(name string, n int) string {
	const frame = len(`{"event":"","reason":""}`)
	return fmt.Sprintf(`{"event":%q,"reason":%q}`, name, strings.Repeat("x", n-frame-len(name)))
}

// A line of the longest length is an event for every reader. One byte more makes it
// damage, and what stands before and behind it is read.
func TestEveryReaderPassesOverALineThatIsTooLong(t *testing.T) {
	content := func(first string) string {
		return sized(first, 50) + "\n" + sized("long", longest+1) + "\n" + sized("fits", longest) + "\n" +
			sized("huge", 3<<20) + "\n" + `{"event":"last"}` + "\n"
	}
	r := putLog(t, map[string]string{archiveName: content("archived"), activeName: content("active") + sized("unended", longest+1)},
		auditlog.WithMaxLine(longest))
	want := []string{"archived", "fits", "last", "active", "fits", "last"}
	const reason = "line longer than 2000 bytes, the longest that is read"
	var damage []*auditlog.DamageError
	onDamage := func(d *auditlog.DamageError) { damage = append(damage, d) }
	check := func(read string, names []string, torn bool) {
		t.Helper()
		if got, want := fmt.Sprint(names), fmt.Sprint(want); got != want {
			t.Errorf("%s: got events %s, want %s", read, got, want)
		}
		var places, wantPlaces strings.Builder
		for _, d := range damage {
			if !(*scan.DamageError)(d).TooLong() || !strings.HasPrefix(d.Reason, reason) {
				t.Errorf("%s: got damage %v", read, d)
			}
			fmt.Fprintf(&places, "%s:%d@%d+%d %v\n", filepath.Base(d.File), d.Line, d.Offset, d.Length, (*scan.DamageError)(d).Torn())
		}
		for _, file := range []string{archiveName, activeName} {
			const first = 50 + 1
			fmt.Fprintf(&wantPlaces, "%s:2@%d+%d false\n%s:4@%d+%d false\n", file, first, longest+1, file, first+longest+2+longest+1, 3<<20)
		}
		if torn {
			fmt.Fprintf(&wantPlaces, "%s:6@%d+%d true\n", activeName, len(content("active")), longest+1)
		}
		if places.String() != wantPlaces.String() {
			t.Errorf("%s: got damage at\n%swant\n%s", read, &places, &wantPlaces)
		}
		damage = nil
	}

	var names []string
	for e, err := range r.Query(t.Context(), auditlog.Filter{OnDamage: onDamage}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, nameOf(t, e))
	}
	check("Query", names, true)

	snapshot, err := auditlog.HistoryOf(r).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
	}()
	names = nil
	for _, f := range snapshot.Files() {
		for e, err := range f.Lines(t.Context(), scan.Cursor{}, func(d *scan.DamageError) { onDamage((*auditlog.DamageError)(d)) }) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, nameOf(t, auditlog.Entry(e)))
		}
	}
	check("Lines", names, true)

	names = nil
	enough := errors.New("enough")
	for e, err := range r.Follow(t.Context(), auditlog.Following{Filter: auditlog.Filter{OnDamage: onDamage}, Wait: func(context.Context) error { return enough }}) {
		if errors.Is(err, enough) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, nameOf(t, e))
	}
	check("Follow", names, false) // a line that has not ended is not read

	v, err := r.Verify(t.Context(), onDamage)
	if err != nil || v.Events != int64(len(want)) {
		t.Errorf("Verify: got %d events, %v, want %d", v.Events, err, len(want))
	}
	check("Verify", want, true)

	last, err := r.LastEvents(t.Context(), 100, "")
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	for _, e := range last {
		names = append(names, nameOf(t, e))
	}
	if got := fmt.Sprint(names); got != fmt.Sprint(want) {
		t.Errorf("LastEvents: got %s, want %s", got, want)
	}
	spend, err := r.Spend(t.Context(), auditlog.Filter{OnDamage: onDamage})
	if err != nil || spend.Total.Events != int64(len(want)) {
		t.Errorf("Spend: got %d events, %v, want %d", spend.Total.Events, err, len(want))
	}
	check("Spend", want, true)
	// Sums that go on where the last one ended read the active file in their own way.
	budget, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(5))
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(3) {
		day, err := budget.Periods(t.Context())
		if err != nil || day[0].Spent.Events < n {
			t.Errorf("Periods: got %+v, %v, want %d events", day, err, n)
		}
		f, err := os.OpenFile(r.Path(), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			_, err = f.WriteString("\n")
		}
		_, appendErr := fmt.Fprintf(f, `{"ts":%q,"event":"late","cost":1}`+"\n", time.Now().UTC().Add(4*time.Minute).Format(time.RFC3339Nano))
		if err := errors.Join(err, appendErr, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func nameOf(t *testing.T, e auditlog.Entry) string {
	t.Helper()
	event, err := e.Event()
	if err != nil {
		t.Error(err)
	}
	return event.Name
}

// Append refuses an event whose line would be longer, whatever makes it long, and
// writes none of its call.
func TestAppendRefusesALineThatIsTooLong(t *testing.T) {
	long := strings.Repeat("x", longest)
	shared := []any{long[:100], long[:100], long[:100]}
	for range 30 { // 3^30 times 100 bytes, if it were written
		shared = []any{shared, shared, shared}
	}
	log := audittest.Open(t, filepath.Join(t.TempDir(), activeName), auditlog.WithMaxLine(longest))
	for name, event := range map[string]auditlog.Event{
		"a reason":                {Name: "e", Reason: long},
		"the name":                {Name: long},
		"escapes":                 {Name: "e", Reason: strings.Repeat("\x01", longest/5)},
		"many files":              {Name: "e", Files: strings.Split(strings.Repeat("f,", longest), ",")},
		"an attribute":            {Name: "e", Attributes: map[string]any{"a": long}},
		"an attribute's key":      {Name: "e", Attributes: map[string]any{long: 1}},
		"bytes":                   {Name: "e", Attributes: map[string]any{"a": []byte(long)}},
		"strings":                 {Name: "e", Attributes: map[string]any{"a": []string{long[:1000], long[:1000]}}},
		"a map":                   {Name: "e", Attributes: map[string]any{"a": map[string]any{"b": long, "c": map[string]any{long: 1}}}},
		"a config":                {Name: "e", Config: map[string]any{"a": long}},
		"a value that repeats":    {Name: "e", Attributes: map[string]any{"a": shared}},
		"what marshals to itself": {Name: "e", Attributes: map[string]any{"a": struct{ A, B string }{long, long}}},
	} {
		err := log.Append(t.Context(), auditlog.Event{Name: "before"}, event)
		refused, ok := errors.AsType[*auditlog.EventError](err)
		if !ok || refused.Index != 1 || refused.Field != "" || !strings.Contains(err.Error(), "its line is longer than 2000 bytes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Of the longest length it is written, and read.
	event := auditlog.Event{Name: "e", Attributes: map[string]any{"a": ""}}
	if err := log.Append(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(log.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []int{0, 1} {
		event.Attributes["a"] = strings.Repeat("x", longest-int(info.Size()-1)+more)
		if err := log.Append(t.Context(), event); (err != nil) != (more > 0) {
			t.Errorf("%d bytes more than the longest line: got %v", more, err)
		}
	}
	v, err := log.Verify(t.Context(), nil)
	if err != nil || v.Events != 2 || len(v.Damaged) > 0 {
		t.Errorf("got %d events, %v damaged, %v, want 2 events", v.Events, v.Damaged, err)
	}
}

func TestTheLongestLineHasBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), activeName)
	for _, n := range []int{-1, 0, 1<<10 - 1, 1<<30 + 1} {
		want := fmt.Sprintf("WithMaxLine(%d): want 1024 to 1073741824 bytes", n)
		if _, err := auditlog.NewReader(path, auditlog.WithMaxLine(n)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewReader: got %v, want %s", err, want)
		}
		if _, err := auditlog.Open(path, auditlog.WithMaxLine(n)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got %v, want %s", err, want)
		}
	}
}

// A message repeats at most 200 bytes of what a caller or a line says.
func TestMessagesRepeatLittleOfALongText(t *testing.T) {
	long := strings.Repeat("k", 1<<20)
	log := audittest.Open(t, filepath.Join(t.TempDir(), activeName))
	deep := strings.Repeat("[", 10001) + strings.Repeat("]", 10001)
	_, decodeErr := auditlog.Entry{Raw: []byte(`{"` + long + `":` + deep + `}`)}.Event()
	for name, err := range map[string]error{
		"a key that is not UTF-8": log.Append(t.Context(), auditlog.Event{Name: "e", Attributes: map[string]any{long + "\xff": 1, long + "\ufffd": 2}}),
		"a trace id":              log.Append(t.Context(), auditlog.Event{Name: "e", TraceID: long}),
		"a key of a line":         decodeErr,
		"the session of a budget": &auditlog.BudgetError{Session: long},
	} {
		if err == nil || len(err.Error()) > 600 {
			t.Errorf("%s: got a message of %d bytes: %.300v", name, len(fmt.Sprint(err)), err)
		}
	}
}
