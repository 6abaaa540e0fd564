package spend

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/calendar"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// GroupBy says what the groups of a [Spend] have in common.
type GroupBy int

// The ways to group. Weeks begin on Mondays.
const (
	ByNothing GroupBy = iota // no groups
	ByEvent
	ByModel
	BySession
	ByHour
	ByDay
	ByWeek
	ByMonth
)

// groupings returns by without ByNothing.
func groupings(by []GroupBy) ([]GroupBy, error) {
	for _, b := range by {
		if b < ByNothing || b > ByMonth {
			return nil, fmt.Errorf("auditlog: group spend by %d: no such GroupBy", b)
		}
	}
	return slices.DeleteFunc(slices.Clone(by), func(b GroupBy) bool { return b == ByNothing }), nil
}

// groupKey appends the key of an event's group.
//
// The key of groups within groups is one string: each level but the last has
// its length in front. The key of a period is its beginning, 8 bytes that
// order as instants do, and its text; so an hour that a clock shows twice is two
// groups, in order.
type groupKey func(dst []byte, f *scan.Fields) []byte

// newGroupKey returns nil for no groups. A groupKey is for one goroutine.
func newGroupKey(by []GroupBy, zone *time.Location) groupKey {
	switch len(by) {
	case 0:
		return nil
	case 1:
		return by[0].key(zone)
	}
	outer, inner := by[0].key(zone), newGroupKey(by[1:], zone)
	var text []byte
	return func(dst []byte, f *scan.Fields) []byte {
		text = outer(text[:0], f)
		return inner(appendOuterKey(dst, text), f)
	}
}

func appendOuterKey[T []byte | string](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// cutGroupKey cuts the first of levels off.
func cutGroupKey(key string, levels int) (first, rest string) {
	if levels == 1 {
		return key, ""
	}
	length, n := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
	return key[n : n+int(length)], key[n+int(length):] //nolint:gosec // appendOuterKey wrote it
}

// fillGroupKey returns key, with the levels of other where those of key are empty, and with
// the level of the index named.
func fillGroupKey(key, other string, levels, named int) string {
	var filled []byte
	for ; levels > 0; levels, named = levels-1, named-1 {
		var first, otherFirst string
		first, key = cutGroupKey(key, levels)
		otherFirst, other = cutGroupKey(other, levels)
		if first == "" || named == 0 {
			first = otherFirst
		}
		if levels > 1 {
			filled = appendOuterKey(filled, first)
		} else {
			filled = append(filled, first...)
		}
	}
	return string(filled)
}

func (by GroupBy) key(zone *time.Location) groupKey {
	switch by {
	case ByEvent:
		return textKey(scan.FieldEvent)
	case ByModel:
		return textKey(scan.FieldModel)
	case BySession:
		return textKey(scan.FieldSession)
	case ByHour:
		return periodKey(calendar.Hour, time.RFC3339, zone)
	case ByDay:
		return periodKey(calendar.Day, time.DateOnly, zone)
	case ByWeek:
		return periodKey(calendar.Week, time.DateOnly, zone)
	default:
		return periodKey(calendar.Month, "2006-01", zone)
	}
}

// isPeriod reports whether the groups are parts of a calendar.
func (by GroupBy) isPeriod() bool { return by >= ByHour }

func textKey(field int) groupKey {
	return func(dst []byte, f *scan.Fields) []byte {
		if jsonline.KindOf(f[field]) != jsonline.String {
			return dst
		}
		return jsonline.AppendUnquoted(dst, f[field])
	}
}

const startLength = 8 // bytes of a period's beginning in its key

// periodKey makes a key once for all events of its period: neighbours in a log
// are neighbours in time.
func periodKey(period func(time.Time) calendar.Period, layout string, zone *time.Location) groupKey {
	var last calendar.Period
	var key []byte
	return func(dst []byte, f *scan.Fields) []byte {
		t, ok := jsonline.ParseTime(f[scan.FieldTime])
		if !ok {
			return dst
		}
		if key == nil || t.Before(last.Start) || !t.Before(last.End) {
			last = period(t.In(zone))
			key = binary.BigEndian.AppendUint64(key[:0], uint64(last.Start.Unix())^1<<63) //nolint:gosec // the sign is turned over
			key = last.Start.AppendFormat(key, layout)
		}
		return append(dst, key...)
	}
}

// group returns the group of a key of this level.
func (by GroupBy) group(key string, zone *time.Location) Group {
	if !by.isPeriod() || key == "" {
		return Group{Key: key}
	}
	seconds := int64(binary.BigEndian.Uint64([]byte(key[:startLength])) ^ 1<<63) //nolint:gosec // as periodKey
	start := time.Unix(seconds, 0).In(zone)
	if start.Year() < 0 || start.Year() > 9999 {
		start = time.Time{} // JSON has no such time; the first and last events of all that RFC 3339 can say
	}
	return Group{Key: key[startLength:], Start: start}
}

// tree returns the groups within groups.
func (s *spender) tree() []Group {
	root := groupNode{}
	for key, sum := range s.groups {
		if sum.events == 0 {
			continue // its only call counts in another group
		}
		node := &root
		for level := range s.by {
			var first string
			first, key = cutGroupKey(key, len(s.by)-level)
			node = node.part(first)
			node.sum.merge(sum)
		}
	}
	return root.groups(s.by, s.zone)
}

type groupNode struct {
	sum   sum
	parts map[string]*groupNode
}

func (n *groupNode) part(key string) *groupNode {
	if n.parts == nil {
		n.parts = make(map[string]*groupNode)
	}
	if n.parts[key] == nil {
		n.parts[key] = new(groupNode)
	}
	return n.parts[key]
}

// groups is never nil on the first level, and nil after the last one.
func (n *groupNode) groups(by []GroupBy, zone *time.Location) []Group {
	groups := make([]Group, 0, len(n.parts))
	for key, part := range n.parts {
		group := by[0].group(key, zone)
		group.Totals = part.sum.totals()
		if len(by) > 1 {
			group.Groups = part.groups(by[1:], zone)
		}
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		if len(by) > 0 && !by[0].isPeriod() {
			if c := cmp.Compare(b.Cost, a.Cost); c != 0 {
				return c
			}
		}
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Key, b.Key))
	})
	return groups
}
