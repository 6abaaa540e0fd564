// Package spend adds up what the events of a log say was spent.
//
// # Invariants
//
//   - Sums are exact: costs are added without rounding, so the order of adding and the number
//     of goroutines do not matter (exact.go).
//   - A call of a model that is logged more than once counts once (calls.go), and so does a
//     repeated line (repeats.go, scan.Identity). Both are found in a window of 4,096 calls, or
//     of events with a uid, so that memory has a bound.
//   - A span record (scan.Amounts.SpanRecord) is no event.
//   - A line with a default session has the one that other lines name (scan.Sessions). A
//     scan.Matcher completes it before a filter or a group uses it.
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
//     corrects slots (running.go: Running.read, slots.go: callTally.add). Events whose session
//     a later line may name wait (pending.go). Budgets, hourly sums and InPeriods are made of it.
//
// # Where to add a rule
//
// Which events are one call is decided in calls.go only. An identity that events of one call
// share is a new kind of id: callOf finds its value in the line, and mayBeOne says what else
// must agree. deduper.ofSpan and joinFamily are the two identities that look at more than two
// events. merge decides what the joined call says. A sum of one more number is a field of
// scan.Amounts, sum and Totals.
package spend
