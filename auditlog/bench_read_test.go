package auditlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

const benchmarkLines = 50_000

// benchmarkLog has lines as exporter writes them, of about 600 bytes.
func benchmarkLog(b *testing.B, name string) *auditlog.Reader {
	b.Helper()
	var content strings.Builder
	start := time.Date(2026, 2, 13, 0, 0, 0, 0, time.UTC)
	for n := range benchmarkLines {
		fmt.Fprintf(&content, `{"ts":"%s","event":"%s","session_id":"3f0f9a1e-5f0b-4f5e-9d43-%012d","cost":%v,"model":"claude-sonnet-4-6",`+
			`"input_t":%d,"output_t":%d,"duration_ms":%d,"gen_ai.operation.name":"chat","gen_ai.request.model":"claude-sonnet-4-6",`+
			`"log.record.uid":"019c5a50-7b5e-7e58-8000-%012d","prompt":"Where is the parser of \"audit lines\"?\nLook it up.",`+
			`"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","trace_flags":"01",`+
			`"otel":{"time_unix_nano":"1771000000000000000","severity_number":9,"derived":["cost"],`+
			`"scope":{"name":"agent"},"resource":{"attributes":{"service.name":"agent"}}}}`+"\n",
			start.Add(time.Duration(n)*time.Second).Format("2006-01-02T15:04:05.000Z"),
			[]string{"nav", "brief", "claude_code.api_request"}[n%3], n%50, float64(n%1000)/1e4, n%5000, n%300, n%9000, n)
	}
	r := putLog(b, map[string]string{name: content.String()})
	b.SetBytes(int64(content.Len()))
	b.ReportAllocs()
	b.ResetTimer()
	return r
}

func reportLines(b *testing.B) {
	b.ReportMetric(benchmarkLines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkSpend sums the cost of every line.
func BenchmarkSpend(b *testing.B) {
	for name, test := range map[string]struct {
		file string
		by   auditlog.GroupBy
	}{
		"active": {activeName, auditlog.ByNothing}, "gzip": {archiveName, auditlog.ByNothing}, "byHour": {activeName, auditlog.ByHour},
	} {
		b.Run(name, func(b *testing.B) {
			r := benchmarkLog(b, test.file)
			for b.Loop() {
				spend, err := r.Spend(b.Context(), auditlog.Filter{}, test.by)
				if err != nil || spend.Total.Events != benchmarkLines {
					b.Fatal(spend, err)
				}
			}
			reportLines(b)
		})
	}
}

// BenchmarkQuery looks for few events among many.
func BenchmarkQuery(b *testing.B) {
	r := benchmarkLog(b, activeName)
	filter := auditlog.Filter{
		Session: "3f0f9a1e-5f0b-4f5e-9d43-000000000007",
		Since:   time.Date(2026, 2, 13, 3, 0, 0, 0, time.FixedZone("", 3600)),
	}
	for b.Loop() {
		n := 0
		for _, err := range r.Query(b.Context(), filter) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n < benchmarkLines/60 || n > benchmarkLines/50 {
			b.Fatal(n)
		}
	}
	reportLines(b)
}

// BenchmarkLineFeeds is what a scan costs at the least: finding where lines
// end.
func BenchmarkLineFeeds(b *testing.B) {
	r := benchmarkLog(b, activeName)
	dir := filepath.Dir(onlyFile(b, r))
	for b.Loop() {
		content, err := os.ReadFile(filepath.Join(dir, activeName))
		if err != nil || strings.Count(string(content), "\n") != benchmarkLines {
			b.Fatal(err)
		}
	}
	reportLines(b)
}
