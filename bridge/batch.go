package bridge

import (
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
)

// item is one record on its way, with the line it came from.
type item struct {
	record sdklog.Record
	raw    []byte // the line, without its line ending
	offset int64
	line   int64
	behind auditlog.Cursor // the line
}

// batch collects the items of one request.
type batch struct {
	maxRecords int
	maxBytes   int

	items []item
	bytes int
	// schemas holds the schema URL of each resource. otlploghttp merges
	// resources that are equal in attributes, and the first one's schema URL
	// would become that of all.
	schemas map[attribute.Distinct]string
}

// takes reports whether record, from a line of n bytes, may join the batch. An
// empty batch takes any.
func (b *batch) takes(record sdklog.Record, n int) bool {
	if len(b.items) == 0 {
		return true
	}
	if len(b.items) >= b.maxRecords || b.bytes+n > b.maxBytes {
		return false
	}
	schema, ok := b.schemas[record.Resource().Equivalent()]
	return !ok || schema == record.Resource().SchemaURL()
}

func (b *batch) add(it item) {
	b.items = append(b.items, it)
	b.bytes += len(it.raw)
	if b.schemas == nil {
		b.schemas = map[attribute.Distinct]string{}
	}
	b.schemas[it.record.Resource().Equivalent()] = it.record.Resource().SchemaURL()
}

func (b *batch) reset() {
	clear(b.items)
	b.items = b.items[:0]
	b.bytes = 0
	clear(b.schemas)
}
