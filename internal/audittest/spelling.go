package audittest

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// order is that of the keys before and behind the further ones, FORMAT.md
// section 2; otelOrder and derivedOrder are those of section 4.
var (
	order = []string{"ts", "event", "session_id", "cost", "model", "input_t", "output_t",
		"cache_read_t", "cache_write_t", "cache_write_1h_t", "reasoning_t", "files", "reason",
		"confidence", "duration_ms", "config", "tool", "failed", "call_id", "", "trace_id", "span_id", "trace_flags", "otel"}
	otelOrder = []string{"time_unix_nano", "observed_time_unix_nano", "event_name", "severity_number",
		"severity_text", "body", "dropped_attributes_count", "derived", "attributes", "emitter", "same", "scope", "resource"}
	derivedOrder = append(slices.Clone(order[2:19]), sessionDefault)
)

// sessionDefault stands in otel.derived, and is no key of the line.
const sessionDefault = "session_default"

// The two spellings of numbers in FORMAT.md section 3.
var (
	integer = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	float   = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$`)
)

// checkSpelling returns what a schema cannot see: white space, escapes, the
// spelling of numbers, the order of keys. line is a JSON object.
func checkSpelling(line []byte) error {
	var keys, otelKeys, derived []string
	depth, inOtel, inDerived := 0, false, false
	for i := 0; i < len(line); {
		switch c := line[i]; c {
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			inOtel = inOtel && depth > 1
			inDerived = inDerived && depth > 2
			i++
		case ',', ':':
			i++
		case '"':
			n, err := checkString(line[i:])
			if err != nil {
				return fmt.Errorf("byte %d: %w", i, err)
			}
			text := string(line[i+1 : i+n-1])
			i += n
			isKey := i < len(line) && line[i] == ':'
			switch {
			case isKey && depth == 1:
				keys = append(keys, text)
				inOtel = text == "otel"
			case isKey && depth == 2 && inOtel:
				otelKeys = append(otelKeys, text)
				inDerived = text == "derived"
			case depth == 3 && inDerived:
				derived = append(derived, text)
			}
		case 't', 'f', 'n':
			i += len("true")
			if c == 'f' {
				i++
			}
		default:
			n := len(line[i:]) - len(bytes.TrimLeft(line[i:], "+-.0123456789eE"))
			if n == 0 {
				return fmt.Errorf("byte %d: %q outside a string", i, c)
			}
			if err := checkNumber(string(line[i : i+n])); err != nil {
				return fmt.Errorf("byte %d: %w", i, err)
			}
			i += n
		}
	}
	if !slices.Contains(keys, "otel") {
		// Another program's attributes may have these names.
		keys = slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(order[16:19], key) })
	}
	if err := checkOrder(keys, order); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := checkOrder(otelKeys, otelOrder); err != nil {
		return fmt.Errorf("keys of otel: %w", err)
	}
	if err := checkOrder(derived, derivedOrder); err != nil {
		return fmt.Errorf("otel.derived: %w", err)
	}
	for _, key := range derived {
		if key != sessionDefault && !bytes.Contains(line, []byte(`"`+key+`":`)) {
			return fmt.Errorf("otel.derived names %s, which the line does not have", key)
		}
	}
	return nil
}

// checkOrder holds keys against an order in which "" stands for all others.
func checkOrder(keys, order []string) error {
	rank := func(key string) int {
		others := -1
		for i, k := range order {
			if k == key && k != "" {
				return i
			}
			if k == "" {
				others = i
			}
		}
		return others
	}
	seen := make(map[string]bool)
	last := 0
	for _, key := range keys {
		if seen[key] {
			return fmt.Errorf("%s occurs twice", key)
		}
		seen[key] = true
		r := rank(key)
		if r < last {
			return fmt.Errorf("%s stands too late in %s", key, strings.Join(keys, " "))
		}
		last = r
	}
	return nil
}

// checkString returns the length of the string literal that text begins with.
func checkString(text []byte) (int, error) {
	for i := 1; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '"':
			return i + 1, nil
		case r == '\\':
			n, err := checkEscape(text[i:])
			if err != nil {
				return 0, err
			}
			size = n
		case r == utf8.RuneError && size == 1:
			return 0, fmt.Errorf("invalid UTF-8 %#x", text[i])
		case escaped(r):
			return 0, fmt.Errorf("%U is not escaped", r)
		}
		i += size
	}
	return 0, errors.New("string without end")
}

func checkEscape(text []byte) (int, error) {
	if len(text) > 1 && strings.IndexByte(`"\nrt`, text[1]) >= 0 {
		return 2, nil
	}
	if len(text) < 6 || text[1] != 'u' {
		return 0, fmt.Errorf("escape %.6q is not of FORMAT.md", text)
	}
	r, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil || !escaped(rune(r)) || bytes.ContainsAny(text[2:6], "ABCDEF") || strings.ContainsRune("\n\r\t", rune(r)) {
		return 0, fmt.Errorf("escape %.6q is not of FORMAT.md", text)
	}
	return 6, nil
}

// escaped tells the runes that FORMAT.md section 3 writes as \u escapes.
func escaped(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x061c || r == 0x200e || r == 0x200f ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}

func checkNumber(text string) error {
	if integer.MatchString(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= -1<<53 || n >= 1<<53 {
			return fmt.Errorf("%s is not below 2^53 in size", text)
		}
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !float.MatchString(text) {
		return fmt.Errorf("%s is no number of FORMAT.md", text)
	}
	want := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(want, ".e") {
		want += ".0"
	}
	if text != want {
		return fmt.Errorf("%s is spelled %s in FORMAT.md", text, want)
	}
	return nil
}
