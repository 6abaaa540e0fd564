package spend

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// deduper counts a call of a model once that is logged more than once. It takes the events
// of a log in order.
//
// A repeated line is one event: see [scan.Identity]. Events are one call if they have
//
//   - the same response id in one trace, or a call_id made of that, or of the same span;
//   - the same response id, and one of them has no trace; the same model and equal tokens, or
//     one of them without;
//   - the same request id and equal tokens, and neither two traces nor two response ids;
//   - the same span id and equal tokens, if exactly one of the events of that span was made
//     of it, and exactly one was not;
//   - the same otel.same, and one was made of a span and the other was not;
//   - or if one was made of the parent of the span of the other: the same model, and equal
//     tokens or one of them without. A parent is one call with one of its children at most;
//   - or if they are the two records that versions of Gemini CLI before call_id emit for a
//     response. They have the same session, event.timestamp and tokens: both are made of one
//     object.
//
// Response and request ids are found in maps too. A gateway may answer two requests with one
// response id, and an app may have one request id for two calls. So, by these ids, a call
// has one event at most of each teller: of the spans of a scope, and of the logs of a scope.
//
// It searches the last dedupWindow calls: calls end as their records are emitted, and
// memory needs a bound. Most logs have no such pair. So the window has no index before the
// first event that can be one of a pair.
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
	parted  []*callPair // by the present call of add
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

// mayJoin reports whether events of t and of other may be one call by otel.same or by what
// Gemini CLI's records have in common: a span and log records of one source.
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

// call is an event that is a call, or several events of one call.
type call struct {
	scan.Amounts
	by sources
	// ids are hashes that identify the call, 0: none.
	ids   [idKinds]uint64
	trace uint64 // hash, 0: none
	model uint64 // hash, 0: none
	// span and parent are hashes of the span id and of that of the parent of the span that
	// the event was made of, with the trace. 0: none.
	span, parent uint64
	// tellers are hashes, one for each kind and scope that an event of the call has.
	tellers []uint64
	// hasParent and hasChild say that the event is one call with that of the parent of its
	// span, or with that of a child.
	hasParent, hasChild bool
	// defaultSession says that the session of group and tag is a default.
	defaultSession bool
	session        string // the raw session, if it was completed
	group          string // key of its group
	tag            any    // of a Tally
	slot           int64  // of its time, in a Running
	// identity is scan.Identity. An event that is no call and has one is a call here too,
	// with no sources.
	identity uint64
	// joined is the call of which this one is a part.
	joined *call
	// pair is the pair that this call counts in until another event comes.
	pair *callPair
}

// The kinds of ids, in the order in which they are searched.
const (
	idCall     = iota // call_id, if it is made of a trace
	idInTrace         // a response id and a trace
	idSame            // otel.same
	idResponse        // a response id
	idRequest
	idGemini // the values that Gemini CLI's two records have in common
	idSpan   // a span id and a trace
	idBelow  // the id of the parent span and a trace
	idKinds
)

// maxTellers bounds call.tellers. A call with so many is joined by no further id.
const maxTellers = 16

// spanCalls counts the events of one span id while one of them is in the window.
type spanCalls struct {
	made, logged int
	inWindow     int
}

// callPair are two calls of one span id that count as one while no other event has that
// id, and none of them is joined with another call.
type callPair struct {
	kept, other, merged *call

	event *call // one of the two events
}

// idsInMaps are the ids that a logger with groups writes into maps.
var idsInMaps = [...]struct {
	kind int
	of   int    // index of the map in scan.Fields
	path string // names that lead to the id in it, joined with dots
}{
	{idResponse, scan.FieldGenAI, "response.id"},
	{idResponse, scan.FieldGenAIResponse, "id"},
	{idResponse, scan.FieldAI, "response.id"},
	{idResponse, scan.FieldAIResponse, "id"},
	{idRequest, scan.FieldGenAI, "request.id"},
	{idRequest, scan.FieldGenAIRequest, "id"},
}

// The two events that Gemini CLI emits for one response.
const (
	eventGeminiResponse = "gemini_cli.api_response"
	eventGenAIDetails   = "gen_ai.client.inference.operation.details"
)

// callOf returns the call of an event, nil if the event is none.
func callOf(f *scan.Fields, a scan.Amounts) *call {
	if !a.Call {
		return nil
	}
	c := &call{Amounts: a, by: byLog, trace: scan.HashString(f[scan.FieldTraceID]), model: scan.HashString(f[scan.FieldModel])}
	envelope := f.Envelope()
	c.defaultSession, c.session = envelope.DefaultSession, string(f[scan.FieldCompleted])
	switch {
	case f[scan.FieldSpanMade] != nil:
		c.by = bySpan
	case envelope.CallID: // the emitter's data says what its records have in common
	case scan.IsString(f[scan.FieldEvent], eventGeminiResponse):
		c.by = byGemini
	case scan.IsString(f[scan.FieldEvent], eventGenAIDetails):
		c.by = byConventions
	}
	responseAndRequestIDs(f, &c.ids)
	if c.ids[idResponse]|c.ids[idRequest] != 0 {
		c.tellers = []uint64{scan.Mix(scan.HashString(envelope.Scope), uint64(c.by&bySpan))}
	}
	if c.trace != 0 {
		c.ids[idInTrace] = hashAll(c.trace, c.ids[idResponse])
		if envelope.CallID && madeOf(f[scan.FieldCallID], f[scan.FieldTraceID]) {
			c.ids[idCall] = hashAll(c.trace, scan.HashString(f[scan.FieldCallID]))
		}
	}
	c.ids[idSame] = scan.HashString(envelope.Same)
	c.span, c.parent = f.SpanKey(), f.ParentKey()
	c.ids[idSpan], c.ids[idBelow] = c.span, c.parent
	if c.span == 0 {
		c.ids[idSpan] = scan.HashString(f[scan.FieldSpanID]) // without a trace
	}
	if c.by&(byGemini|byConventions) != 0 {
		c.ids[idGemini] = hashAll(scan.HashString(f[scan.FieldTimestamp]), scan.HashString(f[scan.FieldSession]), hashCount(f[scan.FieldInput]), hashCount(f[scan.FieldOutput]))
	}
	for kind := range c.ids {
		c.ids[kind] = idOf(kind, c.ids[kind])
	}
	return c
}

// responseAndRequestIDs sets the ids of the response and of the request.
func responseAndRequestIDs(f *scan.Fields, ids *[idKinds]uint64) {
	for i := scan.FieldResponseID; i < scan.FieldGenAI; i++ {
		kind := idResponse
		if i >= scan.FieldRequestID {
			kind = idRequest
		}
		if ids[kind] == 0 && f[i] != nil {
			ids[kind] = scan.HashString(f[i])
		}
	}
	for _, in := range &idsInMaps {
		if ids[in.kind] == 0 && f[in.of] != nil {
			ids[in.kind] = scan.HashString(memberAt(f[in.of], in.path))
		}
	}
}

// idOf returns the id of a kind for a hash, so that hashes of two kinds do not meet.
func idOf(kind int, hash uint64) uint64 {
	if hash == 0 {
		return 0
	}
	return max(scan.Mix(hash, uint64(kind)+1), 1) //nolint:gosec // not negative
}

// madeOf reports whether a raw call_id begins with the last 16 digits of a raw trace id. One
// that does not is the log.record.uid of its line, which scan.Identity is about.
func madeOf(callID, trace []byte) bool {
	const digits = 16
	if len(trace) < digits+2 || len(callID) < digits+3 {
		return false
	}
	last := trace[len(trace)-1-digits : len(trace)-1]
	return bytes.HasPrefix(callID[1:], last) && bytes.IndexByte([]byte("/-"), callID[1+digits]) >= 0
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
		if c.by&(bySpan|byGemini) == 0 && c.ids[idInTrace]|c.ids[idCall]|c.ids[idResponse]|c.ids[idRequest] == 0 {
			return
		}
		d.indexed = true
		for i := range len(d.window) - 1 {
			d.index(d.window[(d.next+i)%len(d.window)])
		}
	}
	if d.restore != nil && c.ids[idSpan] != 0 {
		for _, other := range d.byID[c.ids[idSpan]] {
			d.part(other.whole())
		}
	}
	for kind := idCall; kind <= idGemini; kind++ {
		if other := d.find(kind, c); other != nil {
			d.join(other, c.whole())
		}
	}
	d.joinFamily(c, false)
	d.index(c)
	d.pair(c)
	for _, p := range d.parted {
		d.pair(p.event)
	}
	d.parted = d.parted[:0]
}

// pair counts c and the other call of its span id as one until a third event comes.
func (d *deduper) pair(c *call) {
	s := d.bySpan[c.ids[idSpan]]
	if d.restore == nil || s == nil {
		return
	}
	whole := c.whole()
	if other := d.ofSpan(s, c); other != nil && whole.pair == nil && other.pair == nil {
		p := &callPair{event: c}
		p.kept, p.other, p.merged = merge(other, whole)
		other.pair, whole.pair = p, p
		d.replace(p.kept, p.other, p.merged)
	}
}

// part undoes pair.
func (d *deduper) part(c *call) {
	if p := c.pair; p != nil {
		d.restore(p.kept, p.other, p.merged)
		p.kept.pair, p.other.pair = nil, nil
		d.parted = append(d.parted, p)
	}
}

// ofSpan returns another call that c is an event of by its span id, nil if there is none.
func (d *deduper) ofSpan(s *spanCalls, c *call) *call {
	if s.made != 1 || s.logged != 1 {
		return nil
	}
	whole := c.whole()
	for _, other := range d.byID[c.ids[idSpan]] {
		other = other.whole()
		oneOfEach := whole.by == bySpan && other.by&bySpan == 0 || other.by == bySpan && whole.by&bySpan == 0
		if oneOfEach && equalTokens(other, whole) {
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

// find returns another call that c is an event of by an id of a kind: one of the same span
// if there is a choice, else the earliest.
func (d *deduper) find(kind int, c *call) (found *call) {
	if c.ids[kind] == 0 {
		return nil
	}
	whole := c.whole()
	for _, other := range d.byID[c.ids[kind]] {
		if other = other.whole(); other == whole || !mayBeOne(kind, other, whole) {
			continue
		}
		if kind <= idInTrace || c.ids[idSpan] != 0 && other.ids[idSpan] == c.ids[idSpan] {
			return other
		}
		if found == nil {
			found = other
		}
	}
	return found
}

// mayBeOne reports whether two calls with the same id of a kind are one.
func mayBeOne(kind int, a, b *call) bool {
	switch kind {
	case idCall, idInTrace:
		return true
	case idResponse:
		return (a.trace == 0 || b.trace == 0) && agree(a.model, b.model) && tokensAgree(a, b) && a.toldByOthers(b)
	case idRequest:
		return agree(a.trace, b.trace) && agree(a.ids[idResponse], b.ids[idResponse]) && a.Tokens && equalTokens(a, b) && a.toldByOthers(b)
	default:
		return a.by.mayJoin(b.by)
	}
}

// toldByOthers reports whether no teller of a is one of b.
func (c *call) toldByOthers(other *call) bool {
	if len(c.tellers)+len(other.tellers) > maxTellers {
		return false
	}
	for _, teller := range c.tellers {
		if slices.Contains(other.tellers, teller) {
			return false
		}
	}
	return true
}

// equalTokens reports whether both report equal numbers of tokens, or none.
func equalTokens(a, b *call) bool {
	return a.Tokens == b.Tokens && a.Input == b.Input && a.Output == b.Output
}

// tokensAgree reports whether tokens are equal, or one of the two has none.
func tokensAgree(a, b *call) bool { return !a.Tokens || !b.Tokens || equalTokens(a, b) }

// agree reports whether two hashes are equal, or one of them is 0.
func agree(a, b uint64) bool { return a == 0 || b == 0 || a == b }

// joinFamily joins c, which was made of a span, with the calls that were made of its parent
// and of one of its children. A call with equal tokens goes before one without: so those
// without are joined last, when one of the two leaves the window.
func (d *deduper) joinFamily(c *call, last bool) {
	if c.by != bySpan || c.model == 0 {
		return
	}
	are := func(parent, child *call) bool {
		return parent != child && parent.by == bySpan && child.by == bySpan && !parent.hasChild && !child.hasParent &&
			parent.model == child.model && (equalTokens(parent, child) || last && tokensAgree(parent, child))
	}
	unite := func(parent, child *call) {
		parent.hasChild, child.hasParent = true, true
		if a, b := parent.whole(), child.whole(); a != b {
			d.join(a, b)
		}
	}
	if c.parent != 0 {
		for _, parent := range d.byID[idOf(idSpan, c.parent)] {
			if are(parent, c) {
				unite(parent, c)
				break
			}
		}
	}
	if c.span != 0 {
		for _, child := range d.byID[idOf(idBelow, c.span)] {
			if are(c, child) {
				unite(c, child)
				break
			}
		}
	}
}

// whole returns the call that c is a part of, or c.
func (c *call) whole() *call {
	for c.joined != nil {
		c = c.joined
	}
	return c
}

// join counts two calls as one. Neither is a part of another one.
func (d *deduper) join(a, b *call) {
	d.part(a)
	d.part(b)
	kept, other, merged := merge(a, b)
	a.joined, b.joined = merged, merged
	d.replace(kept, other, merged)
}

// merge returns the call of a and b, of which b has the later event: the values of the one
// with a price, else of the log record, and those that only the other one has.
func merge(a, b *call) (kept, other, merged *call) {
	kept, other = a, b
	if b.Priced && !a.Priced || a.Priced == b.Priced && a.by == bySpan && b.by != bySpan {
		kept, other = b, a
	}
	merged = new(*kept)
	merged.by, merged.pair = a.by|b.by, nil
	if !merged.Tokens {
		merged.Input, merged.Output, merged.Tokens = other.Input, other.Output, other.Tokens
	}
	for _, part := range [...]struct {
		kept  *int64
		other int64
	}{
		{&merged.Parts.CacheRead, other.Parts.CacheRead}, {&merged.Parts.CacheWrite, other.Parts.CacheWrite},
		{&merged.Parts.CacheWriteHour, other.Parts.CacheWriteHour}, {&merged.Parts.Reasoning, other.Parts.Reasoning},
	} {
		if *part.kept == 0 {
			*part.kept = part.other
		}
	}
	merged.Failed = fails(a, b) || fails(b, a)
	merged.SetUnpriced()
	for i, id := range merged.ids {
		if id == 0 {
			merged.ids[i] = other.ids[i]
		}
	}
	merged.trace, merged.model = cmp.Or(kept.trace, other.trace), cmp.Or(kept.model, other.model)
	merged.tellers = slices.Clip(kept.tellers)
	for _, teller := range other.tellers {
		if len(merged.tellers) < maxTellers && !slices.Contains(merged.tellers, teller) {
			merged.tellers = append(merged.tellers, teller)
		}
	}
	if kept.defaultSession && !other.defaultSession {
		merged.defaultSession, merged.session = false, other.session
	}
	return kept, other, merged
}

// fails reports whether a failed, and b does not say that the call succeeded after it.
func fails(a, b *call) bool { return a.Failed && (b.Failed || a.Output > 0 || b.Output == 0) }

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
// its span id, and for its parent and child.
func (d *deduper) leave(c *call) {
	span := c.ids[idSpan]
	if s := d.bySpan[span]; s != nil {
		if other := d.ofSpan(s, c); other != nil {
			d.join(other, c.whole())
		}
		if s.inWindow--; s.inWindow == 0 {
			delete(d.bySpan, span)
		}
	}
	d.joinFamily(c, true)
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
	key     groupKey // nil for no groups
	repeats bool     // it also collects events with an identity

	calls []*call
	text  []byte
}

func (p *callPart) Event(s *scan.Scanner) {
	if matches, _ := p.Matcher.Matches(&s.Fields); !matches { // the first scan counted those without a time
		return
	}
	a := scan.AmountsOf(&s.Fields)
	if a.SpanRecord {
		return
	}
	c := callOf(&s.Fields, a)
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
