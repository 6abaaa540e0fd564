package store

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/collector/store/internal/program"
)

// database is a VictoriaLogs that runs: a single one, or one node of a cluster.
type database struct {
	*program.Server

	address string
}

// startDatabase starts VictoriaLogs on a free port of the loopback interface.
func startDatabase(t *testing.T, flags ...string) *database {
	t.Helper()
	s, address, err := program.StartDatabase(t.Context(), built(t, buildDatabase), flags...)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, s)
	return &database{s, address}
}

// row is what LogsQL returns of a record or of a group, without empty fields.
type row map[string]string

// query returns what a LogsQL query finds, in its order. Everything that was
// accepted before can be found.
func (d *database) query(t *testing.T, logsql string) []row {
	t.Helper()
	d.get(t, "/internal/force_flush")
	var rows []row
	lines := json.NewDecoder(strings.NewReader(d.get(t, queryPath(logsql))))
	for {
		var r row
		if err := lines.Decode(&r); err == io.EOF {
			return rows
		} else if err != nil {
			t.Fatalf("%s: %v", logsql, err)
		}
		for key, value := range r {
			if value == "" {
				delete(r, key)
			}
		}
		rows = append(rows, r)
	}
}

func queryPath(logsql string) string { return "/select/logsql/query?query=" + url.QueryEscape(logsql) }

// count returns how many records there are.
func (d *database) count(t *testing.T) string {
	t.Helper()
	return d.query(t, "* | count() events")[0]["events"]
}

// metric returns the value of a metric of the database about itself.
func (d *database) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(d.get(t, "/metrics")) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

func (d *database) get(t *testing.T, path string) string {
	t.Helper()
	status, body := d.ask(t, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d\n%s", path, status, body)
	}
	return body
}

func (d *database) ask(t *testing.T, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
