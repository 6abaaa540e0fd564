package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/calendar"
	"github.com/otelaudit/otelaudit/internal/spend"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// Budget is a limit on what is spent in an hour or a day, to be asked before
// every call of a model. [NewBudget] makes one.
//
// Hours and days are those of a clock, UTC's unless [WithBudgetTimeZone] says
// otherwise, as in [Reader.Spend] and `otelaudit spend --by hour`: the sums of a Budget
// can be looked up, and its error says when the next hour begins. The limit of an hour
// may so be spent at its end and again at the beginning of the next.
//
// A Budget counts the cost that the log's events report, of this process and others,
// in the hour and day of their ts. A negative cost counts
// as 0. A ts that is not readable, or more than 5 minutes ahead of the clock, would
// count in no hour or in a later one. So such an event counts now if it is written
// after the first Check, and otherwise at the last usable ts before it in the log; if
// there is none, it does not count. FORMAT.md section 7 says which ts are readable.
//
// A call of a model that is logged twice counts once, as in [Reader.Spend]. A call
// counts when its event is written: calls that run at the same time can spend more
// than is left. [Reader.SpentIn] sums other periods in the same way.
//
// A Budget remembers what it has summed up, as [Reader.HourlySpend] does, and
// reads only new lines: Check takes a few microseconds without any. The
// first one reads the log as far back as today, or this hour.
//
// It is safe for concurrent use.
type Budget struct {
	cfg budgetConfig

	running *spend.Running // guards the fields below
	now     int64          // the slot that periods were made in
	day     calendar.Period
	hour    calendar.Period
	periods []BudgetPeriod
	written map[string]time.Time // start of the last period whose breach was written, by its name
}

// The names of the periods of a [Budget].
const (
	BudgetHour = "hour"
	BudgetDay  = "day"
)

// BudgetPeriod is the present hour or day of a [Budget].
type BudgetPeriod struct {
	Name  string    // BudgetHour or BudgetDay
	Start time.Time // in the budget's time zone
	End   time.Time // when the next one begins
	Limit float64   // USD
	Spent Totals    // from Start on and before End
}

// BudgetError is returned by [Budget.Check] when nothing may be spent.
type BudgetError struct {
	Period  BudgetPeriod
	Session string // whose spend is limited; empty means everybody's
	// Reason is BudgetHourExhausted, BudgetDayExhausted or BudgetUnpriced.
	Reason string
}

// The reasons of a [BudgetError], and of the event of it.
const (
	BudgetHourExhausted = "hourly_budget_exhausted"
	BudgetDayExhausted  = "daily_budget_exhausted"
	// BudgetUnpriced is the reason with WithUnpricedBreach.
	BudgetUnpriced = "unpriced_call"
)

func (e *BudgetError) Error() string { return "auditlog: " + e.text() }

func (e *BudgetError) text() string {
	const layout = "2006-01-02 15:04 MST" // as the command writes hours
	p, whose := e.Period, ""
	if e.Session != "" {
		whose = fmt.Sprintf(" of session %q", visible.Cut(e.Session))
	}
	since := p.Start.Format(layout)
	if e.Reason == BudgetUnpriced {
		calls := "1 call reports"
		if p.Spent.Unpriced != 1 {
			calls = strconv.FormatInt(p.Spent.Unpriced, 10) + " calls report"
		}
		return fmt.Sprintf("%s tokens and no cost since %s, so that the budget%s of %s USD per %s cannot be kept; make the costs known, or wait for the next %s",
			calls, since, whose, usd(p.Limit), p.Name, p.Name)
	}
	return fmt.Sprintf("the budget%s of %s USD per %s is spent: %s USD since %s; the next %s begins at %s",
		whose, usd(p.Limit), p.Name, usd(p.Spent.Cost), since, p.Name, p.End.Format(layout))
}

// usd formats an amount with cents at least, and a millionth of a dollar at
// most.
func usd(amount float64) string {
	text := strconv.FormatFloat(amount, 'f', 6, 64)
	for range 4 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// Event returns the budget event of the breach, as FORMAT.md section 9
// describes it. It has no cost: that would be spent again.
func (e *BudgetError) Event() Event {
	return Event{
		Name:      EventBudget,
		SessionID: e.Session,
		Reason:    e.Reason,
		Attributes: map[string]any{
			"budget_period":   e.Period.Name,
			"budget_start":    e.Period.Start.Format(time.RFC3339),
			"budget_limit":    e.Period.Limit,
			"budget_spent":    e.Period.Spent.Cost,
			"budget_unpriced": e.Period.Spent.Unpriced,
		},
	}
}

// BudgetOption configures a [Budget].
type BudgetOption interface {
	applyBudget(cfg budgetConfig) budgetConfig
}

type budgetConfig struct {
	perHour, perDay float64 // 0 without
	errs            []error
	session         string
	zone            *time.Location
	unpricedBreach  bool
	events          *Log
}

type budgetOption func(budgetConfig) budgetConfig

func (o budgetOption) applyBudget(cfg budgetConfig) budgetConfig { return o(cfg) }

// WithMaxPerHour limits what is spent from the full hour of the clock on, in USD. The hour
// is spent when that much is. There is no limit by default.
func WithMaxPerHour(usd float64) BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.perHour = usd
		cfg.errs = append(slices.Clip(cfg.errs), checkLimit("WithMaxPerHour", usd))
		return cfg
	})
}

// WithMaxPerDay limits what is spent from midnight on, in USD. It goes
// together with [WithMaxPerHour]. There is no limit by default.
func WithMaxPerDay(usd float64) BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.perDay = usd
		cfg.errs = append(slices.Clip(cfg.errs), checkLimit("WithMaxPerDay", usd))
		return cfg
	})
}

func checkLimit(option string, usd float64) error {
	if usd > 0 && !math.IsInf(usd, 0) {
		return nil
	}
	return fmt.Errorf("%s(%v): want a finite number of US dollars above 0", option, usd)
}

// WithBudgetSession counts the events of one session only. The default, and an
// empty id, is all.
func WithBudgetSession(id string) BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.session = id
		return cfg
	})
}

// WithBudgetTimeZone sets the time zone whose hours and days are counted. The
// default, also if loc is nil, is UTC: the same on every machine.
func WithBudgetTimeZone(loc *time.Location) BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.zone = loc
		return cfg
	})
}

// WithUnpricedBreach makes a call in the period that reports tokens and no
// cost a breach: the amount that was spent is unknown then. By default such calls
// count as nothing; [Budget.Periods] has their number.
func WithUnpricedBreach() BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.unpricedBreach = true
		return cfg
	})
}

// WithBudgetEvents makes Check append the breach's [BudgetError.Event] to log
// and sync it, once for each hour or day. By default nothing is written.
func WithBudgetEvents(log *Log) BudgetOption {
	return budgetOption(func(cfg budgetConfig) budgetConfig {
		cfg.events = log
		return cfg
	})
}

// NewBudget returns a budget of the log that r reads; of a [Log] that is its
// Reader. It wants [WithMaxPerHour], [WithMaxPerDay] or both.
func NewBudget(r *Reader, opts ...BudgetOption) (*Budget, error) {
	var cfg budgetConfig
	for _, opt := range opts {
		if opt != nil {
			cfg = opt.applyBudget(cfg)
		}
	}
	err := errors.Join(cfg.errs...)
	if err == nil && cfg.perHour == 0 && cfg.perDay == 0 {
		err = errors.New("no limit; give WithMaxPerHour, WithMaxPerDay or both")
	}
	if err != nil {
		return nil, fmt.Errorf("auditlog: make a budget: %w", err)
	}
	return &Budget{
		cfg:     cfg,
		running: spend.NewRunning(r.log, spend.SecondsPerQuarter, cfg.session, true),
		written: make(map[string]time.Time),
	}, nil
}

// Check returns nil if there is something left to spend, and a [*BudgetError]
// if there is not. A log that is not there yet has spent nothing.
//
// Any other error is one of I/O or of ctx. The amount that was spent is unknown then: a
// caller that must not overspend stops. With [WithBudgetEvents] the error may
// hold, beside the BudgetError, that of writing the event.
func (b *Budget) Check(ctx context.Context) error {
	if err := b.acquire(ctx); err != nil {
		return err
	}
	defer b.running.Release()
	if err := b.update(ctx, time.Now()); err != nil {
		return err
	}
	for i := range b.periods {
		reason := b.breach(&b.periods[i])
		if reason == "" {
			continue
		}
		breach := &BudgetError{Period: b.periods[i], Session: b.cfg.session, Reason: reason}
		if err := b.write(ctx, breach); err != nil {
			return errors.Join(breach, err)
		}
		return breach
	}
	return nil
}

// breach returns why nothing may be spent in p, "" if something may.
func (b *Budget) breach(p *BudgetPeriod) string {
	switch {
	case p.Spent.Cost >= p.Limit && p.Name == BudgetHour:
		return BudgetHourExhausted
	case p.Spent.Cost >= p.Limit:
		return BudgetDayExhausted
	case b.cfg.unpricedBreach && p.Spent.Unpriced > 0:
		return BudgetUnpriced
	}
	return ""
}

// write appends the event of a breach, if it was not written.
func (b *Budget) write(ctx context.Context, breach *BudgetError) error {
	p := breach.Period
	if b.cfg.events == nil || b.written[p.Name].Equal(p.Start) {
		return nil
	}
	err := b.cfg.events.Append(ctx, breach.Event())
	if err == nil {
		err = b.cfg.events.Sync(ctx)
	}
	_, inFile := errors.AsType[*SyncError](err) // the event is in the file
	if err == nil || inFile {
		b.written[p.Name] = p.Start
	}
	return err
}

// Periods returns what was spent in the hour, the day, or both, whichever has
// a limit. Errors are those of [Budget.Check] but for a BudgetError.
func (b *Budget) Periods(ctx context.Context) ([]BudgetPeriod, error) {
	if err := b.acquire(ctx); err != nil {
		return nil, err
	}
	defer b.running.Release()
	if err := b.update(ctx, time.Now()); err != nil {
		return nil, err
	}
	return slices.Clone(b.periods), nil
}

// Arrived reports whether an event of the budget's session was written since the
// first Check, Periods or Arrived, whatever its time is; without a session, whether
// anything was. It reports true as well after the log was read again, because files
// of it were removed or replaced.
func (b *Budget) Arrived(ctx context.Context) (bool, error) {
	if err := b.acquire(ctx); err != nil {
		return false, err
	}
	defer b.running.Release()
	err := b.update(ctx, time.Now())
	return b.running.Arrived(), err
}

func (b *Budget) acquire(ctx context.Context) error {
	if err := b.running.Acquire(ctx); err != nil {
		return fmt.Errorf("auditlog: check the budget: %w", err)
	}
	return nil
}

// update reads new lines and brings periods up to date.
func (b *Budget) update(ctx context.Context, t time.Time) error {
	now := b.running.SlotOf(t)
	stale := now != b.now || b.hour.End.IsZero()
	if stale {
		local := t.In(cmp.Or(b.cfg.zone, time.UTC))
		b.now, b.hour, b.day = now, calendar.Hour(local), calendar.Day(local)
	}
	start := b.hour.Start
	if b.cfg.perDay > 0 {
		start = b.day.Start
	}
	noLog, err := b.running.Refresh(ctx, t, b.running.SlotOf(start))
	if noLog {
		err = nil // nothing is spent
	}
	if err != nil {
		return err
	}
	if !b.running.Changed() && !stale {
		return nil
	}
	b.periods = b.periods[:0]
	add := func(name string, limit float64, p calendar.Period) {
		if limit > 0 {
			b.periods = append(b.periods, BudgetPeriod{
				Name: name, Limit: limit, Start: p.Start, End: p.End,
				Spent: Totals(b.running.Total(b.running.SlotOf(p.Start), b.running.SlotOf(p.End))),
			})
		}
	}
	add(BudgetHour, b.cfg.perHour, b.hour)
	add(BudgetDay, b.cfg.perDay, b.day)
	return nil
}
