package otelline_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// paths are keys that records of randomGroups may have in groups.
var paths = []string{
	"gen_ai.usage", "gen_ai.usage.cost", "gen_ai.usage.cost.amount", "gen_ai.usage.input_tokens", "gen_ai.response.model", "a.a.a.b", "gen_ai.a.usage.b", "log.record.uid",
}

var groupNames = []string{
	"gen_ai", "gen_ai", "gen_ai", "gen_ai.usage", "usage", "usage", "cost", "usage.cost", "cost.amount", "amount", "input_tokens", "response", "model",
	"a", "a.a", "b", "intValue", "kvlistValue", "bad \xff", "bad \ufffd", "log", "record", "uid", "config",
}

func randomGroup(random *rand.Rand, depth int) []attribute.KeyValue {
	members := make([]attribute.KeyValue, random.IntN(8))
	for i := range members {
		members[i].Key = attribute.Key(groupNames[random.IntN(len(groupNames))])
		switch {
		case depth > 0 && random.IntN(2) == 0:
			members[i].Value = attribute.MapValue(randomGroup(random, depth-1)...)
		case random.IntN(8) == 0:
			members[i].Value = attribute.SliceValue(attribute.MapValue(randomGroup(random, 0)...))
		default:
			members[i].Value = attribute.IntValue(random.IntN(1000))
		}
	}
	return members
}

// firstOf returns the value of the member whose names, joined with dots, are key:
// the first in the order of members, at the top or else below.
func firstOf(members []attribute.KeyValue, key string) (attribute.Value, bool) {
	if i := slices.IndexFunc(members, func(kv attribute.KeyValue) bool { return string(kv.Key) == key }); i >= 0 {
		return members[i].Value, true
	}
	return firstBelow(members, key)
}

func firstBelow(members []attribute.KeyValue, key string) (attribute.Value, bool) {
	for _, kv := range members {
		rest, ok := strings.CutPrefix(key, string(kv.Key)+".")
		if !ok || kv.Value.Type() != attribute.MAP {
			continue
		}
		for _, m := range kv.Value.AsMap() {
			if string(m.Key) == rest {
				return m.Value, true
			}
			if v, ok := firstBelow([]attribute.KeyValue{m}, rest); ok {
				return v, true
			}
		}
	}
	return attribute.Value{}, false
}

// TestGroupsAreFoundAndStayWhatTheyAre encodes records whose maps are looked into
// and the same where no key leads into one, and finds each key where it is found
// by putting names together. The same Attributes read one record after the other.
func TestGroupsAreFoundAndStayWhatTheyAre(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	table := otelline.NewKeyTable(paths...)
	a := otelline.NewAttributes(table)
	b := otelline.NewAttributes(otelline.NewKeyTable())
	same := func(kv attribute.KeyValue) attribute.KeyValue { return kv }
	found := make(map[string]int)
	var record []attribute.KeyValue
	for range 5_000 {
		if random.IntN(3) > 0 { // else another with the same keys
			record = randomGroup(random, 4)
		}
		for i := range record {
			if random.IntN(4) == 0 {
				record[i].Value = attribute.MapValue(randomGroup(random, 3)...)
			}
		}
		switch random.IntN(10) {
		case 0:
			a.ReadList(record, same)
		case 1: // what was read is read once more, with an attribute behind it
			a.Begin()
			for _, kv := range record {
				a.AddAny(kv)
			}
			a.Finish(nil)
			behind := attribute.Int(paths[random.IntN(len(paths)-1)], 1001)
			a.AddAny(behind)
			a.Finish(same)
			record = append(slices.Clip(record), behind)
		case 2:
			a.Reset()
			fallthrough
		default:
			a.ReadList(record, nil)
		}
		b.ReadList(record, nil)
		if got, want := lineOf(a), lineOf(b); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		for _, key := range paths {
			v, ok := a.Get(table.ID(key))
			want, wantOK := firstOf(record, key)
			if key == otelline.KeyUID {
				wantOK = false // said of the record itself only
			}
			if ok != wantOK || ok && a.Any(v) != want {
				t.Fatalf("%s: got %v, %v, want %v, %v, of\n%v", key, a.Any(v), ok, want, wantOK, record)
			}
			if ok {
				found[key]++
			}
		}
	}
	for _, key := range paths {
		if found[key] == 0 && key != otelline.KeyUID {
			t.Errorf("%s was never there", key)
		}
	}
}
