package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// output is stdout, buffered.
type output struct {
	*bufio.Writer
	dest *destination
}

// destination says afterwards whether the reader of the pipe went away.
type destination struct {
	io.Writer
	err error
}

func newOutput(w io.Writer) *output {
	d := &destination{Writer: w}
	return &output{bufio.NewWriterSize(d, 64<<10), d}
}

func (d *destination) Write(p []byte) (int, error) {
	n, err := d.Writer.Write(p)
	if err != nil {
		d.err = err
		err = fmt.Errorf("write the results: %w", err)
	}
	return n, err
}

// closed reports whether stdout is a pipe that nobody reads any more, as after
// `| head`.
func (o *output) closed() bool { return errors.Is(o.dest.err, syscall.EPIPE) }

// lookForReader returns an error if stdout is a pipe that nobody reads any
// more, without writing to it, where the system can tell.
func (o *output) lookForReader() error {
	if !readerLeft(o.dest.Writer) {
		return nil
	}
	o.dest.err = syscall.EPIPE
	return fmt.Errorf("write the results: %w", o.dest.err)
}

// json writes v on one line.
func (o *output) json(v any) error {
	enc := json.NewEncoder(o)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
