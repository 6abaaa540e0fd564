package report

import (
	"maps"
	"math"
	"slices"

	"github.com/otelaudit/otelaudit/internal/spend"
)

// sum adds up costs and keeps what rounding takes from each step (Neumaier), so
// that a million small costs lose no digit that is shown.
type sum struct{ total, lost float64 }

func (s *sum) add(x float64) {
	t := s.total + x
	if math.IsInf(t, 0) {
		t = math.Copysign(math.MaxFloat64, t)
		s.total, s.lost = t, 0
		return
	}
	if math.Abs(s.total) >= math.Abs(x) {
		s.lost += s.total - t + x
	} else {
		s.lost += x - t + s.total
	}
	s.total = t
}

// value returns the sum.
func (s *sum) value() float64 {
	if v := s.total + s.lost; !math.IsInf(v, 0) {
		return v
	}
	return s.total
}

// figures are what a model or a session used.
type figures struct {
	events, calls, unpriced int64
	priced, failedCalls     int64
	input, output           int64
	cost                    sum
}

// count adds what u says, or takes it out again.
func (f *figures) count(u spend.Usage, sign int64) {
	f.events += sign
	if u.IsCall() {
		f.calls += sign
	}
	if u.Failed {
		f.failedCalls += sign
	}
	if u.Unpriced() {
		f.unpriced += sign
	}
	if u.Priced {
		f.priced += sign
		f.cost.add(float64(sign) * u.Cost)
	}
	f.input = addCount(f.input, sign*u.InputTokens)
	f.output = addCount(f.output, sign*u.OutputTokens)
}

// addCount stops at the largest number instead of turning negative.
func addCount(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// durations counts milliseconds, rounded to three digits: percentiles that are
// right to half a percent, in memory that does not grow with the log.
type durations struct {
	counts map[int64]int64
	total  int64
}

func (d *durations) count(ms, sign int64) {
	if ms < 0 {
		return
	}
	unit := int64(1)
	for ms/unit >= 1000 {
		unit *= 10
	}
	ms = (ms + unit/2) / unit * unit
	if d.counts == nil {
		d.counts = make(map[int64]int64)
	}
	if d.counts[ms] += sign; d.counts[ms] == 0 {
		delete(d.counts, ms)
	}
	d.total += sign
}

// percentiles returns the least durations that the shares of all do not exceed.
// shares ascend.
func (d *durations) percentiles(shares ...float64) []int64 {
	values := make([]int64, len(shares))
	var seen int64
	i := 0
	for _, ms := range slices.Sorted(maps.Keys(d.counts)) {
		for seen += d.counts[ms]; i < len(shares) && float64(seen) >= shares[i]*float64(d.total); i++ {
			values[i] = ms
		}
	}
	return values
}
