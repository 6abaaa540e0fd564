package report_test

import (
	"fmt"

	"github.com/otelaudit/otelaudit/internal/report"
)

func ExampleCheckTraceURL() {
	fmt.Println(report.CheckTraceURL("https://jaeger.example/trace/{trace_id}"))
	fmt.Println(report.CheckTraceURL("https://jaeger.example/trace/"))
	// Output:
	// <nil>
	// want {trace_id} where the trace's id belongs, as in https://jaeger.example/trace/{trace_id}
}
