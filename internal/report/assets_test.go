package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

// chartVersion and chartSHA256 are of the file that `make chartjs` gets.
const (
	chartVersion = "Chart.js v4.6.1"
	chartSHA256  = "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2"
)

func TestTheChartLibraryIsWhatItsMakersPublished(t *testing.T) {
	sum := sha256.Sum256(chartJS)
	if got := hex.EncodeToString(sum[:]); got != chartSHA256 {
		t.Errorf("assets/chartjs/chart.umd.min.js has the SHA-256 %s, want %s: make chartjs gets it again", got, chartSHA256)
	}
	if !bytes.Contains(chartJS[:200], []byte(chartVersion)) {
		t.Errorf("assets/chartjs/chart.umd.min.js is not %s", chartVersion)
	}
}

// A browser runs what the policy names by its hash, and nothing else.
func TestThePolicyAllowsTheStyleAndTheScriptsOfThePageOnly(t *testing.T) {
	page := pageOf(t, putLines(t, `{"event":"nav","ts":"2026-02-13T14:30:00Z","cost":1}`), Options{})
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	if policy == nil {
		t.Fatal("the page has no policy")
	}
	want := "default-src 'none'; style-src " + hashes(page, "style") + "; script-src " + hashes(page, "script") + "; img-src data:; base-uri 'none'; form-action 'none'"
	if got := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy[1]); got != want {
		t.Errorf("got the policy\n%s, want\n%s", got, want)
	}
}

// hashes returns the hashes of the elements that a browser would run.
func hashes(page, element string) string {
	var list []string
	for _, m := range regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1) {
		sum := sha256.Sum256([]byte(m[1]))
		list = append(list, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(list, " ")
}
