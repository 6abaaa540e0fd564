package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// sourceTable is the aliases, and the sources that the caller puts in front,
// made ready for look-ups. It is only read once it is made.
type sourceTable struct {
	keys   *otelline.KeyTable
	fields [otelline.NumFields]fieldSources
	events []otelline.KeyID // of the caller, in front of the rules for names
	// Further keys that are looked at.
	currency, completionCost, decider, errorMessage, eventName, eventNameLiteLLM, eventTime otelline.KeyID
	operation, spanKind, langfuseType, requestType                                          otelline.KeyID
}

type fieldSources struct {
	sources []keyedSource
	mask    []uint64 // bits of the sources' keys
}

type keyedSource struct {
	id otelline.KeyID // first: it is looked at for each source, the others for those that are there
	source
}

// fieldEvent is the name of the field that has rules instead of aliases.
const fieldEvent = "event"

func newSourceTable(cfg config) (*sourceTable, error) {
	var fields [otelline.NumFields][]source
	var events []string
	for _, own := range cfg.sources {
		if slices.Contains(own.keys, "") {
			return nil, fmt.Errorf("WithSources(%q): an attribute key is empty", visible.Cut(own.field))
		}
		if own.field == fieldEvent {
			events = append(events, own.keys...)
			continue
		}
		f, err := fieldNamed(own.field)
		if err != nil {
			return nil, err
		}
		for _, key := range own.keys {
			fields[f] = append(fields[f], source{key: key})
		}
	}
	if !cfg.withoutAliases {
		for f, list := range aliases {
			fields[f] = append(fields[f], list...)
		}
	}
	keys := []string{
		keyCurrency, keyCompletionCost, keyDecider, keyErrorMessage, keyEventName, keyEventNameLiteLLM, keyEventTime,
		keyOperation, keySpanKind, keyLangfuseType, keyRequestType,
	}
	keys = append(keys, events...)
	for _, list := range fields {
		for _, s := range list {
			keys = append(keys, s.key)
		}
	}
	t := &sourceTable{keys: otelline.NewKeyTable(keys...)}
	for f, list := range fields {
		t.fields[f].mask = make([]uint64, (t.keys.Len()+63)/64)
		for _, s := range list {
			id := t.keys.ID(s.key)
			t.fields[f].sources = append(t.fields[f].sources, keyedSource{id, s})
			t.fields[f].mask[id>>6] |= 1 << (id & 63)
		}
	}
	for _, key := range events {
		t.events = append(t.events, t.keys.ID(key))
	}
	t.currency, t.completionCost, t.decider = t.keys.ID(keyCurrency), t.keys.ID(keyCompletionCost), t.keys.ID(keyDecider)
	t.eventName, t.eventNameLiteLLM, t.eventTime = t.keys.ID(keyEventName), t.keys.ID(keyEventNameLiteLLM), t.keys.ID(keyEventTime)
	t.errorMessage = t.keys.ID(keyErrorMessage)
	t.operation, t.spanKind = t.keys.ID(keyOperation), t.keys.ID(keySpanKind)
	t.langfuseType, t.requestType = t.keys.ID(keyLangfuseType), t.keys.ID(keyRequestType)
	return t, nil
}

// hasUsage reports whether one of attrs is a source of tokens or of a cost.
func (t *sourceTable) hasUsage(attrs *otelline.Attributes) bool {
	return slices.ContainsFunc(usage[:], func(f otelline.Field) bool { return attrs.HasAny(t.fields[f].mask) })
}

// isUsage reports whether key is a source of tokens or of a cost.
func (t *sourceTable) isUsage(key string) bool {
	id := t.keys.ID(key)
	if id == otelline.NoKey {
		return false
	}
	for _, f := range usage {
		if t.fields[f].mask[id>>6]&(1<<(id&63)) != 0 {
			return true
		}
	}
	return false
}

// usage are the fields that sums are made of.
var usage = [...]otelline.Field{otelline.Cost, otelline.InputTokens, otelline.OutputTokens}

func isUsage(f otelline.Field) bool { return slices.Contains(usage[:], f) }

func fieldNamed(name string) (otelline.Field, error) {
	names := []string{fieldEvent}
	for f := range otelline.NumFields {
		if f == otelline.Config {
			continue
		}
		if f.Key() == name {
			return f, nil
		}
		names = append(names, f.Key())
	}
	if name == otelline.Config.Key() {
		return 0, errors.New(`WithSources("config"): a config is never derived; send it as the attribute config, a map`)
	}
	slices.Sort(names)
	return 0, fmt.Errorf("WithSources(%q): no such field; the fields are %s", visible.Cut(name), strings.Join(names, ", "))
}
