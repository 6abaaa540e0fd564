package main

import (
	"math"
	"strings"
	"testing"
)

func TestNumbersAreGroupedAndNeverTooWide(t *testing.T) {
	for n, want := range map[int64][2]string{
		0:             {"0", "0"},
		-1:            {"-1", "-1"},
		999:           {"999", "999"},
		1000:          {"1,000", "1,000"},
		9_999:         {"9,999", "9,999"},
		10_000:        {"10,000", "10.0k"},
		-123_456:      {"-123,456", "-123k"},
		99_949:        {"99,949", "99.9k"},
		99_950:        {"99,950", "100k"},
		999_499:       {"999,499", "999k"},
		999_500:       {"999,500", "1.0M"},
		1_234_567:     {"1,234,567", "1.2M"},
		5_000_000_000: {"5,000,000,000", "5.0G"},
		math.MaxInt64: {"9,223,372,036,854,775,807", "9.2E"},
		math.MinInt64: {"-9,223,372,036,854,775,808", "-9.2E"},
	} {
		if got := [2]string{count(n), shortCount(n)}; got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	for usd, want := range map[float64][2]string{
		0:                {"0.000000", "0.0000"},
		12.5:             {"12.500000", "12.5000"},
		-1234.5:          {"-1,234.500000", "-1,234.5000"},
		0.00004:          {"0.000040", "4.000e-05"}, // not nothing
		-4e-9:            {"-4.000e-09", "-4.000e-09"},
		999_999_999_999:  {"999,999,999,999.000000", "999,999,999,999.0000"},
		1e12:             {"1.000e+12", "1.000e+12"},
		-math.MaxFloat64: {"-1.798e+308", "-1.798e+308"},
	} {
		if got := [2]string{amount(usd, 6), amount(usd, 4)}; got != want {
			t.Errorf("%v: got %q, want %q", usd, got, want)
		}
	}
}

func TestTextsAreCutAtAWidthInWhichWideCharactersCountTwice(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"model", 5, "model"},
		{"models", 5, "mode…"},
		{"模型模型", 8, "模型模型"},
		{"模型模型", 7, "模型模…"},
		{"模型模型", 6, "模型…"}, // half of a character is none
		{"é", 1, "é"},
		{strings.Repeat("x", 100), 1, "…"},
	} {
		if got := cut(test.text, test.width); got != test.want {
			t.Errorf("%s to %d: got %s, want %s", test.text, test.width, got, test.want)
		}
	}
}

func TestATextInCSVIsNoFormula(t *testing.T) {
	for text, want := range map[string]string{
		"":         "",
		"gpt-4o":   "gpt-4o",
		"a=b":      "a=b",
		"=1+1":     "'=1+1",
		"+1":       "'+1",
		"-1":       "'-1",
		"@SUM(A1)": "'@SUM(A1)",
		"\t=1":     "'\t=1",
		"\r=1":     "'\r=1",
		"＝1":       "'＝1",
		"'a":       "''a",
	} {
		if got := csvText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
