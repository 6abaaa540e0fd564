package otlprepairextension

import (
	"bytes"
	"fmt"
	"sync"

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
	// is 2 bytes on the wire, and about 250 when it is decoded.
	maxMessages = 4 << 20
	// maxInFlight bounds the bytes of all HTTP bodies that are handled at the same
	// time.
	maxInFlight = 256 << 20
)

var (
	errNesting  = fmt.Errorf("a value is nested deeper than %d levels; send it as text", maxNesting)
	errMessages = fmt.Errorf("the request holds more than %d messages; send fewer records in a request", maxMessages)
)

// shape has the fields of a protobuf message that are messages themselves.
type shape map[protowire.Number]shape

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
			if fd := md.Fields().Get(i); fd.Message() != nil {
				s[fd.Number()] = build(fd.Message())
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

// checkProto returns an error if a request in protobuf holds more messages than
// the decoder may be given. A short request cannot.
func checkProto(request []byte, md protoreflect.MessageDescriptor) error {
	const smallest = 2 // bytes of a message in another one: its tag and its length
	if len(request) <= maxMessages*smallest || countMessages(request, shapeOf(md), 0) <= maxMessages {
		return nil
	}
	return errMessages
}

// countMessages returns how many messages are in a message, at any depth. What is
// not protobuf, or is deeper than the decoder takes, ends the count of its message.
func countMessages(text []byte, s shape, depth int) (n int) {
	for len(text) > 0 && depth <= 2*maxRecursion && n <= maxMessages {
		number, kind, length := protowire.ConsumeTag(text)
		if length < 0 {
			return n
		}
		text = text[length:]
		if kind != protowire.BytesType {
			if length = protowire.ConsumeFieldValue(number, kind, text); length < 0 {
				return n
			}
			text = text[length:]
			continue
		}
		inner, length := protowire.ConsumeBytes(text)
		if length < 0 {
			return n
		}
		text = text[length:]
		if child, ok := s[number]; ok {
			n += 1 + countMessages(inner, child, depth+1)
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
	}
	return nil
}
