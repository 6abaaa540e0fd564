package main

import (
	"errors"
	"fmt"
	"strings"
)

// plain returns err without the names of this module's packages in front of
// what they say: the user runs a command. The errors of the command itself stay
// what they are.
func plain(err error) error {
	if _, ok := errors.AsType[codeError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	text := strings.TrimPrefix(err.Error(), "bridge: ")
	text = strings.TrimPrefix(text, "auditlog: ")
	return errors.New(strings.Replace(text, ": auditlog: ", ": ", 1))
}

// plural returns n things.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
