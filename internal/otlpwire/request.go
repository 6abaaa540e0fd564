package otlpwire

import "slices"

// maxHead is what stands before a message: its tag and its length.
const maxHead = 1 + 5

// AppendRequest appends the bytes of an ExportLogsServiceRequest with the
// records from from to before to, counted in the order of adding. Those of one
// scope are in that order; so are scopes and resources, by their first records.
func (e *Encoder) AppendRequest(dst []byte, from, to int) []byte {
	g := &e.groups
	g.group(&e.origins, e.records[from:to])
	for rest := g.scopes; len(rest) > 0; {
		// The scopes of one resource.
		res := e.origins.scopes[rest[0]].resource
		n, size := 0, e.origins.resources[res].size()
		for ; n < len(rest) && e.origins.scopes[rest[n]].resource == res; n++ {
			size += sizeMessage(e.sizeScopeLogs(rest[n]))
		}
		dst = appendHead(slices.Grow(dst, size+maxHead), requestResourceLogs, size)
		dst = append(dst, e.origins.resources[res].head...)
		for _, scope := range rest[:n] {
			dst = appendHead(dst, resourceLogsScopeLogs, e.sizeScopeLogs(scope))
			dst = append(dst, e.origins.scopes[scope].head...)
			for _, i := range g.recordsOf(scope) {
				r := &e.records[from+int(i)]
				dst = appendHead(dst, scopeLogsLogRecords, r.size())
				dst = append(dst, e.w.buf[len(e.w.buf)-r.begin:len(e.w.buf)-r.end]...)
			}
			dst = append(dst, e.origins.scopes[scope].tail...)
		}
		dst = append(dst, e.origins.resources[res].tail...)
		rest = rest[n:]
	}
	return dst
}

func (e *Encoder) sizeScopeLogs(scope int32) int {
	return e.origins.scopes[scope].size() + e.groups.of[scope].size
}

// sizeMessage returns the size of a message of n bytes with its head.
func sizeMessage(n int) int {
	return 1 + sizeVarint(uint64(n)) + n //nolint:gosec // not negative
}

func appendHead(dst []byte, tag byte, size int) []byte {
	dst = append(dst, tag)
	n := uint64(size) //nolint:gosec // not negative
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// groups says which records of a request belong together. It is kept for its
// memory.
type groups struct {
	of      []group // by scope
	scopes  []int32 // those that have records; those of one resource are neighbours
	ranks   []int32 // by resource: which one it is in the request, counted from 1
	records []int32 // by scope
}

type group struct {
	size       int   // of the LogRecords, with their heads
	start, end int32 // in groups.records
}

func (g *groups) recordsOf(scope int32) []int32 {
	return g.records[g.of[scope].start:g.of[scope].end]
}

func (g *groups) group(o *origins, records []record) {
	g.of = zeros(g.of, len(o.scopes))
	g.ranks = zeros(g.ranks, len(o.resources))
	g.scopes = g.scopes[:0]
	rank := int32(0)
	for i := range records {
		scope := records[i].scope
		of := &g.of[scope]
		if of.size == 0 {
			g.scopes = append(g.scopes, scope)
			if res := o.scopes[scope].resource; g.ranks[res] == 0 {
				rank++
				g.ranks[res] = rank
			}
		}
		of.size += sizeMessage(records[i].size())
		of.end++ // the number of records, for now
	}
	if rank > 1 {
		slices.SortStableFunc(g.scopes, func(a, b int32) int {
			return int(g.ranks[o.scopes[a].resource] - g.ranks[o.scopes[b].resource])
		})
	}
	start := int32(0)
	for _, scope := range g.scopes {
		of := &g.of[scope]
		n := of.end
		of.start, of.end = start, start // and the end grows as it is filled
		start += n
	}
	g.records = zeros(g.records, len(records))
	for i := range records {
		of := &g.of[records[i].scope]
		g.records[of.end] = int32(i) //nolint:gosec // fewer than bytes
		of.end++
	}
}

// zeros returns n zeros in the memory of list, if that is enough.
func zeros[E any](list []E, n int) []E {
	if n > cap(list) {
		return make([]E, n)
	}
	list = list[:n]
	clear(list)
	return list
}
