package otelline

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"

	"go.opentelemetry.io/otel/attribute"
)

// Two keys whose hashes of 64 bits are equal cannot be had from a seeded hash,
// so these tests put the key that came first where the hash of another leads.

func TestAKeyIsNotAnotherOneWithTheSameHash(t *testing.T) {
	read := func(a *Attributes) string {
		a.ReadList([]attribute.KeyValue{attribute.Int64("other", 7)}, nil)
		l := Line{Attributes: a, Event: "e", Time: time.Unix(0, 0)}
		return string(l.Append(nil, new(Record)))
	}
	table := NewKeyTable()
	hash := table.hash("other")
	want := read(NewAttributes(table))
	for name, at := range map[string]func(*knownKeys) *knownKey{
		"in its slot":                 func(k *knownKeys) *knownKey { return k.slot(hash) },
		"where it would be driven to": func(k *knownKeys) *knownKey { return k.other(hash) },
	} {
		a := NewAttributes(table)
		*at(a.keys) = knownKey{hash, []byte(fieldKeys[InputTokens]), table.ID(fieldKeys[InputTokens])}
		if got := read(a); got != want || a.Has(KeyID(InputTokens)) {
			t.Errorf("with %s %s of the same hash: got %s, want %s", fieldKeys[InputTokens], name, got, want)
		}
	}
}

func TestATableTellsKeysOfTheSameHashApart(t *testing.T) {
	table := NewKeyTable("mine")
	hash := table.hash("other")
	i := table.start(hash)
	for table.slots[i].used {
		i = (i + 1) & (len(table.slots) - 1)
	}
	table.slots[i] = tableSlot{hash, table.ID("mine"), true}
	if got := table.ID("other"); got != NoKey {
		t.Errorf("got the number %d of mine for another key of the same hash, want none", got)
	}
}

// heapString returns a string of its own memory, and what tells when that was
// let go of.
func heapString(text string) (string, weak.Pointer[byte]) {
	b := []byte(strings.Repeat(text, 100))
	return unsafe.String(&b[0], len(b)), weak.Make(&b[0]) //nolint:gosec // nobody writes to b
}

func TestResetLetsGoOfKeysAndValues(t *testing.T) {
	a := NewAttributes(NewKeyTable())
	held := map[string]weak.Pointer[byte]{}
	func() {
		var list []attribute.KeyValue
		add := func(name string, value attribute.Value) {
			key, is := heapString(name)
			held["the key of "+name] = is
			list = append(list, attribute.KeyValue{Key: attribute.Key(key), Value: value})
		}
		text, is := heapString("text")
		held["a string"] = is
		add("first", attribute.StringValue(text))
		inner, is := heapString("inner")
		held["a string in a map"] = is
		add("second", attribute.MapValue(attribute.String("deep", inner)))
		a.ReadList(list, nil)
		a.ReadList(list[:1], nil) // which leaves the second one behind what is read
	}()
	a.Reset()
	runtime.GC()
	for what, is := range held {
		if is.Value() != nil {
			t.Errorf("%s is still held", what)
		}
	}
	runtime.KeepAlive(a)
}

// TestNothingIsKnownOfTheKeysBeforeAReset reads a key that is what cleared
// memory holds.
func TestNothingIsKnownOfTheKeysBeforeAReset(t *testing.T) {
	a := NewAttributes(NewKeyTable())
	a.ReadList([]attribute.KeyValue{attribute.Int64(fieldKeys[InputTokens], 7)}, nil)
	a.Reset()
	a.ReadList([]attribute.KeyValue{attribute.Int64("", 7)}, nil)
	if a.Has(KeyID(InputTokens)) || a.Owns(InputTokens) {
		t.Error("a record without the key input_t has it after Reset")
	}
}

// TestResetLetsGoOfTheMemoryOfAHugeRecord, and what was known of its keys.
func TestResetLetsGoOfTheMemoryOfAHugeRecord(t *testing.T) {
	a := NewAttributes(NewKeyTable())
	few := []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("a", 3)}
	line := func() string {
		a.ReadList(few, nil)
		l := Line{Attributes: a, Event: "e", Time: time.Unix(0, 0)}
		return string(l.Append(nil, new(Record)))
	}
	want := line()
	var list []attribute.KeyValue
	for range 10_000 {
		list = append(list, attribute.Slice("k", attribute.IntValue(1)))
	}
	a.ReadList(list, nil)
	if got := line(); got != want { // these keys are what is kept over the Reset
		t.Fatalf("got %s, want %s", got, want)
	}
	a.Reset()
	if sum := cap(a.list) + cap(a.others) + cap(a.places) + cap(a.repeated) + cap(a.indexed); sum > 5*maxKeptAttributes {
		t.Errorf("memory for %d attributes is kept", sum)
	}
	if got := line(); got != want {
		t.Errorf("after Reset: got %s, want %s", got, want)
	}
}
