// Package read measures how fast a log is read, beside DuckDB and jq on the
// same files in the same run. CONTRIBUTING.md has the command.
package read
