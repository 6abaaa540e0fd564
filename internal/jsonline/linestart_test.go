package jsonline_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

func TestLineStartFollowsTheLastLineFeed(t *testing.T) {
	long := strings.Repeat("x", 300<<10) // of more than one buffer
	for name, test := range map[string]struct {
		text   string
		offset int
		want   int
	}{
		"empty":                      {"", 0, 0},
		"in the first line":          {"ab\ncd\n", 2, 0},
		"behind a line feed":         {"ab\ncd\n", 3, 3},
		"in the second line":         {"ab\ncd\n", 5, 3},
		"at the end":                 {"ab\ncd\n", 6, 6},
		"without a line feed":        {long, len(long), 0},
		"in a long line":             {"ab\n" + long, 3 + len(long), 3},
		"behind a long line":         {long + "\n", len(long) + 1, len(long) + 1},
		"at the edge of a buffer":    {"\n" + long[:4<<10], 1 + 4<<10, 1},
		"behind the end of the file": {"ab\ncd", 100, 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jsonline.LineStart(strings.NewReader(test.text), int64(test.offset))
			if err != nil || got != int64(test.want) {
				t.Errorf("LineStart = %d, %v, want %d", got, err, test.want)
			}
		})
	}
}

var errRead = errors.New("read error")

type failingReader struct{ *bytes.Reader }

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, errRead }

func TestLineStartReturnsAReadError(t *testing.T) {
	if _, err := jsonline.LineStart(failingReader{}, 10); !errors.Is(err, errRead) {
		t.Errorf("LineStart = %v, want %v", err, errRead)
	}
}
