package otelline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// templates makes records of the SDK with its public means only. A record has
// no setter for its scope, its resource and its limits: these come from the
// provider and the logger that it was emitted with. So one empty record is
// emitted for each scope and resource, captured, and cloned for every line
// that has them; what else there is on a line has setters.
type templates struct {
	cache map[string]sdklog.Record
	key   []byte
}

// maxTemplates bounds the cache. A log has a few scopes and resources; one
// that does not is still read, at the cost of a provider for each line.
const maxTemplates = 512

// MaxDropped bounds the dropped count of a record: it has no setter, but the
// SDK counts what it drops, so as many attributes have to be dropped.
const MaxDropped = 1 << 24

// dummies are dropped.
var dummies = func() []attribute.KeyValue {
	list := make([]attribute.KeyValue, 4096)
	for i := range list {
		list[i].Key = "dropped"
	}
	return list
}()

// record returns a record with attrs, of the scope and resource that the raw
// values of otel say.
func (t *templates) record(scope, res []byte, attrs []attribute.KeyValue, dropped int64) (sdklog.Record, error) {
	limit := -1
	if dropped > 0 {
		limit = 0 // of those that the SDK takes
		for i := range attrs {
			if attrs[i].Valid() {
				limit++
			}
		}
	}
	t.key = append(t.key[:0], scope...)
	t.key = append(append(t.key, 0), res...) // no raw value holds a NUL
	t.key = binary.AppendVarint(append(t.key, 0), int64(limit))
	template, ok := t.cache[string(t.key)]
	if !ok {
		var err error
		if template, err = newTemplate(scope, res, limit); err != nil {
			return sdklog.Record{}, err
		}
		if t.cache == nil || len(t.cache) >= maxTemplates {
			t.cache = make(map[string]sdklog.Record)
		}
		t.cache[string(t.key)] = template
	}
	record := template.Clone()
	record.SetAttributes(attrs...)
	for n := min(dropped, MaxDropped); n > 0; n -= int64(len(dummies)) {
		record.AddAttributes(dummies[:min(n, int64(len(dummies)))]...)
	}
	return record, nil
}

// ParseOrigin returns the scope and the resource that records get from the raw
// values of otel, nil where it has none. It fails if they are not as FORMAT.md
// section 4 says, and the line is another writer's then, or nested too deep.
func ParseOrigin(scope, res []byte) (instrumentation.Scope, *resource.Resource, error) {
	record, err := newTemplate(scope, res, -1)
	if err != nil {
		return instrumentation.Scope{}, nil, err
	}
	return record.InstrumentationScope(), record.Resource(), nil
}

func newTemplate(scope, res []byte, limit int) (sdklog.Record, error) {
	wantScope, err := parseScope(scope)
	if err != nil {
		return sdklog.Record{}, fmt.Errorf("otel.scope: %w", err)
	}
	wantResource, err := parseResource(res)
	if err != nil {
		return sdklog.Record{}, fmt.Errorf("otel.resource: %w", err)
	}
	return NewRecord(wantScope, wantResource, limit)
}

// NewRecord returns an empty record of that scope and resource, without any
// limit but that on the number of attributes; −1 is none.
func NewRecord(scope instrumentation.Scope, want *resource.Resource, limit int) (sdklog.Record, error) {
	var c capture
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(want),
		sdklog.WithProcessor(&c),
		sdklog.WithAttributeCountLimit(limit),
		sdklog.WithAttributeValueLengthLimit(-1),
		sdklog.WithAttributeValueDepthLimit(-1),
		sdklog.WithAllowKeyDuplication(),
	)
	provider.Logger(scope.Name,
		log.WithInstrumentationVersion(scope.Version),
		log.WithSchemaURL(scope.SchemaURL),
		log.WithInstrumentationAttributeSet(scope.Attributes),
	).Emit(context.Background(), log.Record{})
	if !c.captured {
		return sdklog.Record{}, errors.New("the SDK gave no record")
	}
	// WithResource merges the environment's resource attributes into a new
	// Resource. Those are of this process, not of the one that wrote the line.
	*c.record.Resource() = *want
	return c.record, nil
}

// errNotEnvelope says that a member of scope or resource is not as FORMAT.md
// section 4 says, so that the line is another writer's.
var errNotEnvelope = errors.New("it is not as otel has it")

func parseScope(lit []byte) (scope instrumentation.Scope, err error) {
	if lit == nil {
		return scope, nil
	}
	err = eachKnown(lit, func(key string, value []byte) error {
		switch key {
		case "name":
			scope.Name = textOf(value)
		case "version":
			scope.Version = textOf(value)
		case "schema_url":
			scope.SchemaURL = textOf(value)
		case "attributes":
			attrs, err := parseMembers(value, 3)
			scope.Attributes = attribute.NewSet(attrs...)
			return err
		}
		return nil
	})
	return scope, err
}

func parseResource(lit []byte) (*resource.Resource, error) {
	if lit == nil {
		return resource.Empty(), nil
	}
	var schemaURL string
	var attrs []attribute.KeyValue
	err := eachKnown(lit, func(key string, value []byte) (err error) {
		switch key {
		case "schema_url":
			schemaURL = textOf(value)
		case "attributes":
			attrs, err = parseMembers(value, 3)
		}
		return err
	})
	return resource.NewWithAttributes(schemaURL, attrs...), err
}

// eachKnown calls take for the members of a scope or resource, up to the first
// error. Those it knows have the type that section 4 says.
func eachKnown(lit []byte, take func(key string, value []byte) error) error {
	var failure error
	err := jsonline.EachMember(lit, func(key, value []byte) bool {
		name := string(key[1 : len(key)-1])
		want := jsonline.String
		if name == "attributes" {
			want = jsonline.Object
		}
		switch name {
		case "name", "version", "schema_url", "attributes":
			if jsonline.KindOf(value) != want {
				failure = errNotEnvelope
				return false
			}
		}
		failure = take(name, value)
		return failure == nil
	})
	return errors.Join(err, failure)
}

// capture is a processor that keeps the record.
type capture struct {
	record   sdklog.Record
	captured bool
}

var _ sdklog.Processor = (*capture)(nil)

func (c *capture) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.record, c.captured = r.Clone(), true
	return nil
}

func (c *capture) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (c *capture) Shutdown(context.Context) error                         { return nil }
func (c *capture) ForceFlush(context.Context) error                       { return nil }
