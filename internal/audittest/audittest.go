// Package audittest opens audit logs for tests and checks what was written to
// them. Every log of this module's tests is opened through it, so that no test
// can write a line that FORMAT.md does not allow and still pass.
package audittest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/otelaudit/otelaudit/auditlog"
)

// Open opens the log at path and fails the test if it cannot. At the end of
// the test it closes the log (closing it earlier is fine) and holds every
// event that was added to its files since Open, archives included, against
// the schema and the spelling of FORMAT.md. Damaged lines are not events: a
// test that makes none looks for them itself.
func Open(t testing.TB, path string, opts ...auditlog.Option) *auditlog.Log {
	t.Helper()
	before := readBefore(t, path)
	log, err := auditlog.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
		checkAdded(t, path, before)
	})
	return log
}

// CheckLine returns why a line, given without its line feed, is not one that
// this module may write.
func CheckLine(line []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if err := compiled().Validate(value); err != nil {
		return err
	}
	return checkSpelling(line)
}

var compiled = sync.OnceValue(func() *jsonschema.Schema {
	const url = "schema.json"
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(auditlog.Schema()))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, doc); err != nil {
		panic(err)
	}
	return c.MustCompile(url)
})

// readBefore counts the lines that the test itself put there before it opened
// the log: they may be foreign ones.
func readBefore(t testing.TB, path string) map[string]int {
	t.Helper()
	before := make(map[string]int)
	each(t, path, func(e auditlog.Entry) { before[string(e.Raw)]++ })
	return before
}

func checkAdded(t testing.TB, path string, before map[string]int) {
	t.Helper()
	bad := 0
	each(t, path, func(e auditlog.Entry) {
		if before[string(e.Raw)] > 0 {
			before[string(e.Raw)]--
			return
		}
		err := CheckLine(e.Raw)
		if err == nil && !e.Terminated {
			err = errors.New("no line feed at its end")
		}
		if err == nil {
			return
		}
		// The first ones say it; thousands of others would hide them.
		if bad++; bad <= 10 {
			t.Errorf("%s: line %d is not one of FORMAT.md: %v\n%s", e.File, e.Line, err, e.Raw)
		}
	})
	if bad > 10 {
		t.Errorf("%d lines are not of FORMAT.md", bad)
	}
}

func each(t testing.TB, path string, visit func(auditlog.Entry)) {
	t.Helper()
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	// The test's context is cancelled before its cleanup runs.
	ctx := context.WithoutCancel(t.Context())
	for e, err := range r.Query(ctx, auditlog.Filter{}) {
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			t.Errorf("read the log: %v", err)
			return
		}
		visit(e)
	}
}
