// Package archive knows the names of a log's archives, their order, and the summary
// in the header of a compressed one, as FORMAT.md section 1 defines them. It opens
// no file and knows neither writers nor readers.
package archive
