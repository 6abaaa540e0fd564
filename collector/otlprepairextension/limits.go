package otlprepairextension

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

const (
	// maxNesting is how many lists and maps of a value in JSON may be in each other:
	// as many as a line of the audit log takes. The receiver's decoder has no limit
	// there; it recurses until the stack of the process overflows. In protobuf it
	// takes maxRecursion messages of a value in each other, 33 maps for example.
	maxNesting   = otelline.MaxNesting
	maxRecursion = 100
	// maxJSONNesting is the nesting in OTLP/JSON of maxNesting maps, each of which
	// is {"kvlistValue":{"values":[{"key":…,"value":…}]}}, with room for the
	// objects of the request around them.
	maxJSONNesting = 4*maxNesting + 64
	// maxMessages bounds the memory that a decoded request takes: an empty record
	// is 2 bytes on the wire, and 110 to 250 when it is decoded.
	// In protobuf the messages that are in lists are counted, in JSON all objects.
	maxMessages = 4 << 20
	// maxInFlight bounds the bytes of all bodies that are handled at the same time.
	maxInFlight = 256 << 20
	// maxMessagesInFlight bounds the messages of all requests that are handled at
	// the same time. Those that were not counted come on top, at most maxMessages.
	maxMessagesInFlight = 2 * maxMessages
	// maxParts bounds the memory that lists of numbers and texts take in JSON: 21
	// bytes for each element. A repair takes 32 bytes for each member and element.
	maxParts = 8 << 20
)

var (
	errNesting  = fmt.Errorf("a value is nested deeper than %d levels; send it as text", maxNesting)
	errMessages = fmt.Errorf("the request holds more than %d messages; send fewer records in a request", maxMessages)
	errParts    = fmt.Errorf("the request holds more than %d members and elements; send fewer records in a request", maxParts)
	errBusy     = fmt.Errorf("the requests that are handled now fill the %d bytes or %d messages that may be in memory; send again", maxInFlight, maxMessagesInFlight)
)

// load is what the requests take that are being handled, over HTTP and gRPC. It is
// safe for concurrent use.
type load struct {
	bytes     atomic.Int64
	messages  atomic.Int64
	uncounted atomic.Int64 // bytes of the requests whose messages are not in messages
}

// share is what one request takes of a load. Its owner calls release when the
// request is answered.
type share struct {
	of                         *load
	bytes, messages, uncounted int64
}

func (s *share) addBytes(n int64) error { return take(&s.of.bytes, &s.bytes, n, maxInFlight) }

func (s *share) addMessages(n int64) error {
	return take(&s.of.messages, &s.messages, n, maxMessagesInFlight)
}

// addProto counts the messages of a request in protobuf. It returns an error if
// there are more than the decoder may be given. As long as all requests in flight
// are too short to hold that many, it does not look into them.
func (s *share) addProto(request []byte, mds ...protoreflect.MessageDescriptor) error {
	const smallest = 2 // bytes of a message in another one: its tag and its length
	if take(&s.of.uncounted, &s.uncounted, int64(len(request)), maxMessages*smallest) == nil {
		return nil
	}
	parts := 0
	for _, md := range mds {
		parts = max(parts, countParts(request, shapeOf(md), 0))
	}
	if parts > maxMessages*partsOfMessage {
		return errMessages
	}
	return s.addMessages(int64(parts / partsOfMessage))
}

func (s *share) release() {
	s.of.bytes.Add(-s.bytes)
	s.of.messages.Add(-s.messages)
	s.of.uncounted.Add(-s.uncounted)
	*s = share{of: s.of}
}

// take adds n to both, or returns an error if all would be above most.
func take(all *atomic.Int64, own *int64, n, most int64) error {
	if all.Add(n) > most {
		all.Add(-n)
		return errBusy
	}
	*own += n
	return nil
}

// shape has the fields of a protobuf message that are messages or lists.
type shape map[protowire.Number]part

// part is a field of a shape.
type part struct {
	isList bool
	shape  shape // nil for numbers and texts
}

// shapeOf is safe for concurrent use.
var shapeOf = func() func(protoreflect.MessageDescriptor) shape {
	var mu sync.Mutex
	known := make(map[protoreflect.FullName]shape)
	var build func(protoreflect.MessageDescriptor) shape
	build = func(md protoreflect.MessageDescriptor) shape {
		s, ok := known[md.FullName()]
		if ok {
			return s
		}
		s = make(shape)
		known[md.FullName()] = s
		for i := range md.Fields().Len() {
			switch fd := md.Fields().Get(i); {
			case fd.Message() != nil:
				s[fd.Number()] = part{fd.IsList(), build(fd.Message())}
			case fd.IsList():
				s[fd.Number()] = part{isList: true}
			}
		}
		return s
	}
	return func(md protoreflect.MessageDescriptor) shape {
		mu.Lock()
		defer mu.Unlock()
		return build(md)
	}
}()

// partsOfMessage is how many numbers of a list take the memory of a message.
const partsOfMessage = 4

// countParts returns how many numbers of lists are in a message, at any depth. A
// message or a text of a list counts as partsOfMessage: other messages are in the
// memory of theirs. A list of numbers counts its bytes. What is not protobuf, or is
// deeper than the decoder takes, ends the count of its message.
func countParts(text []byte, s shape, depth int) (n int) {
	for len(text) > 0 && depth <= 2*maxRecursion && n <= maxMessages*partsOfMessage {
		number, kind, length := protowire.ConsumeTag(text)
		if length < 0 {
			return n
		}
		text = text[length:]
		child := s[number]
		if kind != protowire.BytesType {
			if length = protowire.ConsumeFieldValue(number, kind, text); length < 0 {
				return n
			}
			text = text[length:]
			if child.isList {
				n++
			}
			continue
		}
		inner, length := protowire.ConsumeBytes(text)
		if length < 0 {
			return n
		}
		text = text[length:]
		switch {
		case child.shape == nil && child.isList:
			n += max(partsOfMessage, len(inner))
		case child.isList:
			n += partsOfMessage
		}
		if child.shape != nil {
			n += countParts(inner, child.shape, depth+1)
		}
	}
	return n
}

// extent is what one pass over a body in JSON finds out about its first value.
type extent struct {
	end     int // offset behind the value
	nesting int // of objects and arrays
	objects int
	parts   int // at most that many members and elements
}

// measure reads up to the end of the first object or array. Of a body that
// starts with anything else, all of it is the value: the receiver's decoder is
// asked what it is.
func measure(body []byte) (x extent) {
	open := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = stringEnd(body, i)
		case '{', '[':
			if body[i] == '{' {
				x.objects++
			}
			x.parts++
			open++
			x.nesting = max(x.nesting, open)
		case ',':
			x.parts++
		case '}', ']':
			if open--; open == 0 {
				x.end = i + 1
				return x
			}
		}
	}
	x.end = len(body)
	return x
}

// stringEnd returns the offset of the quote that ends the string at i, or the
// last offset of the body.
func stringEnd(body []byte, i int) int {
	for {
		n := bytes.IndexByte(body[i+1:], '"')
		if n < 0 {
			return len(body) - 1
		}
		i += 1 + n
		backslashes := 0
		for body[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
	}
}

// check returns an error if the value is more than the decoder may be given.
func (x *extent) check() error {
	switch {
	case x.nesting > maxJSONNesting:
		return errNesting
	case x.objects > maxMessages:
		return errMessages
	case x.parts > maxParts:
		return errParts
	}
	return nil
}
