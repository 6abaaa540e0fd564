package spend

import (
	"encoding/binary"
	"hash/maphash"
	"strings"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// deduper counts a call of a model once that is logged more than once. It takes the events
// of a log in order.
//
// A repeated line is one event: see [scan.Identity]. Events count as one call that are
//
//   - an event made of a span and one that was not, with the same response
//     id; or with the same request id or span id and the same tokens, since an
//     app may use those for more than one call; response and request ids are
//     found in maps too,
//   - of one span id only if there is exactly one of each,
//   - the two records that Gemini CLI emits for a response. They have no id in
//     common, but the same session, event.timestamp and tokens: both are made of
//     one object.
//
// It searches the last dedupWindow events with usage: calls end as
// their records are emitted, and memory needs a bound. Most logs have no such pair. So
// the window has no index before the first event that can be one of a pair.
type deduper struct {
	// replace counts merged in place of kept and other, and completes its group: merged
	// has the values of kept, and those that only other has.
	replace func(kept, other, merged *call)
	// restore undoes replace. If it is not nil, replace is called for a pair of one span
	// id when its second event comes, and restore if a third one shows that the two are
	// no pair: the sums are right before the end of the log, too.
	restore func(kept, other, merged *call)

	seen    recentIDs
	indexed bool    // byID and bySpan hold the window
	window  []*call // a ring, oldest at next once it is full
	next    int
	byID    map[uint64][]*call
	bySpan  map[uint64]*spanCalls
}

const dedupWindow = 4096

// sources are the records that an event was made of: one bit for an event, more for a
// call that was joined.
type sources uint8

const (
	byLog         sources = 1 << iota // a log record
	bySpan                            // a span
	byGemini                          // Gemini CLI's own record of a response
	byConventions                     // a record of a response by the GenAI conventions
)

// mayJoin reports whether events of t and of other may be of one call: a span and log
// records of one source.
func (t sources) mayJoin(other sources) bool {
	if t&other != 0 {
		return false
	}
	switch logged := (t | other) &^ bySpan; logged {
	case byLog, byGemini, byConventions:
		return true // with a span
	default:
		return logged == byGemini|byConventions
	}
}

// call is an event with usage, or several events of one call.
type call struct {
	scan.Amounts
	by sources
	// ids are hashes that identify the call, 0: none.
	ids   [idKinds]uint64
	group string // key of its group
	tag   any    // of a Tally
	slot  int64  // of its time, in a Running
	// identity is scan.Identity. An event without usage that has one is a call here
	// too, with no sources.
	identity uint64
	// joined is the call of which this one is a part.
	joined *call
}

const (
	idResponse = iota
	idRequest
	idSpan
	idGemini // the values that Gemini CLI's two records have in common
	idKinds
)

// spanCalls counts the events of one span id while one of them is in the window.
type spanCalls struct {
	made, logged int
	inWindow     int
	pair         *callPair // counted as one until a third event comes
}

// callPair are two calls of one span id that count as one while no other event has that
// id.
type callPair struct{ kept, other, merged *call }

// callKeys are the keys that identify calls, in the order of the constants below.
var callKeys = jsonline.NewKeys("span_id", scan.KeySpanMade, "event.timestamp",
	"gen_ai.response.id", "ai.response.id", "response_id", "request_id", "gen_ai.request.id",
	"gen_ai", "gen_ai.response", "gen_ai.request", "ai", "ai.response")

const (
	callSpanID = iota
	callSpanMade
	callTimestamp
	callFirstResponseID
	callFirstRequestID = callFirstResponseID + 3
	callBehindIDs      = callFirstRequestID + 2
)

// Maps that may hold an id. They follow the ids.
const (
	callGenAI = callBehindIDs + iota
	callGenAIResponse
	callGenAIRequest
	callAI
	callAIResponse
	callKeyCount
)

// idsInMaps are the ids that a logger with groups writes into maps.
var idsInMaps = [...]struct {
	kind int
	of   int    // index of the map in callKeys
	path string // names that lead to the id in it, joined with dots
}{
	{idResponse, callGenAI, "response.id"},
	{idResponse, callGenAIResponse, "id"},
	{idResponse, callAI, "response.id"},
	{idResponse, callAIResponse, "id"},
	{idRequest, callGenAI, "request.id"},
	{idRequest, callGenAIRequest, "id"},
}

// The two events that Gemini CLI emits for one response.
const (
	eventGeminiResponse = "gemini_cli.api_response"
	eventGenAIDetails   = "gen_ai.client.inference.operation.details"
)

// callOf returns the call of an event, nil if the event has no usage.
func callOf(raw []byte, f *scan.Fields, a scan.Amounts, values [][]byte) *call {
	if !a.Priced && !a.Unpriced || callKeys.Scan(raw, values) != nil {
		return nil
	}
	c := &call{Amounts: a, by: byLog}
	switch {
	case values[callSpanMade] != nil:
		c.by = bySpan
	case scan.IsString(f[scan.FieldEvent], eventGeminiResponse):
		c.by = byGemini
	case scan.IsString(f[scan.FieldEvent], eventGenAIDetails):
		c.by = byConventions
	}
	for i := callFirstResponseID; i < callBehindIDs; i++ {
		kind := idResponse
		if i >= callFirstRequestID {
			kind = idRequest
		}
		if c.ids[kind] == 0 {
			c.ids[kind] = scan.HashString(values[i])
		}
	}
	for _, in := range &idsInMaps {
		if c.ids[in.kind] == 0 && values[in.of] != nil {
			c.ids[in.kind] = scan.HashString(memberAt(values[in.of], in.path))
		}
	}
	c.ids[idSpan] = scan.HashString(values[callSpanID])
	if c.by&(byGemini|byConventions) != 0 {
		c.ids[idGemini] = hashAll(scan.HashString(values[callTimestamp]), scan.HashString(f[scan.FieldSession]), hashCount(f[scan.FieldInput]), hashCount(f[scan.FieldOutput]))
	}
	return c
}

// identified returns c, which may be nil, with the identity of its event.
func identified(c *call, identity uint64, a scan.Amounts) *call {
	if c == nil && identity != 0 {
		c = &call{Amounts: a}
	}
	if c != nil {
		c.identity = identity
	}
	return c
}

// memberAt returns the member of a raw value that path leads to, nil if there is none.
// path is the names on the way, joined with dots.
func memberAt(value []byte, path string) (found []byte) {
	err := jsonline.EachMember(value, func(lit, member []byte) bool {
		name := string(jsonline.AppendUnquoted(nil, lit))
		if name == path {
			found = member
		} else if rest, ok := strings.CutPrefix(path, name+"."); ok {
			found = memberAt(member, rest)
		}
		return found == nil
	})
	if err != nil {
		return nil // no object
	}
	return found
}

// hashCount returns a number above 0 for a number of tokens, 0 for anything else.
func hashCount(value []byte) uint64 {
	n, ok := scan.WholeValue(value, jsonline.MaxExactInt-1)
	if !ok {
		return 0
	}
	return uint64(n) + 1 //nolint:gosec // not negative
}

// hashAll hashes results of scan.HashString and hashCount; if one of them is 0, it
// returns 0.
func hashAll(parts ...uint64) uint64 {
	var text [8]byte
	var h maphash.Hash
	h.SetSeed(scan.HashSeed)
	for _, part := range parts {
		if part == 0 {
			return 0
		}
		binary.LittleEndian.PutUint64(text[:], part)
		h.Write(text[:]) //nolint:errcheck,gosec // it never fails
	}
	return max(h.Sum64(), 1)
}

func newDeduper(replace func(kept, other, merged *call)) *deduper {
	return &deduper{replace: replace, byID: make(map[uint64][]*call), bySpan: make(map[uint64]*spanCalls)}
}

// repeated reports whether c is the event of an earlier line.
func (d *deduper) repeated(c *call) bool { return c.identity != 0 && d.seen.add(c.identity) }

// add takes the next call of the log.
func (d *deduper) add(c *call) {
	if len(d.window) < dedupWindow {
		d.window = append(d.window, c)
	} else {
		if d.indexed {
			d.leave(d.window[d.next])
		}
		d.window[d.next] = c
		d.next = (d.next + 1) % dedupWindow
	}
	if !d.indexed {
		if c.by&(bySpan|byGemini) == 0 {
			return
		}
		d.indexed = true
		for i := range len(d.window) - 1 {
			d.index(d.window[(d.next+i)%len(d.window)])
		}
	}
	if s := d.bySpan[c.ids[idSpan]]; s != nil {
		d.part(s)
	}
	if other := d.find(c); other != nil {
		d.join(other, c)
	}
	d.index(c)
	d.pair(c)
}

// pair counts c and the other call of its span id as one until a third event comes.
func (d *deduper) pair(c *call) {
	if d.restore == nil {
		return
	}
	if s := d.bySpan[c.ids[idSpan]]; s != nil && s.pair == nil {
		if other := d.ofSpan(s, c); other != nil {
			var p callPair
			p.kept, p.other, p.merged = merge(other, c)
			s.pair = &p
			d.replace(p.kept, p.other, p.merged)
		}
	}
}

// part undoes pair.
func (d *deduper) part(s *spanCalls) {
	if s != nil && s.pair != nil {
		d.restore(s.pair.kept, s.pair.other, s.pair.merged)
		s.pair = nil
	}
}

// ofSpan returns the other event of the call of c by its span id, nil if there is none.
func (d *deduper) ofSpan(s *spanCalls, c *call) *call {
	if c.joined != nil || s.made != 1 || s.logged != 1 {
		return nil
	}
	for _, other := range d.byID[c.ids[idSpan]] {
		if other != c && other.joined == nil && other.by.mayJoin(c.by) && sameTokens(other, c) {
			return other
		}
	}
	return nil
}

func (s *spanCalls) count(c *call, n int) {
	if c.by&bySpan != 0 {
		s.made += n
	} else {
		s.logged += n
	}
}

// find returns the call of c by an id: one of the same span if there is a choice, else
// the earliest.
func (d *deduper) find(c *call) (found *call) {
	for _, kind := range [...]int{idResponse, idRequest, idGemini} {
		id := c.ids[kind]
		if id == 0 {
			continue
		}
		for _, other := range d.byID[id] {
			other = other.whole()
			if !other.by.mayJoin(c.by) || kind == idRequest && !sameTokens(other, c) {
				continue
			}
			if c.ids[idSpan] != 0 && other.ids[idSpan] == c.ids[idSpan] {
				return other
			}
			if found == nil {
				found = other
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// sameTokens reports whether both report tokens, and equal numbers of them.
func sameTokens(a, b *call) bool {
	return a.Tokens && b.Tokens && a.Input == b.Input && a.Output == b.Output
}

// whole returns the call that c is a part of, or c.
func (c *call) whole() *call {
	for c.joined != nil {
		c = c.joined
	}
	return c
}

// join counts a and b, of which b is an event, as one call.
func (d *deduper) join(a, b *call) {
	d.part(d.bySpan[a.ids[idSpan]])
	d.part(d.bySpan[b.ids[idSpan]])
	kept, other, merged := merge(a, b)
	a.joined, b.joined = merged, merged
	d.replace(kept, other, merged)
}

// merge returns the call of a and b, of which b is an event: the values of the one with a
// price, else of the log record, and those that only the other one has.
func merge(a, b *call) (kept, other, merged *call) {
	kept, other = a, b
	if b.Priced && !a.Priced || a.Priced == b.Priced && a.by == bySpan {
		kept, other = b, a
	}
	merged = new(*kept)
	merged.by = a.by | b.by
	if !merged.Tokens {
		merged.Input, merged.Output, merged.Tokens = other.Input, other.Output, other.Tokens
		merged.Unpriced = merged.Tokens && !merged.Priced
	}
	for i, id := range merged.ids {
		if id == 0 {
			merged.ids[i] = other.ids[i]
		}
	}
	return kept, other, merged
}

// index makes c known by its ids.
func (d *deduper) index(c *call) {
	for _, id := range c.ids {
		if id != 0 {
			d.byID[id] = append(d.byID[id], c)
		}
	}
	if span := c.ids[idSpan]; span != 0 {
		s := d.bySpan[span]
		if s == nil {
			s = new(spanCalls)
			d.bySpan[span] = s
		}
		s.inWindow++
		s.count(c, 1)
	}
}

// leave removes the oldest call from the window, after a last search for another event of
// its span id.
func (d *deduper) leave(c *call) {
	span := c.ids[idSpan]
	if s := d.bySpan[span]; s != nil {
		if other := d.ofSpan(s, c); other != nil {
			d.join(other, c)
		}
		if s.inWindow--; s.inWindow == 0 {
			delete(d.bySpan, span)
		}
	}
	for _, id := range c.ids {
		if id == 0 {
			continue
		}
		// Calls leave in the order in which they were added.
		if left := d.byID[id][1:]; len(left) == 0 {
			delete(d.byID, id)
		} else {
			d.byID[id] = left
		}
	}
}

// end ends the log.
func (d *deduper) end() {
	if !d.indexed {
		return
	}
	for i := range d.window {
		d.leave(d.window[(d.next+i)%len(d.window)])
	}
}

// callPart is a part of a scan for calls.
type callPart struct {
	scan.Selection
	key groupKey // nil for no groups
	// pairs and repeats select events with usage and events with an identity.
	pairs, repeats bool

	calls  []*call
	text   []byte
	values [callKeyCount][]byte
}

func (p *callPart) Event(s *scan.Scanner) {
	if matches, _ := p.Matcher.Matches(&s.Fields); !matches { // the first scan counted those without a time
		return
	}
	a := scan.AmountsOf(&s.Fields)
	var c *call
	if p.pairs {
		c = callOf(s.Raw, &s.Fields, a, p.values[:])
	}
	if p.repeats {
		c = identified(c, scan.Identity(&s.Fields, a), a)
	}
	if c == nil {
		return
	}
	if p.key != nil {
		p.text = p.key(p.text[:0], &s.Fields)
		c.group = string(p.text)
	}
	p.calls = append(p.calls, c)
}

func (p *callPart) Damaged(*scan.DamageError) {} // the first scan reported it

func (p *callPart) Full() bool { return len(p.calls) >= scan.MaxMatches }
