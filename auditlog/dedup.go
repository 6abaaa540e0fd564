package auditlog

import (
	"bytes"
	"hash/maphash"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// A call of a model may stand in a log twice: as the event that a span
// processor made of its span and as the log record of an instrumentation, or as
// two log records for one response. deduper finds the pairs among the events
// with usage, in the order of the log, and takes one of each pair out of sums.
//
// It counts as one call
//
//   - an event made of a span and one that was not, with the same response or
//     request id,
//   - an event made of a span and one that was not, with the same span id, when
//     there is exactly one of each,
//   - the two records that Gemini CLI emits for a response. They have no id in
//     common, but the same session, event.timestamp and tokens: both are made of
//     one object.
//
// Pairs are looked for among the last dedupWindow events with usage: calls end
// as their records are emitted, and memory has to end somewhere.
type deduper struct {
	replace func(a, b, merged *call)

	window []*call // a ring, oldest at next once it is full
	next   int
	byID   map[idKey]*call // of calls without a partner
	bySpan map[uint64]*spanCalls
}

const dedupWindow = 4096

// callKind is what an event with usage was made from.
type callKind uint8

const (
	callLog     callKind = iota // a log record
	callSpan                    // a span
	callGemini                  // Gemini CLI's own record of a response
	callGeminiG                 // its record of the same by the GenAI conventions, or anybody's
)

// partners returns the kinds of which a call of kind k may be the other half.
func (k callKind) partners() []callKind {
	switch k {
	case callLog:
		return []callKind{callSpan}
	case callSpan:
		return []callKind{callLog, callGemini, callGeminiG}
	case callGemini:
		return []callKind{callGeminiG, callSpan}
	default:
		return []callKind{callGemini, callSpan}
	}
}

// call is an event with usage.
type call struct {
	amounts
	kind callKind
	// ids are hashes of its response and request id, and of what Gemini CLI's
	// two records have in common; 0: none.
	ids    [3]uint64
	span   uint64 // hash of its span id, 0: none
	group  string // key of its group
	paired bool
	// indexed tells that it is among the calls of its span.
	indexed bool
}

type idKey struct {
	kind callKind
	id   uint64
}

// spanCalls are the calls with one span id that have no partner by another id,
// as long as one of them is in the window.
type spanCalls struct {
	made, logged   *call // the last ones
	nMade, nLogged int
	inWindow       int
}

// callKeys are what tells calls apart, in the order of the constants below.
var callKeys = jsonline.NewKeys(keySpanID, keySpanMade,
	keyEventTimestamp, "gen_ai.response.id", "ai.response.id", "response_id", "request_id", "gen_ai.request.id")

const (
	callSpanID = iota
	callSpanMade
	callTimestamp
	callFirstResponseID
	callFirstRequestID = callFirstResponseID + 3
	callKeyCount       = callFirstRequestID + 2
)

const (
	// keySpanMade is the attribute that an event made of a span has.
	keySpanMade       = "otelaudit.span.name"
	keyEventTimestamp = "event.timestamp"
)

// The two events that Gemini CLI emits for one response.
const (
	eventGeminiResponse = "gemini_cli.api_response"
	eventGenAIDetails   = "gen_ai.client.inference.operation.details"
)

var idSeed = maphash.MakeSeed()

// callOf returns the call that an event is, nil if it has no usage.
func callOf(raw []byte, f *fields, a amounts, values [][]byte) *call {
	if !a.priced && !a.unpriced || callKeys.Scan(raw, values) != nil {
		return nil
	}
	c := &call{amounts: a}
	switch {
	case values[callSpanMade] != nil:
		c.kind = callSpan
	case isString(f[fieldEvent], eventGeminiResponse):
		c.kind = callGemini
	case isString(f[fieldEvent], eventGenAIDetails):
		c.kind = callGeminiG
	}
	if c.kind == callGemini || c.kind == callGeminiG {
		c.ids[2] = hashAll(values[callTimestamp], f[fieldSession], f[fieldInput], f[fieldOutput])
	}
	c.span = hashID(values[callSpanID])
	for i := callFirstResponseID; i < callKeyCount; i++ {
		which := 0
		if i >= callFirstRequestID {
			which = 1
		}
		if c.ids[which] == 0 {
			c.ids[which] = hashID(values[i])
		}
	}
	return c
}

// hashID hashes a raw string that is not empty; of anything else it is 0.
func hashID(lit []byte) uint64 {
	if jsonline.KindOf(lit) != jsonline.String || len(lit) <= 2 {
		return 0
	}
	if bytes.IndexByte(lit, '\\') >= 0 {
		lit = jsonline.AppendString(nil, jsonline.Unquote(lit))
	}
	return max(maphash.Bytes(idSeed, lit), 1)
}

// hashAll hashes raw values; if one is not there, it is 0.
func hashAll(values ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(idSeed)
	for _, v := range values {
		if v == nil {
			return 0
		}
		h.Write(v)     //nolint:errcheck,gosec // it never fails
		h.WriteByte(0) //nolint:errcheck,gosec // it never fails
	}
	return max(h.Sum64(), 1)
}

func newDeduper(replace func(a, b, merged *call)) *deduper {
	return &deduper{replace: replace, byID: make(map[idKey]*call), bySpan: make(map[uint64]*spanCalls)}
}

// add takes the next call of the log.
func (d *deduper) add(c *call) {
	if len(d.window) < dedupWindow {
		d.window = append(d.window, c)
	} else {
		d.leave(d.window[d.next])
		d.window[d.next] = c
		d.next = (d.next + 1) % dedupWindow
	}
	if other := d.partner(c); other != nil {
		d.pair(other, c)
		return
	}
	for _, id := range c.ids {
		if id != 0 {
			d.byID[idKey{c.kind, id}] = c
		}
	}
	if c.span == 0 {
		return
	}
	s := d.bySpan[c.span]
	if s == nil {
		s = new(spanCalls)
		d.bySpan[c.span] = s
	}
	s.inWindow++
	c.indexed = true
	if c.kind == callSpan {
		s.made = c
		s.nMade++
	} else {
		s.logged = c
		s.nLogged++
	}
}

// partner returns the call in the window that has an id in common with c.
func (d *deduper) partner(c *call) *call {
	for _, kind := range c.kind.partners() {
		for _, id := range c.ids {
			if other := d.byID[idKey{kind, id}]; id != 0 && other != nil {
				return other
			}
		}
	}
	return nil
}

// pair counts a and b as one call: the one that has a price, else the log
// record, with what only the other one knows.
func (d *deduper) pair(a, b *call) {
	kept, other := a, b
	if b.priced && !a.priced || a.priced == b.priced && a.kind == callSpan {
		kept, other = b, a
	}
	merged := *kept
	if merged.input == 0 {
		merged.input = other.input
	}
	if merged.output == 0 {
		merged.output = other.output
	}
	a.paired, b.paired = true, true
	d.forget(a)
	d.forget(b)
	d.replace(a, b, &merged)
}

// leave takes the oldest call out of the window. It is the last chance for its
// span id to find a pair.
func (d *deduper) leave(c *call) {
	if !c.paired && c.span != 0 {
		if s := d.bySpan[c.span]; s.nMade == 1 && s.nLogged == 1 && !s.made.paired && !s.logged.paired {
			d.pair(s.made, s.logged)
			return
		}
	}
	d.forget(c)
}

// forget takes a call out of the indexes.
func (d *deduper) forget(c *call) {
	for _, id := range c.ids {
		if key := (idKey{c.kind, id}); d.byID[key] == c {
			delete(d.byID, key)
		}
	}
	s := d.bySpan[c.span]
	if s == nil || !c.indexed {
		return
	}
	c.indexed = false
	if c.paired { // it is the call of another one
		if c.kind == callSpan {
			s.nMade--
		} else {
			s.nLogged--
		}
	}
	if s.inWindow--; s.inWindow == 0 {
		delete(d.bySpan, c.span)
	}
}

// end tells that there are no more calls.
func (d *deduper) end() {
	for i := range d.window {
		d.leave(d.window[(d.next+i)%len(d.window)])
	}
}

// callPart is a part of a scan for calls.
type callPart struct {
	*matcher
	key    func(dst []byte, f *fields) []byte // nil for no groups
	calls  []*call
	text   []byte
	values [callKeyCount][]byte
}

func (p *callPart) event(s *fileScan) {
	if !p.matches(&s.fields) {
		return
	}
	c := callOf(s.Raw, &s.fields, amountsOf(&s.fields), p.values[:])
	if c == nil {
		return
	}
	if p.key != nil {
		p.text = p.key(p.text[:0], &s.fields)
		c.group = string(p.text)
	}
	p.calls = append(p.calls, c)
}

func (p *callPart) damaged(*DamageError) {} // told of by the first scan

func (p *callPart) full() bool { return len(p.calls) >= maxMatches }
