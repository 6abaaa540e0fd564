package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAmountsAreReadable(t *testing.T) {
	for _, test := range []struct {
		usd    float64
		digits int
		want   string
	}{
		{0, 2, "$0.00"},
		{1234567.891, 2, "$1,234,567.89"},
		{12.345, 2, "$12.35"},
		{0.0041, 4, "$0.0041"},
		{0.00004, 4, "<$0.0001"},
		{1e-15, 6, "$0.000000"}, // what rounding leaves of sums
		{-1e-15, 6, "$0.000000"},
		{-3.5, 2, "−$3.50"},
		{-0.001, 2, ">−$0.01"},
		{1e15, 2, "$1.00e+15"},
		{math.MaxFloat64, 2, "$1.80e+308"},
	} {
		if got := money(test.usd, test.digits); got != test.want {
			t.Errorf("money(%v, %d): got %s, want %s", test.usd, test.digits, got, test.want)
		}
	}
	for most, want := range map[float64]int{0: 2, 100: 2, 1: 2, 0.99: 4, 0.01: 4, 0.009: 6, -5: 2} {
		if got := digitsFor(most); got != want {
			t.Errorf("digitsFor(%v): got %d, want %d", most, got, want)
		}
	}
}

func TestNumbersAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.00K", 9994: "9.99K", 9996: "10.0K", 99_960: "100K", 999_499: "999K", 999_500: "1.00M", 1_234_567: "1.23M", 69_900_000: "69.9M", 3e9: "3.00B", 4e12: "4.00T", 5e15: "5000T", math.MaxInt64: "9,223,372T"} {
		if got := short(n); got != want {
			t.Errorf("short(%d): got %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 12: "12", 123: "123", 1234: "1,234", 1234567: "1,234,567", -1234: "−1,234"} {
		if got := count(n); got != want {
			t.Errorf("count(%d): got %s, want %s", n, got, want)
		}
	}
	for ms, want := range map[int64]string{0: "0 ms", 999: "999 ms", 1000: "1.00 s", 9_990: "9.99 s", 12_340: "12.3 s", 59_960: "0 min 59 s", 60_000: "1 min 00 s", 3_599_999: "59 min 59 s", 3_600_000: "1 h 00 min", 90 * 3_600_000: "3 days"} {
		if got := elapsed(ms); got != want {
			t.Errorf("elapsed(%d): got %s, want %s", ms, got, want)
		}
	}
}

func TestLabelsAreShortAndSeen(t *testing.T) {
	for _, test := range []struct {
		text string
		want label
	}{
		{"", label{Text: "none"}},
		{"gpt-5", label{Text: "gpt-5"}},
		{"a\u202eb\x00\n", label{Text: `a\u202eb\x00\n`}},
		{strings.Repeat("é", 80), label{Text: strings.Repeat("é", 80)}},
		{strings.Repeat("é", 81), label{strings.Repeat("é", 79) + "…", strings.Repeat("é", 81)}},
		{strings.Repeat("x", 1000), label{strings.Repeat("x", 79) + "…", strings.Repeat("x", 199) + "…"}},
	} {
		if diff := cmp.Diff(test.want, labelOf(test.text, "none")); diff != "" {
			t.Errorf("%.20q (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestPercentilesAreThoseOfTheSortedList(t *testing.T) {
	var d durations
	var list []int64
	for i := range int64(1000) {
		ms := i * i * 7
		d.count(ms, 1)
		list = append(list, ms)
	}
	d.count(5, 1) // told of twice
	d.count(5, -1)
	slices.Sort(list)
	shares := []float64{0.5, 0.9, 0.99, 1}
	for i, got := range d.percentiles(shares...) {
		want := list[int(math.Ceil(shares[i]*1000))-1]
		if math.Abs(float64(got-want)) > float64(want)/190 {
			t.Errorf("p%v: got %d, want %d to half a percent", 100*shares[i], got, want)
		}
	}
	if n := len(d.counts); n > 3000 {
		t.Errorf("%d durations are kept, want a thousand for each power of ten at most", n)
	}
	one := durations{}
	one.count(1234, 1)
	if got := fmt.Sprint(one.percentiles(0.5, 0.99)); got != "[1230 1230]" {
		t.Errorf("of one: got %s", got)
	}
}

func TestSumsLoseNoDigits(t *testing.T) {
	var s sum
	for range 1_000_000 {
		s.add(0.1)
	}
	s.add(1e12)
	s.add(-1e12)
	if got := s.value(); math.Abs(got-100_000) > 1e-9 {
		t.Errorf("got %v, want 100000", got)
	}
	for _, x := range []float64{math.MaxFloat64, math.MaxFloat64, -5} {
		s.add(x)
	}
	if got := s.value(); math.IsInf(got, 0) || math.IsNaN(got) {
		t.Errorf("got %v, want a number", got)
	}
}

func TestTraceURLs(t *testing.T) {
	for template, want := range map[string]string{
		"": "",
		"https://jaeger.example/trace/{trace_id}":                               "",
		"http://localhost:3000/explore?left={\"q\":\"{trace_id}\"}&s={span_id}": "",
		"https://jaeger.example/trace/":                                         "want {trace_id} where",
		"ftp://x/{trace_id}":                                                    "want an http or https URL",
		"javascript:alert(\"{trace_id}\")":                                      "want an http or https URL",
		"/trace/{trace_id}":                                                     "want an http or https URL",
		"https:///{trace_id}":                                                   "want an http or https URL",
		"https://x/\x7f{trace_id}":                                              "want an http or https URL",
	} {
		err := CheckTraceURL(template)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", template, err, want)
		}
	}
}
