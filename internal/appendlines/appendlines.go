// Package appendlines gives the packages of this module a way to append encoded lines to
// an auditlog.Log. A method of Log for it would be public, though no other module could
// make its argument.
package appendlines

// Append and AppendToDisk are of type
//
//	func(context.Context, *auditlog.Log, *jsonline.Lines) error
//
// Package auditlog sets them when it is initialized, so that every package that imports
// it finds them. This package cannot name their type: auditlog imports it.
//
// Append keeps the promises of auditlog's Log.Append. AppendToDisk returns nil when the
// lines are on stable storage; it waits for these lines only. The caller may use the
// lines again when the call returns.
var (
	Append       any
	AppendToDisk any
)
