// Package emitters holds what is known of the programs and libraries that send
// records: which of their records are calls of a model, and where these say
// tokens, cost, session and failure. One file in data describes one emitter;
// tables.go and docs/emitters.md are generated from them.
package emitters

// All are the emitters, those of the files in data. Conventions is not among them.
var All = all

// Conventions apply to records of no known emitter, and to what the file of an
// emitter leaves open.
var Conventions = conventions

// Emitter is what is known of the records of one program or library.
type Emitter struct {
	Name     string
	Provider string // of its models, where its records do not say one
	Match    Match
	Records  []Record // the first that fits a record says what it is
	Fields   []Field
	Tokens   []Tokens // the first that fits a record says how its numbers read
}

// Match says how the records of an emitter are recognised. A trailing * stands
// for any characters.
type Match struct {
	First    []string // keys of attributes that only this emitter has, in any scope
	Scopes   []string // names of scopes
	Markers  []string // keys of attributes, where the scope is of no known emitter
	Services []string // service.name, where nothing else is known
	Events   []string // names of log records, where nothing else is known
}

// Kind says what a record is.
type Kind uint8

// The kinds. The zero Kind is that of records of which nothing is said.
const (
	Call   Kind = iota + 1 // one request to a model
	Sum                    // it sums up calls: an agent, a workflow
	Tool                   // the execution of a tool
	Step                   // neither: a part of a call or around calls
	Repeat                 // it repeats what another record always says
	Open                   // a log record that is a call if it has usage
)

// Signal says whether a record is a span or a log record.
type Signal uint8

// The signals. The zero Signal is both.
const (
	Spans Signal = iota + 1
	Logs
)

// Record says what records are for which all of When hold.
type Record struct {
	Kind   Kind
	Signal Signal
	When   []Condition
	// Event is the name of the event of a span: itself, or, behind an @, the key
	// of the attribute that holds it.
	Event string
	// Failed says that such a record is a failure; else one of FailedIf does.
	Failed   bool
	FailedIf []Condition
	// OfSpan says that the span of a log record is the span of its call, which
	// has no other log record of that kind.
	OfSpan bool
	// Same are the fields that a span and a log record of one call have in common.
	Same []string
}

// Condition holds if the attribute has one of Values. A * in front or behind stands
// for any characters, and an empty value for no attribute. @name is the name of a
// span or of the event.
type Condition struct {
	Key    string
	Values []string
}

// Field says where a field of the line comes from: the first source that is
// there. The name is a key of FORMAT.md section 2, or one of the Names below.
type Field struct {
	Name    string
	Sources []Source
}

// Names of what is read of records besides the fields of the line.
const (
	FinishReason = "finish_reason"
	ResponseID   = "response_id"
	HTTPStatus   = "http_status"
)

// Source is an attribute that a field can come from.
type Source struct {
	Key  string
	JSON string // path in the JSON text that the attribute is, its names joined with dots
	As   string // how the value is read, if not as values of the field are
	When []Condition
	// Without is what a number of tokens of this source leaves out: fields, or keys
	// of attributes. It goes before what Tokens say.
	Without []string
}

// Tokens say how the numbers of records read for which all of When hold.
type Tokens struct {
	When []Condition
	// Input and Output are what the numbers of input and output tokens leave
	// out: fields, or keys of attributes.
	Input, Output []string
}
