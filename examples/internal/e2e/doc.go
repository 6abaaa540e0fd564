// Package e2e holds tests only: of the whole way of a record, from the SDK
// through package exporter, the file and package bridge to a receiver, beside
// the same record sent there directly by otlploghttp.
package e2e
