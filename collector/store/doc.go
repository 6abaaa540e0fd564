// Package store has no code. Its tests take audit files to where they go when one
// machine is not enough, with real programs: the otelaudit command, VictoriaLogs
// alone and as a cluster, and a collector with the file log receiver. They hold
// docs/scaling.md, whose commands and queries they run, to be true.
//
// Command measure below it measures what that page calculates with.
package store
