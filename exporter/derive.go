package exporter

import (
	"cmp"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

type value = otelline.Value

// reading is what the sources of one record are looked up in.
type reading struct {
	table *sourceTable
	attrs *otelline.Attributes
	rules *emitterRules // of its emitter, nil: of none that is known
	event string
	name  string // of a span, else the event
	json  jsonText
	plan  plan
	from  plannedSource // of the last number
	// input and output are the sources of the numbers of tokens.
	input, output plannedSource
}

// begin makes r ready for a record with attrs that comes from o.
func (r *reading) begin(o *origin, name string, log bool) {
	r.name = name
	r.json.key = otelline.NoKey
	p := &r.plan
	if shape := r.attrs.Shape(); shape != p.shape || shape == 0 || o != p.origin || log && name != p.name {
		r.rules = r.emitter(o, log)
		p.shape, p.origin, p.name = shape, o, name
		r.makePlan()
	}
}

// emitter returns the rules of the record's emitter, nil if that is not known.
func (r *reading) emitter(o *origin, log bool) *emitterRules {
	t := r.table
	if rules := t.first.find(r.attrs); rules != nil {
		return rules
	}
	if o.scope != nil {
		return o.scope
	}
	if rules := t.markers.find(r.attrs); rules != nil {
		return rules
	}
	if o.service != nil || !log {
		return o.service
	}
	return t.names.find(r.name)
}

// match returns what is said of a record of that signal, nil if nothing is.
func (r *reading) match(signal emitters.Signal) *recordRule {
	if r.rules != nil {
		if rule := r.matchIn(r.rules.records[signal]); rule != nil {
			return rule
		}
	}
	return r.matchIn(r.table.conventions.records[signal])
}

func (r *reading) matchIn(list []recordRule) *recordRule {
	for i := range list {
		if r.holds(list[i].when) {
			return &list[i]
		}
	}
	return nil
}

// holds reports whether all conditions hold.
func (r *reading) holds(list []condition) bool {
	for i := range list {
		if !r.one(&list[i]) {
			return false
		}
	}
	return true
}

// anyHolds reports whether one of the conditions holds.
func (r *reading) anyHolds(list []condition) bool {
	for i := range list {
		if r.one(&list[i]) {
			return true
		}
	}
	return false
}

func (r *reading) one(c *condition) bool {
	if c.name {
		return c.has(r.name, true)
	}
	v, there := r.attrs.Get(c.key)
	if there && v.Type() != attribute.STRING {
		return r.oneOther(c, v)
	}
	return c.has(v.AsString(), there)
}

// oneOther is one for an attribute that is no text.
func (r *reading) oneOther(c *condition, v value) bool {
	text := "\x00" // there, and no text
	switch v.Type() {
	case attribute.EMPTY:
		return c.has("", false)
	case attribute.BOOL:
		text = strconv.FormatBool(v.AsBool())
	case attribute.INT64:
		text = strconv.FormatInt(v.AsInt64(), 10)
	}
	return c.has(text, true)
}

// has reports whether one of the values is text, or is empty if nothing is there.
func (c *condition) has(text string, there bool) bool {
	for i := range c.values {
		p := &c.values[i]
		switch {
		case p.plain:
			if there && text == p.text {
				return true
			}
		case p.absent():
			if !there {
				return true
			}
		case there && p.matches(text):
			return true
		}
	}
	return false
}

// plan holds the sources that records of one shape, one origin and one name have.
type plan struct {
	shape  uint64
	origin *origin
	name   string
	has    uint32 // bits of the fields that have sources
	fields [numSources][]plannedSource
}

type plannedSource struct {
	*source

	known bool // the file of the emitter names it
}

// forget lets go of what is large.
func (p *plan) forget() {
	if p.origin != nil && len(p.origin.encoded) > maxOriginText || len(p.name) > maxBodyName {
		p.shape, p.origin, p.name = 0, nil, ""
	}
}

func (r *reading) makePlan() {
	p := &r.plan
	p.has = 0
	for f := range numSources {
		list := p.fields[f][:0]
		list = r.appendPresent(list, &r.table.own[f], false)
		if r.rules != nil {
			list = r.appendPresent(list, &r.rules.fields[f], true)
		}
		list = r.appendPresent(list, &r.table.conventions.fields[f], false)
		p.fields[f] = list
		if len(list) > 0 {
			p.has |= 1 << f
		}
	}
}

// sources returns the sources of f that the record has, in the order in which they
// are tried.
func (r *reading) sources(f otelline.Field) []plannedSource { return r.plan.fields[f] }

func (r *reading) appendPresent(list []plannedSource, from *fieldSources, known bool) []plannedSource {
	if len(from.mask) == 0 || !r.attrs.HasAny(from.mask) {
		return list
	}
	for i := range from.sources {
		if s := &from.sources[i]; r.attrs.Has(s.id) {
			list = append(list, plannedSource{s, known})
		}
	}
	return list
}

// derive fills in the fields that the record does not carry itself, but those of
// sums if withUsage is not set. The session that it does not name is that of its
// context, else of its origin, else of an ancestor, else a default.
func (r *reading) derive(d *otelline.Derived, o *origin, sessions sessions, withUsage bool) {
	if !r.attrs.Owns(otelline.Session) {
		d.Session = cmp.Or(r.session(), sessions.context, o.session(r.event))
		if d.Session == "" && sessions.ancestor != nil {
			d.Session = sessions.ancestor()
		}
		if d.Session == "" {
			d.Session, d.SessionDefault = sessions.other, true
		}
		d.Set(otelline.Session)
	}
	fields := r.plan.has & derivedBits
	if !withUsage {
		fields &^= usageBits
	}
	for ; fields != 0; fields &= fields - 1 {
		f := otelline.Field(bits.TrailingZeros32(fields)) //nolint:gosec // few
		if !r.attrs.Owns(f) && r.field(d, f) {
			d.Set(f)
		}
	}
	if withUsage {
		r.completeTokens(d)
	}
}

// derivedBits are those of the fields behind the session that have sources.
const derivedBits = 1<<otelline.Failed - 1<<otelline.Cost

// sessions are the sessions that a record has if it names none itself.
type sessions struct {
	context string
	// ancestor returns the session of the nearest ancestor of a span that names
	// one, "" if none is known. Nil: there is no memory of spans.
	ancestor func() string
	other    string // the default
}

// field sets f to the first source that is there.
func (r *reading) field(d *otelline.Derived, f otelline.Field) (ok bool) {
	switch f {
	case otelline.Cost:
		d.Cost, ok = r.number(f, amount)
	case otelline.InputTokens:
		d.InputTokens, ok = r.integer(f, count)
		r.input = r.from
	case otelline.OutputTokens:
		d.OutputTokens, ok = r.integer(f, count)
		r.output = r.from
	case otelline.CacheReadTokens:
		d.CacheReadTokens, ok = r.integer(f, count)
	case otelline.CacheWriteTokens:
		d.CacheWriteTokens, ok = r.integer(f, count)
	case otelline.CacheWriteHourTokens:
		d.CacheWriteHourTokens, ok = r.integer(f, count)
	case otelline.ReasoningTokens:
		d.ReasoningTokens, ok = r.integer(f, count)
	case otelline.Confidence:
		d.Confidence, ok = r.integer(f, percent)
	case otelline.Duration:
		d.Duration, ok = r.integer(f, rounded)
	case otelline.Model:
		d.Model, ok = r.text(f)
	case otelline.Tool:
		d.Tool, ok = r.text(f)
	case otelline.Reason:
		d.Reason, ok = r.text(f)
	case otelline.Files:
		d.Files, ok = r.files()
	}
	return ok
}

// session returns the session that the attributes name, "" if they name none.
func (r *reading) session() string {
	for _, s := range r.sources(otelline.Session) {
		if session, ok := r.sourceText(s.source); ok && !isScrubbed(session) {
			return session
		}
	}
	return ""
}

// text returns the first source of f that is a text which is not empty.
func (r *reading) text(f otelline.Field) (string, bool) {
	for _, s := range r.sources(f) {
		if text, ok := r.sourceText(s.source); ok {
			return text, true
		}
	}
	return "", false
}

func (r *reading) sourceText(s *source) (string, bool) {
	v, ok := r.get(s)
	if !ok {
		return "", false
	}
	if s.text != nil {
		return s.text(r, v)
	}
	return textOf(v)
}

// get returns the value of a source that is there.
func (r *reading) get(s *source) (value, bool) {
	if len(s.when) > 0 && !r.holds(s.when) {
		return value{}, false
	}
	v, _ := r.attrs.Get(s.id)
	if s.json != "" {
		return r.json.at(s.id, v, s.json)
	}
	return v, true
}

// number returns the first source of f that accept takes.
func (r *reading) number(f otelline.Field, accept func(value) (float64, bool)) (float64, bool) {
	for _, s := range r.sources(f) {
		v, ok := r.get(s.source)
		if !ok {
			continue
		}
		var n float64
		if s.number != nil {
			n, ok = s.number(r, v)
		} else {
			n, ok = accept(v)
		}
		if ok {
			r.from = s
			return n, true
		}
	}
	return 0, false
}

// integer is number for whole numbers below 2^53, which a float64 holds.
func (r *reading) integer(f otelline.Field, accept func(value) (float64, bool)) (int64, bool) {
	n, ok := r.number(f, accept)
	return int64(n), ok
}

// files returns the first source that is a path or a list of paths.
func (r *reading) files() (attribute.Value, bool) {
	for _, s := range r.sources(otelline.Files) {
		v, ok := r.get(s.source)
		if !ok {
			continue
		}
		if _, ok := textOf(v); ok || r.attrs.IsStrings(v) {
			return r.attrs.Any(v), true
		}
	}
	return attribute.Value{}, false
}

// completeTokens adds what the numbers of tokens leave out.
func (r *reading) completeTokens(d *otelline.Derived) {
	var rule tokenRule
	if r.rules != nil {
		for i := range r.rules.tokens {
			if r.holds(r.rules.tokens[i].when) {
				rule = r.rules.tokens[i]
				break
			}
		}
	}
	if d.Has(otelline.InputTokens) {
		more := r.sum(d, cacheParts)
		switch {
		case r.input.without != nil:
			more = r.sum(d, r.input.without)
		case r.input.known || rule.input != nil:
			more = r.sum(d, rule.input)
		case d.InputTokens >= more: // the conventions include the parts
			more = 0
		}
		addTokens(d, otelline.InputTokens, &d.InputTokens, more)
	}
	if d.Has(otelline.OutputTokens) {
		without := rule.output
		if r.output.without != nil {
			without = r.output.without
		}
		addTokens(d, otelline.OutputTokens, &d.OutputTokens, r.sum(d, without))
	}
}

var cacheParts = []leftOut{
	{field: otelline.CacheReadTokens, key: otelline.NoKey}, {field: otelline.CacheWriteTokens, key: otelline.NoKey},
}

// addTokens adds to the number of tokens of f. A sum that the line cannot hold is
// not known.
func addTokens(d *otelline.Derived, f otelline.Field, n *int64, more int64) {
	if *n += more; *n >= jsonline.MaxExactInt {
		d.Clear(f)
	}
}

func (r *reading) sum(d *otelline.Derived, list []leftOut) (sum int64) {
	for _, l := range list {
		if l.key == otelline.NoKey {
			sum += r.tokens(d, l.field)
		} else if v, ok := r.attrs.Get(l.key); ok {
			if n, ok := count(v); ok {
				sum += int64(n)
			}
		}
	}
	return sum
}

// tokens returns a number of tokens of the line, 0 if it has none.
func (r *reading) tokens(d *otelline.Derived, f otelline.Field) int64 {
	if v, ok := r.attrs.Own(f); ok {
		return v.AsInt64()
	}
	if !d.Has(f) {
		return 0
	}
	switch f {
	case otelline.InputTokens:
		return d.InputTokens
	case otelline.OutputTokens:
		return d.OutputTokens
	case otelline.CacheReadTokens:
		return d.CacheReadTokens
	case otelline.CacheWriteTokens:
		return d.CacheWriteTokens
	case otelline.CacheWriteHourTokens:
		return d.CacheWriteHourTokens
	case otelline.ReasoningTokens:
		return d.ReasoningTokens
	}
	return 0
}

// behind returns how a name is read that stands behind the first sep of a text.
func behind(sep string) func(*reading, value) (string, bool) {
	return func(_ *reading, v value) (string, bool) {
		text, ok := textOf(v)
		if _, name, found := strings.Cut(text, sep); found {
			text = name
		}
		return text, ok && text != ""
	}
}

// by returns how a decision is read, and who took it: the text of another
// attribute.
func by(decider otelline.KeyID) func(*reading, value) (string, bool) {
	return func(r *reading, v value) (string, bool) {
		other, _ := r.attrs.Get(decider)
		who, ok := textOf(other)
		decision, ok2 := textOf(v)
		return decision + " by " + who, ok && ok2
	}
}

// time returns when the event happened, as an attribute says.
func (r *reading) time() (time.Time, bool) {
	v, ok := r.attrs.Get(r.table.eventTime)
	if !ok || v.Type() != attribute.STRING {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, v.AsString())
	return t, err == nil
}
