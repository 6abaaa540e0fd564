package otlpwire

import (
	"bytes"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// origins are the scopes and resources of records, encoded, and how they are
// grouped: records of one scope of one resource share a ScopeLogs, the scopes of
// one resource a ResourceLogs. otlploghttp merges resources that differ only in
// their schema URL, under that of the first; here they stay apart.
type origins struct {
	resources []resourceLogs
	scopes    []scopeLogs

	byResource map[resourceKey]int32
	byScope    map[scopeKey]int32
	byRaw      map[string]int32 // by the raw values of otel

	// Of the line before. Next to all lines have the same.
	lastScope, lastResource []byte
	last                    int32
	key                     []byte // scratch
}

// resourceLogs is what a ResourceLogs has beside its scopes.
type resourceLogs struct {
	head, tail []byte
	batch      int64 // the last one that it was used in
}

func (r *resourceLogs) size() int { return len(r.head) + len(r.tail) }

// scopeLogs is what a ScopeLogs has beside its records.
type scopeLogs struct {
	resource   int32
	head, tail []byte
	batch      int64 // the last one that it was used in
}

func (s *scopeLogs) size() int { return len(s.head) + len(s.tail) }

// use returns how many bytes a scope adds to the request of a batch: none if it
// is in it already.
func (o *origins) use(scope int32, batch int64) (bytes int) {
	s := &o.scopes[scope]
	if s.batch == batch {
		return 0
	}
	s.batch = batch
	bytes = maxHead + s.size()
	if r := &o.resources[s.resource]; r.batch != batch {
		r.batch = batch
		bytes += maxHead + r.size()
	}
	return bytes
}

type resourceKey struct {
	attributes attribute.Distinct
	schemaURL  string
}

type scopeKey struct {
	resource int32
	scope    instrumentation.Scope
}

// maxOrigins bounds what is kept from batch to batch. A log has a few origins;
// one that does not is still read, at the cost of making an origin for each
// line.
const maxOrigins = 512

// reset forgets all once there are too many. No record may refer to them.
func (o *origins) reset() {
	if len(o.byRaw) > maxOrigins || len(o.scopes) > maxOrigins {
		*o = origins{key: o.key}
	}
}

// ofRaw returns the index in scopes for the raw values of otel, nil if it has
// none; it reports false if the line is not exporter's.
func (o *origins) ofRaw(scope, res []byte) (int32, bool) {
	if o.byRaw != nil && bytes.Equal(scope, o.lastScope) && bytes.Equal(res, o.lastResource) {
		return o.last, true
	}
	o.key = append(o.key[:0], scope...)
	o.key = append(append(o.key, 0), res...) // no raw value holds a NUL
	i, ok := o.byRaw[string(o.key)]
	if !ok {
		s, r, err := otelline.ParseOrigin(scope, res)
		if err != nil {
			return 0, false
		}
		i = o.of(s, r)
		if o.byRaw == nil {
			o.byRaw = map[string]int32{}
		}
		o.byRaw[string(o.key)] = i
	}
	o.lastScope = append(o.lastScope[:0], scope...)
	o.lastResource = append(o.lastResource[:0], res...)
	o.last = i
	return i, true
}

// of returns the index in scopes.
func (o *origins) of(scope instrumentation.Scope, res *resource.Resource) int32 {
	rk := resourceKey{res.Equivalent(), res.SchemaURL()}
	r, ok := o.byResource[rk]
	if !ok {
		r = int32(len(o.resources)) //nolint:gosec // as many as lines in a batch
		o.resources = append(o.resources, newResourceLogs(res))
		if o.byResource == nil {
			o.byResource = map[resourceKey]int32{}
		}
		o.byResource[rk] = r
	}
	sk := scopeKey{r, scope}
	s, ok := o.byScope[sk]
	if !ok {
		s = int32(len(o.scopes)) //nolint:gosec // as many as lines in a batch
		o.scopes = append(o.scopes, newScopeLogs(r, scope))
		if o.byScope == nil {
			o.byScope = map[scopeKey]int32{}
		}
		o.byScope[sk] = s
	}
	return s
}

func newResourceLogs(res *resource.Resource) resourceLogs {
	var head, tail writer
	if res.Len() > 0 {
		head.attributes(resourceAttributes, res.Attributes())
		head.message(resourceLogsResource, 0)
	}
	tail.nonEmpty(resourceLogsSchemaURL, []byte(res.SchemaURL()))
	return resourceLogs{head: head.written(), tail: tail.written()}
}

func newScopeLogs(res int32, scope instrumentation.Scope) scopeLogs {
	var head, tail writer
	if scope != (instrumentation.Scope{}) {
		head.attributes(scopeAttributes, scope.Attributes.ToSlice())
		head.nonEmpty(scopeVersion, []byte(scope.Version))
		head.nonEmpty(scopeName, []byte(scope.Name))
		head.message(scopeLogsScope, 0)
		tail.nonEmpty(scopeLogsSchemaURL, []byte(scope.SchemaURL))
	}
	return scopeLogs{resource: res, head: head.written(), tail: tail.written()}
}
