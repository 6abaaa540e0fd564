// Package otlpencodingextension is empty and built into nothing. Only the file
// exporter's own tests import the package that it stands for; go mod tidy wants
// that module nevertheless, and not every module proxy serves it. With this in
// its place, tidy gives the same result everywhere.
package otlpencodingextension
