package main

import "fmt"

// The exit codes.
const (
	codeDone   = 0
	codeWrong  = 1 // it ran, and something is wrong: damage found, events refused
	codeFailed = 2 // wrong usage, or it could not run to its end
	codeSpent  = 3 // guard: the budget is spent
)

// codeError ends a verb whose trouble has been told already.
type codeError int

func (c codeError) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError is a mistake in what the user asked for that shows only after the
// flags were parsed.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}
