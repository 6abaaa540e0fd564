package read

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheQueryOfTheDocumentCountsCallsOnce runs the DuckDB query of docs/scaling.md over calls
// of which each has two lines, and over other events.
func TestTheQueryOfTheDocumentCountsCallsOnce(t *testing.T) {
	text, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	_, query, ok := strings.Cut(string(text), "```sql\n")
	query, _, ended := strings.Cut(query, "```")
	const files = "'audit*.jsonl*'"
	if !ok || !ended || !strings.Contains(query, files) {
		t.Fatalf("docs/scaling.md has no query of %s", files)
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var lines strings.Builder
	for i := range 6 {
		fmt.Fprintf(&lines, `{"event":"chat","cost":%s,"model":"m%d","input_t":10,"output_t":1,"call_id":"t/%d","otel":{"derived":["call_id"]}}`+"\n",
			[]string{"0.5", "null"}[i%2], i/4, i/2)
	}
	lines.WriteString(`{"event":"nav"}` + "\nbroken\n")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := openDuckDB(t).QueryContext(t.Context(), strings.Replace(query, files, "'"+path+"'", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	var got []string
	for rows.Next() {
		var model string
		var calls, input, output int64
		var cost float64
		if err := rows.Scan(&model, &calls, &cost, &input, &output); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %d calls, %v USD, %d in, %d out", model, calls, cost, input, output))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := "[m0: 2 calls, 1 USD, 20 in, 2 out m1: 1 calls, 0.5 USD, 10 in, 1 out]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
