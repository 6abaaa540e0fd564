package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
)

// The parts of a page. The chart library is the file that its makers publish.
var (
	//go:embed assets/page.html
	pageHTML string
	//go:embed assets/page.css
	pageCSS string
	//go:embed assets/page.js
	pageJS string
	//go:embed assets/chartjs/chart.umd.min.js
	chartJS []byte
)

// pageTemplate escapes what it is given for the place where it stands.
var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// render writes p. The page's security policy allows the style and the scripts
// of this very page, by their hashes, and nothing else: no request, no other
// script.
func render(w io.Writer, p *page) error {
	// Where the source of the library is does not matter to who reads a report,
	// and developer tools would look for it.
	chart, _, _ := bytes.Cut(chartJS, []byte("\n//# sourceMappingURL="))
	return pageTemplate.Execute(w, struct {
		*page
		CSS                           template.CSS
		Chart, Script                 template.JS
		CSSHash, ChartHash, ScriptSum string
	}{
		p,
		template.CSS(pageCSS), //nolint:gosec // a file of this package
		template.JS(chart),    //nolint:gosec // a file of this package
		template.JS(pageJS),   //nolint:gosec // a file of this package
		hashOf([]byte(pageCSS)), hashOf(chart), hashOf([]byte(pageJS)),
	})
}

// hashOf returns the hash by which a policy allows what stands between two tags.
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
