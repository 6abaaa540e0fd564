package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// page is what the template shows: texts and numbers that are ready.
type page struct {
	Title, Period, Zone string
	Figures             []figure
	Warnings            []string
	Notes               []string

	Events bool   // there are any
	Each   string // how long a bar over time is
	Money  bool   // a cost was said
	Tokens bool
	Legend []legendItem
	Spend  []spendBar
	Trend  []trendBar

	Models    []modelRow
	MoreModel string
	Durations []durationRow
	Sessions  []sessionRow
	MoreSess  string
	Failures  []failureRow
	MoreFail  string
	Stops     []eventRow
	StopTrace bool // whether one of them has a trace
	MoreStops string
	Recent    []eventRow

	Data chartData
}

type figure struct{ Label, Value, Note string }

type legendItem struct {
	Color int
	Name  label
	Value string
}

type spendBar struct {
	Title string
	Cells []string
	Total string
}

type trendBar struct{ Title, Input, Output, Failures, Stops string }

type modelRow struct {
	Color                                 int
	Name                                  label
	Cost, Share                           string
	Bar                                   string // width in percent
	Calls, Unpriced, Input, Output, PerMT string
}

type durationRow struct {
	Name          label
	Color         int
	Calls         string
	P50, P90, P99 string
}

type sessionRow struct {
	Name                       label
	Cost, Bar                  string
	Calls, Tokens, Span, Begin string
	Failures                   string
}

type failureRow struct {
	Event, Reason label
	Count, Last   string
}

type eventRow struct {
	Time                   string
	Event, Session, Model  label
	Reason                 label
	Cost, Tokens, Duration string
	Failed, Stop           bool
	Trace                  string // short
	TraceID, TraceURL      string
}

// chartData is what the script draws. Numbers of a series belong to the labels
// in their order.
type chartData struct {
	Labels    []string      `json:"labels"`
	Titles    []string      `json:"titles"`
	Ticks     []int         `json:"ticks"`  // indexes of labels that may stand below the axis
	Digits    int           `json:"digits"` // of amounts
	Series    []chartSeries `json:"series"`
	Input     []int64       `json:"input"`
	Output    []int64       `json:"output"`
	Failures  []int64       `json:"failures"`
	Stops     []int64       `json:"stops"`
	Durations chartPercents `json:"durations"`
}

type chartSeries struct {
	Name  string    `json:"name"`
	Color int       `json:"color"`
	Cost  []float64 `json:"cost"`
}

type chartPercents struct {
	Names []string `json:"names"`
	P50   []int64  `json:"p50"`
	P90   []int64  `json:"p90"`
	P99   []int64  `json:"p99"`
}

const (
	// topModels have a colour of their own; the colour behind them is that of
	// all others.
	topModels    = 8
	otherColor   = topModels
	maxModelRows = 25
	topSessions  = 15
	topFailures  = 12
	chartModels  = 10 // with durations in a chart
	noModel      = "(no model)"
)

// maker makes a page.
type maker struct {
	*collector
	o      Options
	page   page
	ranked []int       // models
	color  map[int]int // of the top models
	axis   axis
}

func newPage(c *collector, o Options) *page {
	m := &maker{collector: c, o: o, ranked: c.models.ranked(), color: make(map[int]int), axis: c.timeline.axis()}
	// Lists are never null, which a script would trip over.
	m.page = page{
		Data: chartData{
			Labels: []string{}, Titles: []string{}, Ticks: []int{}, Series: []chartSeries{},
			Input: []int64{}, Output: []int64{}, Failures: []int64{}, Stops: []int64{},
			Durations: chartPercents{Names: []string{}, P50: []int64{}, P90: []int64{}, P99: []int64{}},
		},
		Title: truncated(visible.Text(o.Title), 200), Zone: o.Zone.String(), Events: c.total.Events > 0,
		Money: c.priced > 0, Tokens: c.total.InputTokens > 0 || c.total.OutputTokens > 0,
	}
	// All have a colour if there is one for each, else the first ones.
	for i, index := range m.ranked {
		if i < topModels && index != poolIndex {
			m.color[index] = i
		}
	}
	m.period()
	m.figures()
	m.overTime()
	m.modelTables()
	m.sessionTable()
	m.troubles()
	m.page.Recent = m.events(&c.recent)
	m.notes()
	return &m.page
}

func (m *maker) at(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.In(m.o.Zone).Format(layout)
}

// period says what time the page is about.
func (m *maker) period() {
	if m.o.Zone == time.Local {
		m.page.Zone = m.at(m.last, "MST")
	}
	switch {
	case !m.first.IsZero():
		m.page.Period = m.at(m.first, spanLayout) + " – " + m.at(m.last, spanLayout)
	case !m.o.Since.IsZero() && !m.o.Until.IsZero():
		m.page.Period = m.at(m.o.Since, spanLayout) + " – " + m.at(m.o.Until, spanLayout)
	case !m.o.Since.IsZero():
		m.page.Period = "since " + m.at(m.o.Since, spanLayout)
	case !m.o.Until.IsZero():
		m.page.Period = "before " + m.at(m.o.Until, spanLayout)
	}
}

func (m *maker) figures() {
	add := func(name, value, note string) {
		m.page.Figures = append(m.page.Figures, figure{name, value, note})
	}
	cost, costNote := "—", "no event says a cost"
	if m.page.Money {
		cost = money(m.total.Cost, digitsFor(m.total.Cost))
		costNote = ""
		if m.priced > 0 {
			costNote = money(m.total.Cost/float64(m.priced), digitsFor(m.total.Cost/float64(m.priced))) + " per call"
		}
	}
	add("Spend", cost, costNote)
	note := things(int64(len(m.ranked)), "model")
	if m.failedCalls > 0 {
		note += ", " + count(m.failedCalls) + " failed"
	}
	add("Model calls", count(m.calls), note)
	note = count(m.total.Unpriced) + " of " + things(m.calls, "call")
	switch {
	case m.total.Unpriced > 0:
	case m.calls > 0 && m.priced == m.calls:
		note = "every call has a cost"
	default:
		note = ""
	}
	add("Unpriced calls", count(m.total.Unpriced), note)
	add("Tokens", short(addCount(m.total.InputTokens, m.total.OutputTokens)), short(m.total.InputTokens)+" in, "+short(m.total.OutputTokens)+" out")
	inSessions := things(int64(len(m.sessions.byName)), "session")
	if m.sessions.dropped > 0 {
		inSessions = "more than " + things(maxSessions, "session")
	}
	add("Events", count(m.total.Events), "in "+inSessions)
	share := ""
	if m.failed > 0 {
		share = percent(float64(m.failed), float64(m.total.Events)) + " of events"
	}
	add("Failures", count(m.failed), share)
	add("Budget stops", count(m.stopped), "")
	if m.page.Money && m.total.Unpriced > 0 {
		m.page.Warnings = append(m.page.Warnings, fmt.Sprintf("%s of %s used tokens and say no cost, so more was spent than is shown here.",
			count(m.total.Unpriced), things(m.calls, "call")))
	}
	if m.damaged > 0 {
		m.page.Warnings = append(m.page.Warnings, was(m.damaged, "damaged line")+" skipped while reading; otelaudit verify lists each.")
	}
	if m.repairs > 0 {
		m.page.Warnings = append(m.page.Warnings, fmt.Sprintf("The log tells of %s to itself (auditlog_recovered).", things(m.repairs, "repair")))
	}
}

// was returns that there were n things.
func was(n int64, one string) string {
	if n == 1 {
		return "1 " + one + " was"
	}
	return things(n, one) + " were"
}

// overTime fills what is shown over time, and the data of its charts.
func (m *maker) overTime() {
	a := &m.axis
	if len(a.starts) == 0 {
		return
	}
	m.page.Each = a.step.each()
	d := &m.page.Data
	n := len(a.starts)
	// Below the bars of more than two days stand only the days.
	byDay := a.step < day && a.starts[n-1].Sub(a.starts[0]) > 48*time.Hour
	for i, t := range a.starts {
		d.Titles = append(d.Titles, a.step.title(t))
		if byDay {
			d.Labels = append(d.Labels, day.tick(t))
		} else {
			d.Labels = append(d.Labels, a.step.tick(t))
		}
		if !byDay || i == 0 || t.Day() != a.starts[i-1].Day() {
			d.Ticks = append(d.Ticks, i)
		}
	}
	d.Input, d.Output = make([]int64, n), make([]int64, n)
	d.Failures, d.Stops = make([]int64, n), make([]int64, n)
	for start, marks := range m.timeline.marks {
		if i := a.bar(start, m.o.Zone); i >= 0 {
			d.Failures[i] += marks.failures
			d.Stops[i] += marks.stops
		}
	}
	m.spendOverTime()
	for i, title := range d.Titles {
		m.page.Trend = append(m.page.Trend, trendBar{title, count(d.Input[i]), count(d.Output[i]), count(d.Failures[i]), count(d.Stops[i])})
	}
}

func (m *maker) spendOverTime() {
	a, d := &m.axis, &m.page.Data
	sums := make(map[int][]sum) // by colour
	var most float64
	totals := make([]sum, len(a.starts))
	// In order, so that sums are rounded the same way each time.
	for _, key := range sortedKeys(m.timeline.cells) {
		cell := m.timeline.cells[key]
		i := a.bar(key.start, m.o.Zone)
		if i < 0 {
			continue
		}
		color, ok := m.color[key.model]
		if !ok {
			color = otherColor
		}
		if sums[color] == nil {
			sums[color] = make([]sum, len(a.starts))
		}
		sums[color][i].add(cell.cost.value())
		totals[i].add(cell.cost.value())
		d.Input[i] = addCount(d.Input[i], cell.input)
		d.Output[i] = addCount(d.Output[i], cell.output)
	}
	for i := range totals {
		most = max(most, math.Abs(totals[i].value()))
	}
	d.Digits = digitsFor(most)
	for color := range otherColor + 1 {
		if sums[color] == nil {
			continue
		}
		s := chartSeries{Color: color, Name: m.colorName(color)}
		some := false // else it is a model without a price
		for i := range sums[color] {
			s.Cost = append(s.Cost, drawable(sums[color][i].value()))
			some = some || s.Cost[i] != 0
		}
		if some {
			d.Series = append(d.Series, s)
		}
	}
	m.legend()
	for i, title := range d.Titles {
		bar := spendBar{Title: title, Total: money(totals[i].value(), d.Digits)}
		for _, s := range d.Series {
			bar.Cells = append(bar.Cells, money(sums[s.Color][i].value(), d.Digits))
		}
		m.page.Spend = append(m.page.Spend, bar)
	}
}

// legend fills the legend of the chart of spend: a line for each series.
func (m *maker) legend() {
	spent := make([]sum, otherColor+1)
	for _, index := range m.ranked {
		color, ok := m.color[index]
		if !ok {
			color = otherColor
		}
		spent[color].add(m.models.list[index].cost.value())
	}
	digits := digitsFor(m.total.Cost)
	for _, s := range m.page.Data.Series {
		m.page.Legend = append(m.page.Legend, legendItem{s.Color, labelOf(s.Name, noModel), money(spent[s.Color].value(), digits)})
	}
}

// colorName returns the name of what has a colour.
func (m *maker) colorName(color int) string {
	if color == otherColor {
		return things(int64(len(m.ranked)-len(m.color)), "other model")
	}
	return labelOf(m.models.list[m.ranked[color]].name, noModel).Text
}

// drawable returns an amount without the digits that are noise, which would make
// the page larger, and within what a chart can add up and find an axis for.
func drawable(usd float64) float64 {
	const most = 1e12
	switch {
	case usd >= most:
		return most
	case usd <= -most:
		return -most
	}
	return math.Round(usd*1e9)/1e9 + 0 // -0 reads odd
}

func sortedKeys(cells map[cellKey]*cell) []cellKey {
	keys := make([]cellKey, 0, len(cells))
	for key := range cells {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareCells)
	return keys
}

func compareCells(a, b cellKey) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.model, b.model))
}

func (m *maker) modelTables() {
	var most float64
	for _, index := range m.ranked {
		most = max(most, m.models.list[index].cost.value())
	}
	digits := digitsFor(most)
	for i, index := range m.ranked {
		if i == maxModelRows {
			m.page.MoreModel = fmt.Sprintf("and %s that spent less", things(int64(len(m.ranked)-i), "model"))
			break
		}
		one := &m.models.list[index]
		row := modelRow{
			Color: m.colorOf(index), Name: labelOf(one.name, noModel),
			Cost: "—", Calls: count(one.calls), Unpriced: count(one.unpriced),
			Input: count(one.input), Output: count(one.output),
		}
		if one.priced > 0 {
			row.Cost, row.Share = money(one.cost.value(), digits), percent(one.cost.value(), m.total.Cost)
			row.Bar = width(one.cost.value(), most)
		}
		m.page.Models = append(m.page.Models, row)
	}
	m.durationTable()
}

func (m *maker) colorOf(index int) int {
	if color, ok := m.color[index]; ok {
		return color
	}
	return otherColor
}

// width returns part as percent of most.
func width(part, most float64) string {
	if most <= 0 || part <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f", max(100*(part/most), 0.5))
}

func (m *maker) durationTable() {
	var timed []int
	for i := range m.models.list {
		if m.models.list[i].durations.total > 0 {
			timed = append(timed, i)
		}
	}
	slices.SortFunc(timed, func(a, b int) int {
		x, y := &m.models.list[a], &m.models.list[b]
		return cmp.Or(cmp.Compare(y.durations.total, x.durations.total), cmp.Compare(x.name, y.name))
	})
	for i, index := range timed[:min(len(timed), maxModelRows)] {
		one := &m.models.list[index]
		p := one.durations.percentiles(0.5, 0.9, 0.99)
		row := durationRow{
			Name: labelOf(one.name, noModel), Color: m.colorOf(index), Calls: count(one.durations.total),
			P50: elapsed(p[0]), P90: elapsed(p[1]), P99: elapsed(p[2]),
		}
		m.page.Durations = append(m.page.Durations, row)
		if i < chartModels {
			d := &m.page.Data.Durations
			d.Names = append(d.Names, row.Name.Text)
			d.P50, d.P90, d.P99 = append(d.P50, p[0]), append(d.P90, p[1]), append(d.P99, p[2])
		}
	}
}

func (m *maker) sessionTable() {
	ranked := m.sessions.ranked()
	var most float64
	for _, s := range ranked {
		most = max(most, s.cost.value())
	}
	digits := digitsFor(most)
	for i, s := range ranked {
		if i == topSessions {
			m.page.MoreSess = fmt.Sprintf("and %s that spent less", things(int64(len(ranked)-i), "session"))
			break
		}
		row := sessionRow{
			Name: labelOf(s.name, "(no session)"), Cost: "—", Bar: width(s.cost.value(), most),
			Calls: count(s.calls), Tokens: short(addCount(s.input, s.output)), Failures: count(s.failures),
			Begin: m.at(s.first, spanLayout),
		}
		if s.priced > 0 {
			row.Cost = money(s.cost.value(), digits)
		}
		if !s.first.IsZero() {
			row.Span = elapsed(s.last.Sub(s.first).Milliseconds())
		}
		m.page.Sessions = append(m.page.Sessions, row)
	}
}

// troubles fills what went wrong.
func (m *maker) troubles() {
	kinds := m.topFailures()
	for i, f := range kinds {
		if i == topFailures {
			m.page.MoreFail = fmt.Sprintf("and %s of failures", things(int64(len(kinds)-i), "other kind"))
			break
		}
		m.page.Failures = append(m.page.Failures, failureRow{
			labelOf(f.event, "(no name)"), labelOf(f.reason, "no reason given"), count(f.count), m.at(f.last, timeLayout),
		})
	}
	m.page.Stops = m.events(&m.stops)
	m.page.StopTrace = slices.ContainsFunc(m.page.Stops, func(row eventRow) bool { return row.Trace != "" })
	if more := m.stopped - int64(len(m.page.Stops)); more > 0 {
		m.page.MoreStops = fmt.Sprintf("and %s before", things(more, "budget stop"))
	}
}

// events returns the rows of a table of events.
func (m *maker) events(r *ring) []eventRow {
	var rows []eventRow
	var most float64
	for _, e := range r.entries {
		most = max(most, math.Abs(e.usage.Cost))
	}
	for _, e := range r.newestFirst() {
		rows = append(rows, m.event(e, max(4, digitsFor(most))))
	}
	return rows
}

func (m *maker) event(e *entry, digits int) eventRow {
	text := func(i int) string { return string(e.texts[i]) }
	row := eventRow{
		Time: m.at(e.time, timeLayout), Event: labelOf(text(textEvent), "(no name)"), Session: labelOf(text(textSession), ""),
		Model: labelOf(text(textModel), ""), Reason: labelOf(text(textReason), ""), Failed: e.failed, Stop: e.stop,
	}
	if e.usage.Priced {
		row.Cost = money(e.usage.Cost, digits)
	}
	if e.usage.HasTokens {
		row.Tokens = short(e.usage.InputTokens) + " / " + short(e.usage.OutputTokens)
	}
	if e.ms >= 0 {
		row.Duration = elapsed(e.ms)
	}
	if trace := text(textTrace); isHex(trace, 32) {
		row.TraceID, row.Trace = trace, trace[:8]
		span := text(textSpan)
		if !isHex(span, 16) {
			span = ""
		}
		if m.o.TraceURL != "" {
			row.TraceURL = traceURL(m.o.TraceURL, trace, span)
		}
	}
	return row
}

// notes says how the figures were made, as far as it matters here.
func (m *maker) notes() {
	note := func(format string, args ...any) {
		m.page.Notes = append(m.page.Notes, fmt.Sprintf(format, args...))
	}
	note("Costs are those that events report, in US dollars; nothing is computed from price lists.")
	if m.joined > 0 {
		note("%s logged more than once, as a span and as a record for example, and counted once.", was(m.joined, "model call"))
	}
	if m.page.Durations != nil {
		note("Half of a model’s calls took no longer than p50, 99 of 100 no longer than p99; durations are rounded to three digits.")
	}
	if m.failed > 0 {
		note("Failures are events of severity ERROR and above, with failed=true, with an error or exception attribute, or whose name ends in error, failed or _fail, " +
			"and gates that failed to parse or to reach the model.")
	}
	if m.untimed > 0 {
		note("%s without a valid time: in the sums, but not in the charts over time.", was(m.untimed, "event"))
	}
	if m.axis.outside > 0 {
		note("%s far from all others in time, and not in the charts over time.", was(m.axis.outside, "event"))
	}
	if m.sessions.dropped > 0 {
		note("The log has more than %s; those that spent least were forgotten while counting, so a session that spent little at first may have spent more than is shown.",
			things(maxSessions, "session"))
	}
}
