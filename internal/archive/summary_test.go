package archive

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestSummaryIsFoundAmongOtherFields(t *testing.T) {
	s := Summary{Events: 1}
	data, err := s.Encode()
	if err != nil || len(data) != SummarySize {
		t.Fatalf("got %d bytes, %v, want %d", len(data), err, SummarySize)
	}
	field := append([]byte{'o', 'a', SummarySize, 0}, data...)
	header := func(extra []byte) []byte {
		head := []byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0}
		return append(binary.LittleEndian.AppendUint16(head, uint16(len(extra))), extra...)
	}
	before := []byte{'B', 'C', 2, 0, 1, 2}
	for name, test := range map[string]struct {
		head  []byte
		found bool
	}{
		"alone":         {header(field), true},
		"behind":        {header(append(bytes.Clone(before), field...)), true},
		"before":        {header(append(bytes.Clone(field), before...)), true},
		"cut":           {header(field)[:50], false},
		"other":         {header(before), false},
		"wrong length":  {header([]byte{'o', 'a', 255, 255, 1}), false},
		"no field":      {header(nil), false},
		"half a head":   {header([]byte{'o', 'a', 1}), false},
		"no extra flag": {append([]byte{0x1f, 0x8b, 8, 0}, header(field)[4:]...), false},
		"no gzip":       {append([]byte{'P', 'K'}, header(field)[2:]...), false},
	} {
		if got := findSummary(test.head); (got != nil) != test.found {
			t.Errorf("%s: got %x", name, got)
		}
	}
}
