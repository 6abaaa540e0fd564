package exporter

import (
	"cmp"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

type value = otelline.Value

// reading is what the sources of one record are looked up in.
type reading struct {
	table *sourceTable
	attrs *otelline.Attributes
	event string
	// withoutUsage derives neither tokens nor a cost.
	withoutUsage bool
}

// derive fills in the fields that the record does not carry itself. The
// session that it does not name is that of its context, else of its origin, else
// of the process.
func (r *reading) derive(d *otelline.Derived, o *origin, context, process string) {
	if !r.attrs.Owns(otelline.Session) {
		d.Session = cmp.Or(r.session(), context, o.session(r.isTask()), process)
		d.Set(otelline.Session)
	}
	for f := otelline.Cost; f < otelline.NumFields; f++ {
		sources := &r.table.fields[f]
		if r.withoutUsage && isUsage(f) {
			continue
		}
		if r.attrs.HasAny(sources.mask) && !r.attrs.Owns(f) && r.field(d, f, o) {
			d.Set(f)
		}
	}
}

// field sets f to the first source that is there.
func (r *reading) field(d *otelline.Derived, f otelline.Field, o *origin) (ok bool) {
	sources := r.table.fields[f].sources
	switch f {
	case otelline.Cost:
		d.Cost, ok = r.number(sources, amount)
	case otelline.InputTokens:
		d.InputTokens, ok = r.integer(sources, count)
	case otelline.OutputTokens:
		d.OutputTokens, ok = r.integer(sources, count)
	case otelline.Confidence:
		d.Confidence, ok = r.integer(sources, percent)
	case otelline.Duration:
		d.Duration, ok = r.integer(sources, rounded)
	case otelline.Model:
		d.Model, ok = r.model(sources, o.requestedModel)
	case otelline.Reason:
		d.Reason, ok = r.text(sources, anySource)
	case otelline.Files:
		d.Files, ok = r.files(sources)
	}
	return ok
}

// session returns the session that the attributes name, "" if they name none.
func (r *reading) session() string {
	if !r.attrs.HasAny(r.table.fields[otelline.Session].mask) {
		return ""
	}
	session, _ := r.text(r.table.fields[otelline.Session].sources, anySource)
	return session
}

// model prefers the requested model if a LiteLLM proxy answered: its responses
// name the deployment. The caller's own sources and "model" stay in front.
func (r *reading) model(sources []keyedSource, requestedFirst bool) (string, bool) {
	if requestedFirst {
		if model, ok := r.text(sources, func(s *source) bool { return s.requested || s.key == otelline.Model.Key() }); ok {
			return model, true
		}
	}
	return r.text(sources, anySource)
}

func anySource(*source) bool { return true }

// text returns the first source that is a text which is not empty.
func (r *reading) text(sources []keyedSource, use func(*source) bool) (string, bool) {
	for i := range sources {
		s := &sources[i]
		if !r.attrs.Has(s.id) || s.when != nil && !s.when(r) || !use(&s.source) {
			continue
		}
		v, _ := r.attrs.Get(s.id)
		if s.text != nil {
			if text, ok := s.text(r, v); ok {
				return text, true
			}
		} else if text, ok := textOf(v); ok {
			return text, true
		}
	}
	return "", false
}

// number returns the first source that accept takes.
func (r *reading) number(sources []keyedSource, accept func(value) (float64, bool)) (float64, bool) {
	for i := range sources {
		s := &sources[i]
		if !r.attrs.Has(s.id) || s.when != nil && !s.when(r) {
			continue
		}
		v, _ := r.attrs.Get(s.id)
		var n float64
		var ok bool
		if s.number != nil {
			n, ok = s.number(r, v)
		} else {
			n, ok = accept(v)
		}
		if ok {
			return n, true
		}
	}
	return 0, false
}

// integer is number for whole numbers below 2^53, which a float64 holds.
func (r *reading) integer(sources []keyedSource, accept func(value) (float64, bool)) (int64, bool) {
	n, ok := r.number(sources, accept)
	return int64(n), ok
}

// files returns the first source that is a path or a list of paths.
func (r *reading) files(sources []keyedSource) (attribute.Value, bool) {
	for i := range sources {
		v, ok := r.attrs.Get(sources[i].id)
		if !ok {
			continue
		}
		if _, ok := textOf(v); ok || r.attrs.IsStrings(v) {
			return r.attrs.Any(v), true
		}
	}
	return attribute.Value{}, false
}

// bySource is the decision of a permission prompt and who took it.
func bySource(r *reading, v value) (string, bool) {
	decider, _ := r.attrs.Get(r.table.decider)
	by, ok := textOf(decider)
	decision, ok2 := textOf(v)
	return decision + " by " + by, ok && ok2
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
