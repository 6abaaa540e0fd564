package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// eventFlags are the flags of append that describe one event. The event is
// made when all of them are read, so that their order does not matter.
type eventFlags struct {
	cmd   *cobra.Command
	names []string // of the flags here
	base  auditlog.Event
	edits []func(*auditlog.Event)
}

// eventFlag is the value of one of them.
type eventFlag struct {
	text string
	kind string
	set  func(text string) error
}

func (f *eventFlag) String() string { return f.text }
func (f *eventFlag) Type() string   { return f.kind }

func (f *eventFlag) Set(text string) error {
	f.text = text
	return f.set(text)
}

func newEventFlags(cmd *cobra.Command, clock *clock) *eventFlags {
	e := &eventFlags{cmd: cmd}
	text := func(name, kind, usage string, to func(*auditlog.Event, string)) {
		addEventFlag(e, name, kind, usage, func(s string) (string, error) { return s, nil }, to)
	}
	text("event", "NAME", "name of the event, such as nav", func(e *auditlog.Event, v string) { e.Name = v })
	ts := &timeFlag{clock: clock}
	addEventFlag(e, "ts", "TIME", "when it happened, such as 2026-02-13T14:30:00Z, today or 90m (default now)",
		func(s string) (*timeFlag, error) { return ts, ts.Set(s) },
		func(e *auditlog.Event, v *timeFlag) { e.Time = v.time() })
	addEventFlag(e, "cost", "USD", "what it cost, in US dollars", parseCost,
		func(e *auditlog.Event, v float64) { e.Cost = &v })
	text("model", "MODEL", "name of the model", func(e *auditlog.Event, v string) { e.Model = v })
	addEventFlag(e, "input-t", "N", "input tokens", wholeParser(1<<53-1, wantTokens),
		func(e *auditlog.Event, v int64) { e.InputTokens = &v })
	addEventFlag(e, "output-t", "N", "output tokens", wholeParser(1<<53-1, wantTokens),
		func(e *auditlog.Event, v int64) { e.OutputTokens = &v })
	text("files", "FILE", "affected file; repeat it for more", func(e *auditlog.Event, v string) { e.Files = append(e.Files, v) })
	text("reason", "TEXT", "why", func(e *auditlog.Event, v string) { e.Reason = v })
	addEventFlag(e, "confidence", "0-100", "confidence", wholeParser(100, wantConfidence),
		func(e *auditlog.Event, v int64) { e.Confidence = &v })
	addEventFlag(e, "duration-ms", "MS", "elapsed milliseconds", wholeParser(math.MaxInt64/int64(time.Millisecond), wantDuration),
		func(e *auditlog.Event, v int64) { e.Duration = new(time.Duration(v) * time.Millisecond) })
	addEventFlag(e, "config", "JSON", "configuration at that time, a JSON object", parseConfig,
		func(e *auditlog.Event, v map[string]any) { e.Config = v })
	addEventFlag(e, "trace-id", "HEX", "trace, 32 hexadecimal digits",
		fieldParser(`{"trace_id":%s}`, wantTraceID, func(e auditlog.Event) (string, bool) { return e.TraceID, e.TraceID != "" }),
		func(e *auditlog.Event, v string) { e.TraceID = v })
	addEventFlag(e, "span-id", "HEX", "span, 16 hexadecimal digits",
		fieldParser(`{"span_id":%s}`, wantSpanID, func(e auditlog.Event) (string, bool) { return e.SpanID, e.SpanID != "" }),
		func(e *auditlog.Event, v string) { e.SpanID = v })
	addEventFlag(e, "trace-flags", "HEX", "W3C trace flags, 2 hexadecimal digits (default 00 with a trace)",
		fieldParser(`{"trace_flags":%s}`, wantTraceFlags, func(e auditlog.Event) (*byte, bool) { return e.TraceFlags, e.TraceFlags != nil }),
		func(e *auditlog.Event, v *byte) { e.TraceFlags = v })
	addEventFlag(e, "set", "KEY=VALUE", "further attribute; repeat it for more", parseAttribute,
		func(e *auditlog.Event, v attribute) {
			if e.Attributes == nil {
				e.Attributes = make(map[string]any)
			}
			e.Attributes[v.key] = v.value
		})
	return e
}

// addJSON adds the flag for a whole event, over which the others are laid.
func (e *eventFlags) addJSON() {
	e.names = append(e.names, "json")
	e.cmd.Flags().Var(&eventFlag{kind: "OBJECT", set: func(text string) (err error) {
		e.base, err = decodeEvent([]byte(text))
		return err
	}}, "json", "the event as a JSON object; other flags replace what it says")
}

func addEventFlag[T any](e *eventFlags, name, kind, usage string, parse func(string) (T, error), edit func(*auditlog.Event, T)) {
	e.names = append(e.names, name)
	e.cmd.Flags().Var(&eventFlag{kind: kind, set: func(text string) error {
		v, err := parse(text)
		if err != nil {
			return err
		}
		e.edits = append(e.edits, func(event *auditlog.Event) { edit(event, v) })
		return nil
	}}, name, usage)
}

// event returns what the flags describe.
func (e *eventFlags) event() auditlog.Event {
	event := e.base
	if e.cmd.Flags().Changed("files") {
		event.Files = nil
	}
	event.Attributes = maps.Clone(event.Attributes)
	for _, edit := range e.edits {
		edit(&event)
	}
	return event
}

// given returns the first of the flags that the user set.
func (e *eventFlags) given() (name string, ok bool) {
	i := slices.IndexFunc(e.names, e.cmd.Flags().Changed)
	if i < 0 {
		return "", false
	}
	return e.names[i], true
}

func parseCost(text string) (float64, error) {
	cost, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(cost) || math.IsInf(cost, 0) {
		return 0, errors.New("want " + wantCost)
	}
	return cost, nil
}

func wholeParser(most int64, want string) func(string) (int64, error) {
	return func(text string) (int64, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > most {
			return 0, errors.New("want " + want)
		}
		return n, nil
	}
}

func parseConfig(text string) (map[string]any, error) {
	if json.Valid([]byte(text)) {
		event, err := decodeEvent(fmt.Appendf(nil, `{"config":%s}`, text))
		if err == nil && event.Config != nil {
			return event.Config, nil
		}
	}
	return nil, errors.New("want " + wantConfig)
}

// fieldParser parses a text by the rules of the format.
func fieldParser[T any](format, want string, get func(auditlog.Event) (T, bool)) func(string) (T, error) {
	return func(text string) (T, error) {
		quoted, err := json.Marshal(text)
		if err == nil {
			var event auditlog.Event
			if event, err = decodeEvent(fmt.Appendf(nil, format, quoted)); err == nil {
				if v, ok := get(event); ok {
					return v, nil
				}
			}
		}
		var none T
		return none, errors.New("want " + want)
	}
}

// attribute is a further attribute of an event.
type attribute struct {
	key   string
	value any
}

func parseAttribute(text string) (attribute, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return attribute{}, errors.New("want KEY=VALUE such as retries=3")
	}
	if f, ok := fieldOfKey(key); ok {
		return attribute{}, fmt.Errorf("%s is a field of its own; use %s", key, f.flag)
	}
	if key == otelKey {
		return attribute{}, errOtelKey
	}
	if !json.Valid([]byte(value)) {
		return attribute{key, value}, nil
	}
	event, err := decodeEvent(fmt.Appendf(nil, `{"value":%s}`, value))
	if err != nil {
		return attribute{}, err
	}
	if event.Attributes["value"] == nil {
		return attribute{}, fmt.Errorf("null is not written; leave %s out, or quote the text: '%s=\"null\"'", visible.Excerpt(key), visible.Excerpt(key))
	}
	return attribute{key, event.Attributes["value"]}, nil
}
