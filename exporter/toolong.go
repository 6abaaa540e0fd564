package exporter

import "fmt"

// TooLongError is returned by [Exporter.Export] and by the processors when records
// make lines that are longer than the log takes. Do not export them again: they are
// refused each time.
type TooLongError struct {
	Records int // how many are left out
	Longest int // bytes of the longest line, see auditlog.WithMaxLine
	// Err is the error of writing the other records; nil: all of them are written.
	Err error
}

func (e *TooLongError) Error() string {
	what := fmt.Sprintf("1 record is not written, because its line is longer than %d bytes", e.Longest)
	if e.Records != 1 {
		what = fmt.Sprintf("%d records are not written, because the line of each is longer than %d bytes", e.Records, e.Longest)
	}
	what = "exporter: " + what + "; shorten its body or attributes, or raise the length for writers and readers (auditlog.WithMaxLine)"
	if e.Err != nil {
		return fmt.Sprintf("%s; the others: %v", what, e.Err)
	}
	return what
}

// Unwrap returns e.Err.
func (e *TooLongError) Unwrap() error { return e.Err }
