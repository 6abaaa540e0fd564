// Package spend adds up what the events of a log say was spent.
//
// # Invariants
//
//   - Sums are exact: costs are added without rounding, so the order of adding and the number
//     of goroutines do not matter (exact.go).
//   - A call of a model that is logged twice counts once (calls.go), and so does a repeated
//     line (repeats.go, scan.Identity). Both are found in a window of 4,096 events, so that
//     memory has a bound.
//   - All ways of summing use the same rules: Sum, Of, TallyOf and Running give one total for
//     one log.
//
// # Outline
//
//  1. A scan fills parts with sums by group (spend.go: spendPart.Event; keys: group.go).
//  2. Only if the scan met events that may be of one call, or a uid twice, a second scan
//     collects the calls (calls.go: callPart.Event, callOf).
//  3. recentIDs drops repeated lines (repeats.go), and the deduper finds events of one call
//     (calls.go: deduper.add). The sums are corrected by what they find (spender.dedup).
//  4. TallyOf does the same in one pass for a caller that adds up itself (tally.go).
//  5. Running keeps sums by slots of time, reads only what is new by history.Log.Since, and
//     corrects slots (running.go: Running.read, slots.go: callTally.add). Budgets, hourly
//     sums and InPeriods are made of it.
//
// # Where to add a rule
//
// Which events may be of one call is decided in calls.go only. An identity that events of one
// call share is a new index of call.ids: callOf finds its value in the line, deduper.find
// compares it and says what else must be equal. sources.mayJoin says which kinds of events may
// be joined at all, and merge what the joined call says. A sum of one more number is a field of
// scan.Amounts, sum and Totals.
package spend
