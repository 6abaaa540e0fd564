package screenshots

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/demolog"
	"github.com/otelaudit/otelaudit/internal/report"
)

var update = flag.Bool("update", false, "take the pictures in docs/images again")

// painted returns how many colours each chart has, those of text aside.
const painted = `pixels().map((counts) => [...counts.values()].filter((n) => n > 60).length)`

// firstModel returns on how many pixels of the first chart the first model's
// colour is.
const firstModel = `pixels()[0].get(new Uint32Array(new Uint8ClampedArray([0x00, 0x72, 0xb2, 255]).buffer)[0]) || 0`

// definePixels makes a function that counts the pixels of each chart by colour.
// It looks at copies: a browser complains if the canvas of somebody who draws is
// read.
const definePixels = `window.pixels = () => [...document.querySelectorAll("canvas")].map((c) => {
	const copy = new OffscreenCanvas(c.width, c.height).getContext("2d", { willReadFrequently: true });
	copy.drawImage(c, 0, 0);
	const counts = new Map();
	for (const p of new Uint32Array(copy.getImageData(0, 0, c.width, c.height).data.buffer)) {
		if (p >>> 24 === 255) counts.set(p, (counts.get(p) || 0) + 1);
	}
	return counts;
}); true`

const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

var demoOptions = report.Options{Title: "Coding agents, week 7", TraceURL: "https://jaeger.example/trace/{trace_id}"}

// TestPictures looks at the report of the demo log as its readers do.
func TestPictures(t *testing.T) {
	browser := startBrowser(t)
	file := writeReport(t, demolog.Events(), demoOptions)
	for _, look := range []struct {
		name   string
		device device
		height float64
	}{
		{"light", desktop, 2400},
		{"dark", night, 2400},
		{"phone", phone, 1600},
	} {
		t.Run(look.name, func(t *testing.T) {
			b := open(browser, t, file, look.device)
			charts := eval[[]int](b, painted)
			if len(charts) != 4 {
				t.Fatalf("got %d charts, want 4", len(charts))
			}
			for i, least := range []int{7, 2, 3, 2} {
				if charts[i] < least {
					t.Errorf("chart %d has %d colours, want %d or more", i, charts[i], least)
				}
			}
			if dark := eval[string](b, `getComputedStyle(document.body).backgroundColor`) != "rgb(255, 255, 255)"; dark != (look.device.scheme == "dark") {
				t.Errorf("the page is dark: %v", dark)
			}
			if more := eval[int](b, tooWide); more > 0 {
				t.Errorf("the page is %d pixels wider than the screen", more)
			}
			png := b.picture(look.device, look.height)
			b.quiet(file)
			if len(png) > 300_000 {
				t.Errorf("the picture has %d bytes, want at most 300,000", len(png))
			}
			dir := t.ArtifactDir()
			if *update {
				dir = filepath.Join("..", "images")
			}
			if err := os.WriteFile(filepath.Join(dir, "report-"+look.name+".png"), png, 0o644); err != nil { //nolint:gosec // for everybody
				t.Fatal(err)
			}
		})
	}
}

// TestThePageCanBeUsed clicks what can be clicked.
func TestThePageCanBeUsed(t *testing.T) {
	browser := startBrowser(t)
	file := writeReport(t, demolog.Events(), demoOptions)
	b := open(browser, t, file, desktop)
	if n := eval[int](b, firstModel); n < 1000 {
		t.Errorf("the first model has %d pixels, want more", n)
	}
	b.do(chromedp.Click(chromedp.CSS("#legend button")))
	if n := eval[int](b, firstModel); n != 0 {
		t.Errorf("the first model has %d pixels after it was hidden, want none", n)
	}
	if pressed := eval[string](b, `document.querySelector("#legend button").ariaPressed`); pressed != "false" {
		t.Errorf("the button of a hidden model is pressed: %s", pressed)
	}
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	if background := eval[string](b, `getComputedStyle(document.body).backgroundColor`); background == "rgb(255, 255, 255)" {
		t.Error("the page is not dark after a click")
	}
	const allOpen = `[...document.querySelectorAll("details")].every((d) => d.open)`
	if !eval[bool](b, `dispatchEvent(new Event("beforeprint")); `+allOpen) {
		t.Error("on paper some tables are closed")
	}
	if eval[bool](b, `dispatchEvent(new Event("afterprint")); `+allOpen) {
		t.Error("after printing the tables stay open")
	}
	if rows := eval[int](b, `document.querySelectorAll("#spend-chart, details table tbody tr").length`); rows < 28 {
		t.Errorf("got %d rows behind the charts, want one for each bar", rows)
	}
	want := "https://jaeger.example/trace/"
	if link := eval[string](b, `document.querySelector(".events a").href`); len(link) != len(want)+32 || link[:len(want)] != want {
		t.Errorf("got a link to %s, want %s and a trace", link, want)
	}
	b.quiet(file)
}

// TestOddLogsAreShown has logs at the edge of what is sensible, on a phone.
func TestOddLogsAreShown(t *testing.T) {
	browser := startBrowser(t)
	at := time.Date(2026, 2, 13, 14, 30, 0, 0, time.UTC)
	many := make([]auditlog.Event, 0, 300)
	for i := range 300 {
		many = append(many, auditlog.Event{
			Time: at.Add(time.Duration(i) * time.Minute), Name: "llm.call", Model: fmt.Sprintf("model-%02d", i%30), Cost: new(float64(i%30) / 3),
			InputTokens: new(int64(1000)), OutputTokens: new(int64(10)), Duration: new(time.Duration(i) * time.Millisecond),
		})
	}
	for name, test := range map[string]struct {
		events []auditlog.Event
		charts int
	}{
		"nothing":                  {nil, 0},
		"one event":                {[]auditlog.Event{{Time: at, Name: "nav"}}, 0},
		"one call":                 {[]auditlog.Event{{Time: at, Name: "llm.call", Model: "m", Cost: new(0.001)}}, 1},
		"no costs":                 {[]auditlog.Event{{Time: at, Name: "llm.call", Model: "m", InputTokens: new(int64(10))}}, 1},
		"30 models":                {many, 3},
		"hostile texts":            {demolog.Hostile(), 4},
		"costs beyond all reason":  {[]auditlog.Event{{Time: at, Name: "a", Cost: new(1e308)}, {Time: at, Name: "a", Cost: new(1e308)}, {Time: at, Name: "a", Cost: new(-3.0)}}, 1},
		"the first and last years": {[]auditlog.Event{{Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), Name: "a", Cost: new(1.0)}, {Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Name: "a", Cost: new(1.0)}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeReport(t, test.events, report.Options{TraceURL: demoOptions.TraceURL, Title: `</title><script>window.pwned=1</script>`})
			b := open(browser, t, file, phone)
			if charts := eval[int](b, `document.querySelectorAll("canvas").length`); charts != test.charts {
				t.Errorf("got %d charts, want %d", charts, test.charts)
			}
			for i, colors := range eval[[]int](b, painted) {
				if colors == 0 {
					t.Errorf("chart %d is empty", i)
				}
			}
			if more := eval[int](b, tooWide); more > 0 {
				t.Errorf("the page is %d pixels wider than the screen", more)
			}
			if pwned := eval[bool](b, "'"+demolog.Pwned+"' in window"); pwned {
				t.Error("a text of the log ran as a script")
			}
			if scripts := eval[int](b, `document.querySelectorAll("script").length`); scripts != 3 {
				t.Errorf("the page has %d scripts, want 3", scripts)
			}
			if foreign := eval[int](b, `document.querySelectorAll("img, iframe, object, embed, form, svg *:not(rect), link:not([rel=icon]), [onerror], [onload], [onmouseover]").length`); foreign != 0 {
				t.Errorf("the page has %d elements that came from the log", foreign)
			}
			b.quiet(file)
		})
	}
}
