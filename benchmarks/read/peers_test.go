package read

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/otelaudit/otelaudit/auditlog"
)

// ours sums with this module.
func ours(ctx context.Context, path string) (float64, error) {
	r, err := auditlog.NewReader(path)
	if err != nil {
		return 0, err
	}
	spend, err := r.Spend(ctx, auditlog.Filter{}, auditlog.ByNothing)
	return spend.Total.Cost, err
}

// openDuckDB opens a database in memory. Its threads are as many as there are
// processors.
func openDuckDB(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// duckDB sums with DuckDB. That the one column is declared spares it finding
// out about the others; that malformed lines are skipped costs it nothing.
func duckDB(ctx context.Context, db *sql.DB, files string) (sum float64, err error) {
	query := fmt.Sprintf(`SELECT sum(cost) FROM read_json('%s', format = 'newline_delimited', columns = {cost: 'DOUBLE'}, ignore_errors = true)`, files)
	err = db.QueryRowContext(ctx, query).Scan(&sum)
	return sum, err
}

// jq sums with jq, which stops at a malformed line unless it is told to take
// each line as a text first.
func jq(ctx context.Context, path string) (float64, error) {
	out, err := exec.CommandContext(ctx, "jq", "-nR", `reduce (inputs | fromjson? | .cost // 0) as $c (0; . + $c)`, path).Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
