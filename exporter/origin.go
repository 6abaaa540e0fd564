package exporter

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// origin is what is the same for all records of one scope and resource.
type origin struct {
	encoded []byte // the members scope and resource of otel
	// sessions are those that the scope or the resource names: for events in
	// general, and for tasks.
	sessions [2]string
	// sender names the process that sent the records: its service.instance.id, else
	// what is made of the resource.
	sender string
	// scope and service are the emitters of the scope and of the service, nil if
	// they are of none that is known.
	scope, service *emitterRules
}

func (o *origin) session(event string) string {
	if strings.HasPrefix(event, "task.") {
		return o.sessions[1]
	}
	return o.sessions[0]
}

// originKey identifies a scope and a resource. The resource is known by its
// address, which is safe as long as the key holds it; the scope's attributes
// by the hash by which the SDK itself tells sets apart.
type originKey struct {
	resource                 *resource.Resource
	name, version, schemaURL string
	attributes               attribute.Distinct
}

func keyOf(scope *instrumentation.Scope, res *resource.Resource) originKey {
	key := originKey{resource: res, name: scope.Name, version: scope.Version, schemaURL: scope.SchemaURL}
	if scope.Attributes.Len() > 0 {
		key.attributes = scope.Attributes.Equivalent()
	}
	return key
}

// maxOrigins bounds the cache. A program has one resource and some dozens of
// scopes; who makes them up by the thousand pays for each.
const maxOrigins = 1024

// originCache holds origins. It is safe for concurrent use.
type originCache struct {
	mu     sync.RWMutex
	cache  map[originKey]*origin
	byText map[string]*origin // by what is encoded, which all the rest follows from
}

func (c *originCache) get(table *sourceTable, key originKey, scope *instrumentation.Scope) *origin {
	c.mu.RLock()
	o := c.cache[key]
	c.mu.RUnlock()
	if o != nil {
		return o
	}
	of := otelline.OriginOf(scope, key.resource)
	o = newOrigin(table, &of)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil || len(c.cache) >= maxOrigins {
		c.cache = make(map[originKey]*origin)
	}
	c.cache[key] = o
	return o
}

// of returns what is made of an origin that no SDK of the process made: a request
// to a collector brings its own each time, and mostly the one that others had.
// buf is memory to encode it in.
func (c *originCache) of(table *sourceTable, of *otelline.Origin, buf []byte) (o *origin, encoded []byte) {
	encoded = otelline.AppendOrigin(buf, of)
	c.mu.RLock()
	o = c.byText[string(encoded)]
	c.mu.RUnlock()
	if o != nil {
		return o, encoded
	}
	o = newOrigin(table, of)
	if len(encoded) > maxOriginText {
		return o, encoded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byText == nil || len(c.byText) >= maxOrigins {
		c.byText = make(map[string]*origin)
	}
	c.byText[string(encoded)] = o
	return o, encoded
}

// maxOriginText is how large an origin is that is worth to be kept.
const maxOriginText = 16 << 10

func newOrigin(table *sourceTable, of *otelline.Origin) *origin {
	o := &origin{encoded: otelline.AppendOrigin(nil, of)}
	o.scope = table.scopes.find(of.ScopeName)
	for _, kv := range of.ResourceAttributes {
		switch kv.Key {
		case keyServiceName:
			o.service = table.services.find(kv.Value.AsString())
		case keyServiceInstance:
			o.sender = kv.Value.AsString()
		}
	}
	attrs := otelline.NewAttributes(table.keys)
	for _, list := range [][]attribute.KeyValue{of.ScopeAttributes, of.ResourceAttributes} {
		attrs.ReadList(list, nil)
		for i, event := range []string{"", "task."} {
			if o.sessions[i] == "" {
				r := reading{table: table, attrs: attrs, event: event}
				r.begin(o, event, true)
				o.sessions[i] = r.session()
			}
		}
	}
	if o.sender == "" {
		resource := otelline.Origin{ResourceAttributes: of.ResourceAttributes, ResourceSchemaURL: of.ResourceSchemaURL}
		sum := sha256.Sum256(otelline.AppendOrigin(nil, &resource))
		o.sender = "resource:" + hex.EncodeToString(sum[:8])
	}
	return o
}

const keyServiceInstance = "service.instance.id"
