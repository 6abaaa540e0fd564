package otelline

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// maxGroupMembers is how many members of maps are looked at for one record. Who
// logs a whole document as a map should not have it searched to its end.
const maxGroupMembers = 1000

// group is a map among the attributes, or in one of them, that was looked into,
// because the names that lead to it begin a key of the table: what a slog.Group
// or a zap.Namespace becomes.
type group struct {
	members []attribute.KeyValue // a copy, as the API gives it; encoding uses it too, so that there is one
	place   int                  // among the members of the group around it
	inside  int                  // number of groups in it, which follow it
}

// groupValue is the value of a key of the table that was found in a group.
type groupValue struct {
	id    KeyID
	value Value
}

// path is a key of the table that may be found in groups, which the names on the
// way to it give when they are joined with dots.
type path struct {
	key string
	id  KeyID
}

// pathRange are the paths, among those in their order, that begin with the n
// bytes of the names so far.
type pathRange struct{ from, to, n int }

func (r pathRange) empty() bool { return r.from == r.to }

// addPaths adds the keys that may be found in groups: those with a dot. The
// record's id is not one, since the line says it of the record itself.
func (t *KeyTable) addPaths(keys []string) {
	for _, key := range keys {
		if strings.Contains(key, ".") && key != KeyUID {
			t.paths = append(t.paths, path{key, t.ID(key)})
		}
	}
	slices.SortFunc(t.paths, func(a, b path) int { return strings.Compare(a.key, b.key) })
	t.paths = slices.Compact(t.paths)
}

// extend returns the paths of r that go on with text: no name has to be put
// together to be compared.
func (t *KeyTable) extend(r pathRange, text string) pathRange {
	from, to := r.from, r.to
	for from < to {
		if mid := int(uint(from+to) >> 1); t.paths[mid].key[r.n:] < text { //nolint:gosec // neither is negative
			from = mid + 1
		} else {
			to = mid
		}
	}
	to = from
	for to < r.to && strings.HasPrefix(t.paths[to].key[r.n:], text) {
		to++
	}
	return pathRange{from, to, r.n + len(text)}
}

// enter returns the paths of r that go on inside of a group with that name.
func (t *KeyTable) enter(r pathRange, name string) pathRange {
	if r = t.extend(r, name); r.empty() {
		return r
	}
	return t.extend(r, ".")
}

// readGroups looks for keys of the table in maps. A map is looked into only if
// the names that lead to it begin such a key, so never deeper than a key has
// dots, and a list is not.
func (a *Attributes) readGroups() {
	left := maxGroupMembers
	for i := range a.list {
		v := &a.list[i].value
		if v.kind != attribute.MAP {
			continue
		}
		v.bits = uint64(v.place()) // without a group
		if left <= 0 {
			continue
		}
		left-- // so that a thousand maps cost no more than one of a thousand members
		if in := a.table.enter(pathRange{0, len(a.table.paths), 0}, a.list[i].key); !in.empty() {
			v.bits |= uint64(len(a.groups)+1) << 32
			left = a.readGroup(&a.others[v.place()], i, in, left)
		}
	}
}

// readGroup looks for the paths of in among the members of a map, of which left
// may be looked at, and returns how many that leaves.
func (a *Attributes) readGroup(of *attribute.Value, place int, in pathRange, left int) int {
	at := len(a.groups)
	members := of.AsMap()
	a.groups = append(a.groups, group{members: members, place: place})
	for i := range members {
		if left <= 0 {
			break
		}
		left--
		m := &members[i]
		r := a.table.extend(in, string(m.Key))
		if r.empty() {
			continue
		}
		if p := &a.table.paths[r.from]; len(p.key) == r.n && !a.Has(p.id) { // a shorter path is in front of those that it begins
			a.inGroups = append(a.inGroups, groupValue{p.id, a.valueOf(&m.Value)})
			a.first[p.id] = -int32(len(a.inGroups)) //nolint:gosec // the table is small
			a.present[p.id>>6] |= 1 << (p.id & 63)
		}
		if m.Value.Type() != attribute.MAP {
			continue
		}
		if r = a.table.extend(r, "."); !r.empty() {
			left = a.readGroup(&m.Value, i, r, left)
		}
	}
	a.groups[at].inside = len(a.groups) - at - 1
	return left
}

// leaveGroups forgets the groups of the last record: what else is known of its
// keys may hold for the next one.
func (a *Attributes) leaveGroups() {
	for _, found := range a.inGroups {
		a.present[found.id>>6] &^= 1 << (found.id & 63)
	}
	clear(a.inGroups)
	a.inGroups = a.inGroups[:0]
	clear(a.groups)
	a.groups = a.groups[:0]
}

// groupsOf returns the group that v, a map of a, was read as, and those inside of
// it behind it; none if it was not.
func (a *Attributes) groupsOf(v Value) []group {
	at := int(v.bits >> 32)
	if at == 0 {
		return nil
	}
	return a.groups[at-1 : at+a.groups[at-1].inside]
}
