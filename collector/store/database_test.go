package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	body, err := d.ask(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// ask returns the whole answer to a request. Any status but 200 is an error, and
// so is an answer that breaks off.
func (d *database) ask(ctx context.Context, path string) (body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("GET %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s: %s", path, resp.Status, text)
	}
	return string(text), nil
}
