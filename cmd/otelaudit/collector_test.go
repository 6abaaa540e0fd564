package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"
)

// collector is a scripted OTLP receiver. It accepts, and keeps in order, what
// its script does not answer.
type collector struct {
	mu       sync.Mutex
	arrived  *sync.Cond // a request came
	script   []int      // statuses of the next requests
	refused  string     // name of events whose requests get a 400
	partial  int64      // how many records of several it says are rejected
	requests int
	header   http.Header // of the last request
	accepted []string    // names of events
}

type collectorKey struct{}

// newCollector starts a collector on loopback; $COLLECTOR is its URL.
func newCollector(env *testscript.Env) *collector {
	c := new(collector)
	c.arrived = sync.NewCond(&c.mu)
	s := httptest.NewServer(c)
	env.Defer(s.Close)
	env.Setenv("COLLECTOR", s.URL)
	return c
}

var _ http.Handler = (*collector)(nil)

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names, err := readNames(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.header = r.Header
	c.arrived.Broadcast()
	status := http.StatusOK
	switch {
	case len(c.script) > 0:
		status, c.script = c.script[0], c.script[1:]
	case c.refused != "" && slices.Contains(names, c.refused):
		status = http.StatusBadRequest
	}
	if status != http.StatusOK {
		http.Error(w, "the script says so", status)
		return
	}
	c.accepted = append(c.accepted, names...)
	answer := &collogspb.ExportLogsServiceResponse{}
	if c.partial > 0 && len(names) > 1 {
		answer.PartialSuccess = &collogspb.ExportLogsPartialSuccess{RejectedLogRecords: c.partial, ErrorMessage: "too old"}
	}
	body, err := proto.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(body) // the client may be gone
}

// readNames returns the event names of a request.
func readNames(r *http.Request) ([]string, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	req := new(collogspb.ExportLogsServiceRequest)
	if err := proto.Unmarshal(data, req); err != nil {
		return nil, err
	}
	var names []string
	for _, rl := range req.GetResourceLogs() {
		for _, sl := range rl.GetScopeLogs() {
			for _, record := range sl.GetLogRecords() {
				names = append(names, record.GetEventName())
			}
		}
	}
	return names, nil
}

const collectorUsage = `usage: collector answer status... | forget | refuse event | partial n | await requests |
	accepted file | header name file`

// collectorCommand tells the collector what to do, and asks what it has got:
//
//	collector answer STATUS…    the next requests get these; the others are accepted
//	collector forget            the answers that are left, and the requests until now
//	collector refuse EVENT      a request with such an event gets a 400
//	collector partial N         it says that N records of each request are rejected, if it has more than one
//	collector await N           waits until it has got N requests
//	collector accepted FILE     writes the names of what it accepted, one per line
//	collector header NAME FILE  writes a header of the last request
func collectorCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) < collectorArgs[args[0]] {
		ts.Fatalf(collectorUsage)
	}
	c := ts.Value(collectorKey{}).(*collector)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch args[0] {
	case "answer":
		for _, arg := range args[1:] {
			c.script = append(c.script, numberArg(ts, arg))
		}
	case "forget":
		c.script, c.requests = nil, 0
	case "refuse":
		c.refused = args[1]
	case "partial":
		c.partial = int64(numberArg(ts, args[1]))
	case "await":
		for n := numberArg(ts, args[1]); c.requests < n; {
			c.arrived.Wait()
		}
	case "accepted":
		text := strings.Join(append(c.accepted, ""), "\n")
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
	case "header":
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), fmt.Appendln(nil, c.header.Get(args[1])), 0o600))
	default:
		ts.Fatalf(collectorUsage)
	}
}

// collectorArgs are the numbers of arguments at least, the name included.
var collectorArgs = map[string]int{"answer": 2, "forget": 1, "refuse": 2, "partial": 2, "await": 2, "accepted": 2, "header": 3}

func numberArg(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}
