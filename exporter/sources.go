package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// sourceTable is what is known of emitters and what the caller puts in front,
// made ready for look-ups. It is only read once it is made.
type sourceTable struct {
	keys        *otelline.KeyTable
	own         [numSources]fieldSources // of the caller
	events      []otelline.KeyID         // of the caller, in front of the rules for names
	conventions *emitterRules

	// How emitters are recognised, in the order in which that is tried.
	first    marks
	scopes   patterns
	markers  marks
	services patterns
	names    patterns // of log records

	// deciding are the keys by which a span can be more than a step.
	deciding keySet
	usage    []uint64 // bits of the keys of tokens and costs
	naming   keySet   // the keys that can name a session

	// Further keys that are looked at.
	eventName, eventNameLiteLLM, eventTime, operation, spanKind, errorMessage, exceptionType, exceptionMessage otelline.KeyID
}

// What is read of records besides the fields of the line, behind these.
const (
	sourceFinish = otelline.NumFields + iota
	sourceResponse
	sourceHTTPStatus
	numSources
)

var sourceNames = map[string]otelline.Field{
	emitters.FinishReason: sourceFinish, emitters.ResponseID: sourceResponse, emitters.HTTPStatus: sourceHTTPStatus,
}

// emitterRules are the rules for the records of one emitter.
type emitterRules struct {
	name    string
	encoded []byte                          // the member emitter of otel
	records [emitters.Logs + 1][]recordRule // by signal
	fields  [numSources]fieldSources
	tokens  []tokenRule
}

type fieldSources struct {
	sources []source
	mask    []uint64 // bits of the sources' keys
}

// source is an attribute that a field can come from.
type source struct {
	id   otelline.KeyID // first: it is looked at for each source, the others for those that are there
	when []condition    // is asked first
	json string         // path in the JSON text that the attribute is
	// number or text reads the value, nil means as the field's values are
	// read: FORMAT.md section 8.
	number  func(*reading, value) (float64, bool)
	without []leftOut
	text    func(*reading, value) (string, bool)
}

type recordRule struct {
	kind     emitters.Kind
	when     []condition
	event    string
	eventKey otelline.KeyID // the event is the text of this attribute
	failed   bool
	failedIf []condition
	ofSpan   bool
	same     []otelline.Field
}

// tokenRule says what numbers of tokens leave out.
type tokenRule struct {
	when          []condition
	input, output []leftOut
}

// leftOut is a field, or else an attribute.
type leftOut struct {
	field otelline.Field
	key   otelline.KeyID
}

// condition holds if an attribute, or the name of the record, has one of values.
type condition struct {
	key    otelline.KeyID
	name   bool
	values []pattern
}

// pattern is a text. Any characters may stand in front of it or behind it.
type pattern struct {
	text       string
	head, tail bool
	plain      bool // the text alone, which is not empty
}

func newPattern(text string) pattern {
	p := pattern{text: text}
	p.text, p.tail = strings.CutSuffix(p.text, "*")
	p.text, p.head = strings.CutPrefix(p.text, "*")
	p.plain = !p.head && !p.tail && p.text != ""
	return p
}

// absent reports whether p stands for nothing being there.
func (p *pattern) absent() bool { return p.text == "" && !p.head && !p.tail }

func (p *pattern) matches(s string) bool {
	switch {
	case p.head && p.tail:
		return strings.Contains(s, p.text)
	case p.head:
		return strings.HasSuffix(s, p.text)
	case p.tail:
		return strings.HasPrefix(s, p.text)
	}
	return s == p.text
}

// marks are keys of attributes that tell of an emitter.
type marks struct {
	list []mark
	mask []uint64
}

type mark struct {
	key   otelline.KeyID
	rules *emitterRules
}

func (m *marks) find(attrs *otelline.Attributes) *emitterRules {
	if len(m.mask) == 0 || !attrs.HasAny(m.mask) {
		return nil
	}
	for i := range m.list {
		if attrs.Has(m.list[i].key) {
			return m.list[i].rules
		}
	}
	return nil
}

// patterns are names that tell of an emitter.
type patterns struct {
	exact  map[string]*emitterRules
	others []namePattern
}

type namePattern struct {
	pattern
	rules *emitterRules
}

func (p *patterns) add(names []string, rules *emitterRules) {
	for _, name := range names {
		if pat := newPattern(name); pat.head || pat.tail {
			p.others = append(p.others, namePattern{pat, rules})
			continue
		}
		if p.exact == nil {
			p.exact = make(map[string]*emitterRules)
		}
		p.exact[name] = rules
	}
}

func (p *patterns) find(name string) *emitterRules {
	if name == "" {
		return nil
	}
	if rules := p.exact[name]; rules != nil {
		return rules
	}
	for i := range p.others {
		if p.others[i].matches(name) {
			return p.others[i].rules
		}
	}
	return nil
}

// keySet is a set of keys that most keys are told from by their length and their
// last byte.
type keySet struct {
	keys map[string]struct{}
	last [64]uint64 // by length: bits of last bytes
}

func (s *keySet) add(key string) {
	if s.keys == nil {
		s.keys = make(map[string]struct{})
	}
	s.keys[key] = struct{}{}
	s.last[len(key)&63] |= 1 << (key[len(key)-1] & 63)
}

func (s *keySet) has(key string) bool {
	if key == "" || s.last[len(key)&63]&(1<<(key[len(key)-1]&63)) == 0 {
		return false
	}
	_, ok := s.keys[key]
	return ok
}

// fieldEvent is the name of the field that has rules instead of sources.
const fieldEvent = "event"

const keyServiceName = "service.name"

func newSourceTable(cfg config) (*sourceTable, error) {
	own, events, err := ownSourcesOf(cfg)
	if err != nil {
		return nil, err
	}
	base, known := emitters.Conventions, emitters.All
	if cfg.emitters != nil {
		known = append(slices.Clone(cfg.emitters), known...)
	}
	if cfg.withoutEmitters {
		known = nil
	}
	if cfg.withoutAliases {
		base.Fields, known = nil, nil
	}
	t := &sourceTable{}
	keys := newKeyCollector()
	keys.add(
		"event.name", "event_name", "event.timestamp", "gen_ai.operation.name", "openinference.span.kind",
		"error.message", "exception.type", "exception.message")
	keys.add(events...)
	for f := range own {
		keys.add(own[f]...)
	}
	keys.addEmitter(&base)
	for i := range known {
		keys.addEmitter(&known[i])
	}
	t.keys = otelline.NewKeyTable(keys.list...)
	for f, list := range own {
		var sources []emitters.Source
		for _, key := range list {
			sources = append(sources, emitters.Source{Key: key})
		}
		if t.own[f], err = t.sourcesOf(sources); err != nil {
			return nil, err
		}
	}
	for _, key := range events {
		t.events = append(t.events, t.keys.ID(key))
	}
	if t.conventions, err = t.rulesOf(&base); err != nil {
		return nil, err
	}
	t.conventions.name, t.conventions.encoded = "", nil
	for i := range known {
		if err := t.addEmitter(&known[i]); err != nil {
			return nil, err
		}
	}
	t.addDeciding(&base)
	t.usage = make([]uint64, t.words())
	for _, f := range usage {
		for _, sources := range []*fieldSources{&t.own[f], &t.conventions.fields[f]} {
			for i := range sources.mask {
				t.usage[i] |= sources.mask[i]
			}
		}
	}
	for id := range otelline.KeyID(t.keys.Len()) { //nolint:gosec // a few hundred keys
		if t.usage[id>>6]&(1<<(id&63)) != 0 {
			t.deciding.add(t.keys.Key(id))
		}
	}
	t.naming.add(otelline.KeySession)
	t.addNaming(&t.own[otelline.Session])
	t.addNaming(&t.conventions.fields[otelline.Session])
	t.eventName, t.eventNameLiteLLM, t.eventTime = t.keys.ID("event.name"), t.keys.ID("event_name"), t.keys.ID("event.timestamp")
	t.operation, t.spanKind = t.keys.ID("gen_ai.operation.name"), t.keys.ID("openinference.span.kind")
	t.errorMessage = t.keys.ID("error.message")
	t.exceptionType, t.exceptionMessage = t.keys.ID("exception.type"), t.keys.ID("exception.message")
	return t, nil
}

// ownSourcesOf returns the keys of WithSources, by field, and those of the event.
func ownSourcesOf(cfg config) (own [numSources][]string, events []string, err error) {
	for f := range otelline.NumFields {
		if cfg.withoutAliases && f != otelline.CallID {
			own[f] = nil
		}
	}
	for _, o := range cfg.sources {
		if slices.Contains(o.keys, "") {
			return own, nil, fmt.Errorf("WithSources(%q): an attribute key is empty", visible.Cut(o.field))
		}
		if o.field == fieldEvent {
			events = append(events, o.keys...)
			continue
		}
		f, err := fieldNamed(o.field)
		if err != nil {
			return own, nil, err
		}
		own[f] = append(own[f], o.keys...)
	}
	return own, events, nil
}

// keyCollector collects the keys that rules look at.
type keyCollector struct {
	list []string
	seen map[string]struct{}
}

func newKeyCollector() *keyCollector { return &keyCollector{seen: make(map[string]struct{})} }

func (c *keyCollector) add(keys ...string) {
	for _, key := range keys {
		if _, ok := c.seen[key]; !ok && key != "" && key[0] != '@' {
			c.seen[key] = struct{}{}
			c.list = append(c.list, key)
		}
	}
}

func (c *keyCollector) addConditions(list []emitters.Condition) {
	for i := range list {
		c.add(list[i].Key)
	}
}

func (c *keyCollector) addEmitter(e *emitters.Emitter) {
	c.add(e.Match.First...)
	c.add(e.Match.Markers...)
	for i := range e.Records {
		r := &e.Records[i]
		c.addConditions(r.When)
		c.addConditions(r.FailedIf)
		if key, ok := strings.CutPrefix(r.Event, "@"); ok {
			c.add(key)
		}
	}
	for _, f := range e.Fields {
		for i := range f.Sources {
			c.add(f.Sources[i].Key)
			if with, ok := strings.CutPrefix(f.Sources[i].As, "plus "); ok {
				c.add(with)
			} else if with, ok := strings.CutPrefix(f.Sources[i].As, "by "); ok {
				c.add(with)
			}
			c.addConditions(f.Sources[i].When)
			c.addLeftOut(f.Sources[i].Without)
		}
	}
	for i := range e.Tokens {
		c.addConditions(e.Tokens[i].When)
		c.addLeftOut(e.Tokens[i].Input)
		c.addLeftOut(e.Tokens[i].Output)
	}
}

func (c *keyCollector) addLeftOut(names []string) {
	for _, name := range names {
		if _, ok := otelline.FieldOf([]byte(name)); !ok {
			c.add(name)
		}
	}
}

func (t *sourceTable) words() int { return (t.keys.Len() + 63) / 64 }

func (t *sourceTable) addEmitter(e *emitters.Emitter) error {
	rules, err := t.rulesOf(e)
	if err != nil {
		return err
	}
	t.scopes.add(e.Match.Scopes, rules)
	t.services.add(e.Match.Services, rules)
	t.names.add(e.Match.Events, rules)
	t.addMarks(&t.first, e.Match.First, rules)
	t.addMarks(&t.markers, e.Match.Markers, rules)
	t.addDeciding(e)
	t.addNaming(&rules.fields[otelline.Session])
	return nil
}

// addNaming adds the keys of sources of a session.
func (t *sourceTable) addNaming(from *fieldSources) {
	for i := range from.sources {
		t.naming.add(t.keys.Key(from.sources[i].id))
	}
}

func (t *sourceTable) addMarks(to *marks, keys []string, rules *emitterRules) {
	for _, key := range keys {
		if to.mask == nil {
			to.mask = make([]uint64, t.words())
		}
		id := t.keys.ID(key)
		to.list = append(to.list, mark{id, rules})
		to.mask[id>>6] |= 1 << (id & 63)
		t.deciding.add(key)
	}
}

// addDeciding adds the keys by which a span of e can be an event.
func (t *sourceTable) addDeciding(e *emitters.Emitter) {
	for i := range e.Records {
		for _, c := range e.Records[i].When {
			if e.Records[i].Signal != emitters.Logs && c.Key[0] != '@' {
				t.deciding.add(c.Key)
			}
		}
	}
}

func (t *sourceTable) rulesOf(e *emitters.Emitter) (*emitterRules, error) {
	rules := &emitterRules{name: e.Name}
	rules.encoded = append(jsonline.AppendString([]byte(`"emitter":`), e.Name), ',')
	for i := range e.Records {
		r := &e.Records[i]
		rule := recordRule{
			kind: r.Kind, when: t.conditions(r.When), event: r.Event, eventKey: otelline.NoKey,
			failed: r.Failed, failedIf: t.conditions(r.FailedIf), ofSpan: r.OfSpan,
		}
		if key, ok := strings.CutPrefix(r.Event, "@"); ok {
			rule.event, rule.eventKey = "", t.keys.ID(key)
		}
		for _, name := range r.Same {
			f, ok := otelline.FieldOf([]byte(name))
			if !ok {
				return nil, fmt.Errorf("emitter %s: same: %q is no field", e.Name, name)
			}
			rule.same = append(rule.same, f)
		}
		for _, signal := range [...]emitters.Signal{emitters.Spans, emitters.Logs} {
			if r.Signal == 0 || r.Signal == signal {
				rules.records[signal] = append(rules.records[signal], rule)
			}
		}
	}
	for i := range e.Fields {
		name := e.Fields[i].Name
		f, ok := sourceNames[name]
		if !ok {
			if f, ok = otelline.FieldOf([]byte(name)); !ok {
				return nil, fmt.Errorf("emitter %s: there is no field %q", e.Name, name)
			}
		}
		sources, err := t.sourcesOf(e.Fields[i].Sources)
		if err != nil {
			return nil, fmt.Errorf("emitter %s: %s: %w", e.Name, name, err)
		}
		rules.fields[f] = sources
	}
	for i := range e.Tokens {
		rules.tokens = append(rules.tokens, tokenRule{t.conditions(e.Tokens[i].When), t.leftOut(e.Tokens[i].Input), t.leftOut(e.Tokens[i].Output)})
	}
	return rules, nil
}

// leftOut returns nil for nil only: an empty list says that nothing is left out.
func (t *sourceTable) leftOut(names []string) (list []leftOut) {
	if names != nil {
		list = []leftOut{}
	}
	for _, name := range names {
		if f, ok := otelline.FieldOf([]byte(name)); ok {
			list = append(list, leftOut{field: f, key: otelline.NoKey})
		} else {
			list = append(list, leftOut{key: t.keys.ID(name)})
		}
	}
	return list
}

func (t *sourceTable) conditions(from []emitters.Condition) (list []condition) {
	for _, c := range from {
		to := condition{key: otelline.NoKey}
		if to.name = c.Key == "@name"; !to.name {
			to.key = t.keys.ID(c.Key)
		}
		for _, v := range c.Values {
			to.values = append(to.values, newPattern(v))
		}
		list = append(list, to)
	}
	return list
}

func (t *sourceTable) sourcesOf(list []emitters.Source) (fieldSources, error) {
	if len(list) == 0 {
		return fieldSources{}, nil
	}
	to := fieldSources{mask: make([]uint64, t.words())}
	for _, s := range list {
		id := t.keys.ID(s.Key)
		from := source{id: id, json: s.JSON, when: t.conditions(s.When), without: t.leftOut(s.Without)}
		name, with, _ := strings.Cut(s.As, " ")
		switch name {
		case "":
		case "usd_micros":
			from.number = micros
		case "cost_details":
			from.number = costDetails
		case "plus":
			from.number = plus(t.keys.ID(with))
		case "by":
			from.text = by(t.keys.ID(with))
		case "behind": // a name, as provider/model has it
			from.text = behind(with)
		case "seconds":
			from.number = seconds
		default:
			part, ok := usageParts[name]
			if !ok {
				return to, fmt.Errorf("source %s: there is no way %q to read it", s.Key, name)
			}
			from.number = part.read
		}
		to.sources = append(to.sources, from)
		to.mask[id>>6] |= 1 << (id & 63)
	}
	return to, nil
}

// usage are the fields that sums are made of, and their parts.
var usage = [...]otelline.Field{
	otelline.Cost, otelline.InputTokens, otelline.OutputTokens, otelline.CacheReadTokens, otelline.CacheWriteTokens,
	otelline.CacheWriteHourTokens, otelline.ReasoningTokens,
}

// usageBits are their bits.
const usageBits = 1<<otelline.Cost | 1<<otelline.InputTokens | 1<<otelline.OutputTokens | 1<<otelline.CacheReadTokens |
	1<<otelline.CacheWriteTokens | 1<<otelline.CacheWriteHourTokens | 1<<otelline.ReasoningTokens

func fieldNamed(name string) (otelline.Field, error) {
	names := []string{fieldEvent}
	for f := range otelline.NumFields {
		switch f {
		case otelline.Config, otelline.Failed, otelline.CallID:
			continue
		}
		if f.Key() == name {
			return f, nil
		}
		names = append(names, f.Key())
	}
	if name == otelline.Config.Key() {
		return 0, errors.New(`WithSources("config"): a config is never derived; send it as the attribute config, a map`)
	}
	slices.Sort(names)
	return 0, fmt.Errorf("WithSources(%q): no such field; the fields are %s", visible.Cut(name), strings.Join(names, ", "))
}
