package auditlog

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Totals are sums over events.
type Totals struct {
	Events int64 `json:"events"` // number of events, with a cost or not
	// Unpriced is the number of events that used tokens and report no cost:
	// what Cost does not know of.
	Unpriced     int64   `json:"unpriced"`
	Cost         float64 `json:"cost"` // USD
	InputTokens  int64   `json:"input_t"`
	OutputTokens int64   `json:"output_t"`
}

// Group is one line of a [Spend].
type Group struct {
	// Key is the event, model or session, or the beginning of the hour
	// (2026-02-13T14:00:00Z) or of the day (2026-02-13). Empty: the events have
	// none.
	Key string `json:"key"`
	Totals
}

// Spend is what [Reader.Spend] returns.
type Spend struct {
	Total Totals `json:"total"`
	// Groups are in order of time for hours and days, else the most expensive
	// first; never nil.
	Groups []Group `json:"groups"`
}

// GroupBy says what the groups of a [Spend] have in common.
type GroupBy int

// The ways to group. Hours and days are those of UTC.
const (
	ByNothing GroupBy = iota // no groups
	ByEvent
	ByModel
	BySession
	ByHour
	ByDay
)

// Spend sums the cost and tokens of the events that match filter. Cost is a
// JSON number in the line: 1 and 1.0 are the same, the string "1" is no cost.
func (r *Reader) Spend(ctx context.Context, filter Filter, by GroupBy) (Spend, error) {
	key, err := by.key()
	if err != nil {
		return Spend{}, err
	}
	var total sum
	groups := make(map[string]*sum)
	var scratch []byte
	err = r.scan(ctx, filter, func(s *fileScan) bool {
		total.add(&s.fields)
		if key == nil {
			return true
		}
		scratch = key(scratch[:0], &s.fields)
		group := groups[string(scratch)]
		if group == nil {
			group = new(sum)
			groups[string(scratch)] = group
		}
		group.add(&s.fields)
		return true
	})
	if err != nil {
		return Spend{}, err
	}
	spend := Spend{Total: total.totals(), Groups: make([]Group, 0, len(groups))}
	for key, group := range groups {
		spend.Groups = append(spend.Groups, Group{Key: key, Totals: group.totals()})
	}
	slices.SortFunc(spend.Groups, func(a, b Group) int {
		if by != ByHour && by != ByDay {
			if c := cmp.Compare(b.Cost, a.Cost); c != 0 {
				return c
			}
		}
		return strings.Compare(a.Key, b.Key)
	})
	return spend, nil
}

// HourlySpend sums what was spent since the start of the hour that was hours
// hours ago, in UTC: at 14:30, one hour means since 13:00. hours is 1 or more.
func (r *Reader) HourlySpend(ctx context.Context, hours int) (Totals, error) {
	const maxHours = 1 << 20 // a time.Duration holds twice as many
	if hours < 1 || hours > maxHours {
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: want from 1 to %d", hours, maxHours)
	}
	since := time.Now().UTC().Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
	spend, err := r.Spend(ctx, Filter{Since: since}, ByNothing)
	return spend.Total, err
}

// key returns what appends an event's group, nil for no groups.
func (by GroupBy) key() (func(dst []byte, f *fields) []byte, error) {
	switch by {
	case ByNothing:
		return nil, nil
	case ByEvent:
		return func(dst []byte, f *fields) []byte { return appendText(dst, f.event) }, nil
	case ByModel:
		return func(dst []byte, f *fields) []byte { return appendText(dst, f.model) }, nil
	case BySession:
		return func(dst []byte, f *fields) []byte { return appendText(dst, f.session) }, nil
	case ByHour:
		return timeKey(time.Hour, "2006-01-02T15:00:00Z"), nil
	case ByDay:
		return timeKey(24*time.Hour, time.DateOnly), nil
	}
	return nil, fmt.Errorf("auditlog: group spend by %d: no such GroupBy", by)
}

func appendText(dst, value []byte) []byte {
	if jsonline.KindOf(value) != jsonline.String {
		return dst
	}
	return jsonline.AppendUnquoted(dst, value)
}

// timeKey formats a time once for all events of its period: neighbours in a
// log are neighbours in time.
func timeKey(period time.Duration, layout string) func(dst []byte, f *fields) []byte {
	var start time.Time
	var text []byte
	return func(dst []byte, f *fields) []byte {
		t, ok := parseTimeLiteral(f.ts)
		if !ok {
			return dst
		}
		if t = t.Truncate(period); text == nil || !t.Equal(start) {
			start, text = t, t.AppendFormat(text[:0], layout)
		}
		return append(dst, text...)
	}
}

// sum adds up events. Its cost is compensated (Neumaier), so that a million
// small costs do not lose digits and 0.1 ten times is 1.
type sum struct {
	Totals
	lost float64
}

func (s *sum) add(f *fields) {
	s.Events++
	input, hasInput := wholeValue(f.input, jsonline.MaxExactInt-1)
	output, hasOutput := wholeValue(f.output, jsonline.MaxExactInt-1)
	s.InputTokens = addTokens(s.InputTokens, input)
	s.OutputTokens = addTokens(s.OutputTokens, output)
	cost, priced := finiteValue(f.cost)
	switch {
	case priced:
		s.addCost(cost)
	case hasInput || hasOutput:
		s.Unpriced++
	}
}

func (s *sum) addCost(cost float64) {
	next := s.Cost + cost
	if math.Abs(s.Cost) >= math.Abs(cost) {
		s.lost += s.Cost - next + cost
	} else {
		s.lost += cost - next + s.Cost
	}
	s.Cost = next
}

// addTokens stops at the largest number instead of turning negative.
func addTokens(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (s *sum) totals() Totals {
	t := s.Totals
	if c := t.Cost + s.lost; !math.IsNaN(c) && !math.IsInf(c, 0) {
		t.Cost = c
	} else {
		// Beyond float64, which JSON could not say.
		t.Cost = math.Copysign(math.MaxFloat64, t.Cost)
	}
	return t
}
