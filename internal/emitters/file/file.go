// Package file reads the files that describe emitters.
package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelaudit/otelaudit/internal/emitters"
)

// File describes one emitter.
type File struct {
	Title    string   `json:"title"`
	Provider string   `json:"provider"`
	Sends    string   `json:"sends"` // for people: what it sends of a call
	TurnOn   []string `json:"turn_on"`
	Notes    []string `json:"notes"`
	Checked  []struct {
		Version string `json:"version"`
		How     string `json:"how"` // run, capture or source
		Capture string `json:"capture"`
	} `json:"checked"`
	Facts []struct {
		Fact   string `json:"fact"`
		Source string `json:"source"`
	} `json:"facts"`
	Match struct {
		First    []string `json:"first"`
		Scopes   []string `json:"scopes"`
		Markers  []string `json:"markers"`
		Services []string `json:"services"`
		Events   []string `json:"events"`
	} `json:"match"`
	Records []struct {
		Kind     string `json:"kind"`
		Signal   string `json:"signal"`
		When     when   `json:"when"`
		Event    string `json:"event"`
		Failed   bool   `json:"failed"`
		FailedIf when   `json:"failed_if"`
		OfSpan   bool   `json:"of_span"`
		Same     list   `json:"same"`
	} `json:"records"`
	Fields map[string][]source `json:"fields"`
	Tokens []struct {
		When   when `json:"when"`
		Input  list `json:"input_without"`
		Output list `json:"output_without"`
	} `json:"tokens"`

	Name string `json:"-"` // of the file, without .json
}

// list is a list of texts, or one text.
type list []string

// UnmarshalJSON reads a text or a list of them.
func (l *list) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l)) //nolint:wrapcheck // Load says which file
}

// when maps keys to what their values may be.
type when map[string]list

// source is a key, or an object that says more.
type source struct {
	Key  string `json:"key"`
	JSON string `json:"json"`
	As   string `json:"as"`
	When when   `json:"when"`

	Without list `json:"without"`
}

// UnmarshalJSON reads a key or an object.
func (s *source) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &s.Key) == nil {
		return nil
	}
	type object source
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*object)(s)) //nolint:wrapcheck // Load says which file
}

var (
	kinds   = map[string]emitters.Kind{"call": emitters.Call, "sum": emitters.Sum, "tool": emitters.Tool, "step": emitters.Step, "repeat": emitters.Repeat, "open": emitters.Open}
	signals = map[string]emitters.Signal{"": 0, "span": emitters.Spans, "log": emitters.Logs}
	hows    = []string{"run", "capture", "source"}
)

// Load reads the file at path. The error says what is wrong with it.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read emitter: %w", err)
	}
	f := &File{Name: strings.TrimSuffix(filepath.Base(path), ".json")}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// LoadAll reads the files in folder, in the order of their names.
func LoadAll(folder string) ([]*File, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list emitters: %w", err)
	}
	files := make([]*File, len(paths))
	for i, path := range paths {
		if files[i], err = Load(path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (f *File) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.Title == "" || f.Sends == "" {
		wrong("title and sends: one is empty; name the emitter, and what it sends of a call")
	}
	if len(f.Checked) == 0 || len(f.Facts) == 0 {
		wrong("checked and facts: one is empty; name a version, and where a fact is from")
	}
	for _, c := range f.Checked {
		if c.Version == "" || !slices.Contains(hows, c.How) {
			wrong("checked: %q %q; want a version, and run, capture or source", c.Version, c.How)
		}
	}
	for _, fact := range f.Facts {
		if fact.Fact == "" || fact.Source == "" {
			wrong("facts: a fact or its source is empty")
		}
	}
	for i, r := range f.Records {
		if _, ok := kinds[r.Kind]; !ok {
			wrong("records %d: kind %q is none of call, sum, tool, step, repeat and open", i, r.Kind)
		}
		if _, ok := signals[r.Signal]; !ok {
			wrong("records %d: signal %q is neither span nor log", i, r.Signal)
		}
	}
	return errors.Join(errs...)
}

// Emitter returns what the file says of the emitter's records.
func (f *File) Emitter() emitters.Emitter {
	e := emitters.Emitter{
		Name: f.Name, Provider: f.Provider,
		Match: emitters.Match(f.Match),
	}
	for _, r := range f.Records {
		e.Records = append(e.Records, emitters.Record{
			Kind: kinds[r.Kind], Signal: signals[r.Signal], When: r.When.conditions(), Event: r.Event,
			Failed: r.Failed, FailedIf: r.FailedIf.conditions(), OfSpan: r.OfSpan, Same: r.Same,
		})
	}
	for _, name := range sortedKeys(f.Fields) {
		field := emitters.Field{Name: name}
		for _, s := range f.Fields[name] {
			field.Sources = append(field.Sources, emitters.Source{Key: s.Key, JSON: s.JSON, As: s.As, When: s.When.conditions(), Without: s.Without})
		}
		e.Fields = append(e.Fields, field)
	}
	for _, t := range f.Tokens {
		e.Tokens = append(e.Tokens, emitters.Tokens{When: t.When.conditions(), Input: t.Input, Output: t.Output})
	}
	return e
}

func (w when) conditions() []emitters.Condition {
	var list []emitters.Condition
	for _, key := range sortedKeys(w) {
		list = append(list, emitters.Condition{Key: key, Values: w[key]})
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
