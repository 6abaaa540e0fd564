package demolog_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/demolog"
)

func TestTheWeekIsTheSameEachTimeAndHasEverything(t *testing.T) {
	events := demolog.Events()
	if diff := cmp.Diff(events, demolog.Events()); diff != "" {
		t.Errorf("another week (-first +second):\n%s", diff)
	}
	models, names := make(map[string]bool), make(map[string]bool)
	var before time.Time
	for _, e := range events {
		if e.Time.Before(before) {
			t.Fatalf("%v is behind %v", e.Time, before)
		}
		before = e.Time
		names[e.Name] = true
		if e.InputTokens != nil {
			models[e.Model] = true
		}
	}
	if len(models) != 8 {
		t.Errorf("got calls of %d models, want 8", len(models))
	}
	for _, name := range []string{"llm.call", "embeddings", "api_error", auditlog.EventValidationFail, auditlog.EventBudget, auditlog.EventNav, auditlog.EventGateCompress} {
		if !names[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestWriteWritesAllOfIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := demolog.Write(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range r.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := audittest.CheckLine(e.Raw); err != nil {
			t.Fatalf("%v\n%s", err, e.Raw)
		}
		n++
	}
	if want := len(demolog.Events()); n != want {
		t.Errorf("got %d events, want %d", n, want)
	}
}
