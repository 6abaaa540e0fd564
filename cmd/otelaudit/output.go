package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a descriptor is a small number
}

// messages is stderr. Messages quote logs, files and flags, and people read them
// at a terminal sooner or later. Each Write is of whole lines.
type messages struct {
	w    io.Writer
	long []string // what the user said, if that is long: it may have spaces
}

// newMessages returns a writer of messages that may quote args.
func newMessages(w io.Writer, args []string) messages {
	var long []string
	for _, arg := range append(slices.Clip(args), os.Getenv(pathVariable)) {
		if _, value, ok := strings.Cut(arg, "="); ok && len(value) > visible.MaxExcerpt {
			long = append(long, value)
		}
		if len(arg) > visible.MaxExcerpt {
			long = append(long, arg)
		}
	}
	return messages{w, long}
}

func (m messages) Write(p []byte) (int, error) {
	text := string(p)
	for _, long := range m.long {
		text = strings.ReplaceAll(text, long, visible.Shorten(long))
	}
	if _, err := io.WriteString(m.w, visible.Message(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// output is stdout, or another file for results, buffered. No control character
// of the results reaches a terminal; pipes and files get every byte.
type output struct {
	*bufio.Writer
	dest *destination
}

// destination says afterwards whether the reader of the pipe went away.
type destination struct {
	io.Writer
	visible *visible.Writer // to Writer, if that is a terminal
	control string          // for the terminal, before what is written next
	err     error
}

func newOutput(w io.Writer) *output {
	d := &destination{Writer: w}
	if isTerminal(w) {
		d.visible = visible.NewWriter(w)
	}
	return &output{bufio.NewWriterSize(d, 64<<10), d}
}

func (d *destination) Write(p []byte) (int, error) {
	n, err := d.write(p)
	if err != nil {
		d.err = err
		err = fmt.Errorf("write the results: %w", err)
	}
	return n, err
}

func (d *destination) write(p []byte) (int, error) {
	if d.visible == nil {
		return d.Writer.Write(p)
	}
	if _, err := io.WriteString(d.Writer, d.control); err != nil {
		return 0, err
	}
	d.control = ""
	return d.visible.Write(p)
}

// Flush writes what is buffered.
func (o *output) Flush() error {
	if err := o.Writer.Flush(); err != nil || !o.terminal() {
		return err
	}
	return o.dest.visible.Flush()
}

// terminal reports whether this is one.
func (o *output) terminal() bool { return o.dest.visible != nil }

// control sends a terminal a control sequence, before all that is buffered.
func (o *output) control(sequence string) { o.dest.control = sequence }

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
	line, err := jsonOf(v)
	if err != nil {
		return err
	}
	_, err = o.Write(line)
	return err
}

// jsonOf returns v as one line.
func jsonOf(v any) ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return line.Bytes(), err
}

// csvWriter writes CSV. On a terminal a cell is one line.
type csvWriter struct {
	*csv.Writer
	terminal bool
}

func (o *output) csv() csvWriter { return csvWriter{csv.NewWriter(o), o.terminal()} }

func (w csvWriter) Write(cells []string) error {
	if w.terminal {
		for i, cell := range cells {
			cells[i] = visible.Text(cell)
		}
	}
	return w.Writer.Write(cells)
}

func (w csvWriter) WriteAll(rows [][]string) error {
	for _, cells := range rows {
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
