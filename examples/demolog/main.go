// Command demolog writes an audit log to try the command with: a week of a small
// team whose agents call eight models.
//
//	go run -C examples ./demolog ~/otelaudit-demo/audit.jsonl
//	otelaudit report --path ~/otelaudit-demo/audit.jsonl -o report.html
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/otelaudit/otelaudit/internal/demolog"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: demolog FILE, the active file of a new log")
	}
	return demolog.Write(context.Background(), os.Args[1])
}
