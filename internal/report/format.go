package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// digitsFor returns how many decimals a column of amounts needs whose largest
// is most: enough for three digits of it.
func digitsFor(most float64) int {
	switch most = math.Abs(most); {
	case most >= 1 || most == 0:
		return 2
	case most >= 0.01:
		return 4
	default:
		return 6
	}
}

// money formats USD. An amount that is lost by that is <$0.01, not nothing.
func money(usd float64, digits int) string {
	sign := ""
	if usd < 0 {
		sign, usd = "−", -usd
	}
	if usd >= 1e15 {
		return sign + "$" + strconv.FormatFloat(usd, 'e', 2, 64)
	}
	text := strconv.FormatFloat(usd, 'f', digits, 64)
	if strings.Trim(text, "0.") == "" {
		least := "$0." + strings.Repeat("0", digits-1) + "1"
		switch {
		case usd < 1e-12: // what rounding leaves of sums
			return "$" + text
		case sign != "":
			return ">−" + least
		default:
			return "<" + least
		}
	}
	whole, rest, _ := strings.Cut(text, ".")
	return sign + "$" + grouped(whole) + "." + rest
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func count(n int64) string {
	if n < 0 {
		return "−" + grouped(strconv.FormatInt(n, 10)[1:])
	}
	return grouped(strconv.FormatInt(n, 10))
}

// things returns n of them.
func things(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// short returns a large number with three digits.
func short(n int64) string {
	f, unit := float64(n), ""
	for _, next := range []string{"K", "M", "B", "T"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, next
	}
	switch {
	case unit == "":
		return count(n)
	case f >= 1e5:
		return count(int64(f)) + unit
	case f >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64) + unit
	case f >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64) + unit
	default:
		return strconv.FormatFloat(f, 'f', 2, 64) + unit
	}
}

// elapsed formats milliseconds.
func elapsed(ms int64) string {
	s := float64(ms) / 1000
	switch {
	case ms < 1000:
		return strconv.FormatInt(ms, 10) + " ms"
	case s < 9.995:
		return strconv.FormatFloat(s, 'f', 2, 64) + " s"
	case s < 59.95:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case ms < 3600_000:
		return fmt.Sprintf("%d min %02d s", ms/60_000, ms/1000%60)
	case ms < 48*3600_000:
		return fmt.Sprintf("%d h %02d min", ms/3600_000, ms/60_000%60)
	default:
		return count(ms/(24*3600_000)) + " days"
	}
}

// percent formats a share.
func percent(part, all float64) string {
	if all == 0 || math.IsNaN(part/all) {
		return ""
	}
	switch p := 100 * (part / all); {
	case p > 0 && p < 0.1:
		return "<0.1 %"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
}

// label is a text of the log, fit to be shown.
type label struct {
	Text  string // at most 80 characters
	Title string // at most 200, empty if Text is all
}

// labelOf returns the label of s, or of none if s is empty.
func labelOf(s, none string) label {
	if s == "" {
		return label{Text: none}
	}
	const text, title = 80, 200
	s = visible.Text(s)
	short := truncated(s, text)
	if short == s {
		return label{Text: s}
	}
	return label{short, truncated(s, title)}
}

// truncated returns at most n characters of s.
func truncated(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// title returns how a step of the axis that begins at t is called.
func (s step) title(t time.Time) string {
	switch s {
	case day:
		return t.Format("Mon 2 Jan 2006")
	case week:
		return t.Format("week of 2 Jan 2006")
	case month:
		return t.Format("January 2006")
	case year:
		return t.Format("2006")
	default:
		return t.Format("Mon 2 Jan 2006, 15:04")
	}
}

// tick is title below an axis.
func (s step) tick(t time.Time) string {
	switch {
	case s == year:
		return t.Format("2006")
	case s == month:
		return t.Format("Jan 2006")
	case s >= day, t.Hour() == 0 && t.Minute() == 0:
		return t.Format("2 Jan")
	default:
		return t.Format("15:04")
	}
}

// each says how much time a bar is.
func (s step) each() string {
	return [...]string{"minute", "5 minutes", "15 minutes", "hour", "6 hours", "day", "week", "month", "year"}[s]
}

const (
	timeLayout = "2 Jan 2006, 15:04:05"
	spanLayout = "2 Jan 2006, 15:04"
)
