package auditlog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// spellings are strings as lines spell them, each of another string than the
// spelling before.
var spellings = []struct{ text, literal string }{
	{`\`, `\\`},
	{`\\`, `\\\\`},
	{`C:\proj\new`, `C:\\proj\\new`},
	{`C:\\proj\\new`, `C:\\\\proj\\\\new`},
	{"tab\there", `tab\there`},
	{`tab\there`, `tab\\there`},
	{"Aé", `\u0041\u00e9`},
	{"\U0001f600", `\ud83d\ude00`},
	{"\ufffd", `\ud83d`},
	{"\ufffd\ufffd", "\xff\xfe"},
	{`"`, `\"`},
	{"a/b", `a\/b`},
	{"\u200e", "\u200e"},
}

// What is asked for is compared with the string that the line's value stands for,
// by every read and sum that takes a session, a model or a name.
func TestAFilterFindsAStringHoweverTheLineSpellsIt(t *testing.T) {
	later := time.Now().UTC().Add(4 * time.Minute) // so that no end of a day comes between
	var log strings.Builder
	for i, s := range spellings {
		fmt.Fprintf(&log, `{"ts":%q,"event":"%s","session_id":"%s","model":"%s","cost":%d}`+"\n",
			later.Format(time.RFC3339Nano), s.literal, s.literal, s.literal, 1<<i)
	}
	r := putLog(t, map[string]string{activeName: log.String()})
	for i, s := range spellings {
		for name, filter := range map[string]auditlog.Filter{
			"event": {Event: s.text}, "session": {Session: s.text}, "model": {Model: s.text},
		} {
			var lines []int64
			for e, err := range r.Query(t.Context(), filter) {
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, e.Line)
			}
			if len(lines) != 1 || lines[0] != int64(i+1) {
				t.Errorf("%s %q: got lines %v, want line %d", name, s.text, lines, i+1)
			}
		}
		spend, err := r.Spend(t.Context(), auditlog.Filter{Session: s.text})
		if err != nil || spend.Total.Cost != float64(int(1)<<i) {
			t.Errorf("spend of session %q: got %v USD, %v, want %d", s.text, spend.Total.Cost, err, 1<<i)
		}
		budget, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(1e9), auditlog.WithBudgetSession(s.text))
		if err != nil {
			t.Fatal(err)
		}
		day, err := budget.Periods(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := day[len(day)-1].Spent.Cost; got != float64(int(1)<<i) {
			t.Errorf("budget of session %q: got %v USD spent, want %d", s.text, got, 1<<i)
		}
		last, err := r.LastEvents(t.Context(), 5, s.text)
		if err != nil || len(last) != 1 {
			t.Errorf("last events %q: got %d, %v, want 1", s.text, len(last), err)
		}
	}
	for e, err := range r.Query(t.Context(), auditlog.Filter{Session: "tab\\u0009here"}) {
		t.Errorf("the spelling of a session found %s, %v", e.Raw, err)
	}
}

func TestATraceIsFoundHoweverTheLineSpellsItsID(t *testing.T) {
	const id = "5b8efff798038103d269b633813fc60c"
	r := putLog(t, map[string]string{activeName: `{"trace_id":"` + id + `"}` + "\n" +
		`{"trace_id":"` + strings.ToUpper(id) + `"}` + "\n" +
		`{"trace_id":"\u0035\u0062` + id[2:] + `"}` + "\n" +
		`{"trace_id":"\u0042` + id[1:] + `"}` + "\n" +
		`{"trace_id":["` + id + `"]}` + "\n{}\n"})
	var lines []int64
	for e, err := range r.Query(t.Context(), auditlog.Filter{TraceID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, e.Line)
	}
	if got, want := fmt.Sprint(lines), "[1 2 3]"; got != want {
		t.Errorf("got lines %s, want %s", got, want)
	}
}
