package otlprepairextension

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/otelaudit/otelaudit/collector/otlprepairextension/internal/metadata"
)

// receiver answers as the OTLP receiver does, and counts its calls.
type receiver struct {
	calls int
	err   error // of reading the last body
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.calls++
	body, err := io.ReadAll(req.Body)
	r.err = errors.Join(err, req.Body.Close())
	w.Header().Set("Content-Type", "application/json")
	if r.err != nil || plogotlp.NewExportRequest().UnmarshalJSON(body) != nil {
		w.Header().Set("X-Refused", "yes")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "refused")
		return
	}
	_, _ = io.WriteString(w, "taken")
}

// serve sends a request through the extension, as the collector starts it.
func serve(t *testing.T, r *receiver, method, contentType string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	f := NewFactory()
	ext, err := f.Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), f.CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := ext.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ext.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	wrap, err := ext.(extensionmiddleware.HTTPServer).GetHTTPHandler(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h, err := wrap(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), method, "/v1/logs", body)
	req.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

const (
	goodBody = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`
	oddBody  = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"doubleValue":{}}}]}]}]}`
)

func TestOnlyWhatIsRefusedIsRepaired(t *testing.T) {
	for _, test := range []struct {
		method, contentType, body string
		status, calls             int
	}{
		{http.MethodPost, "application/json", goodBody, http.StatusOK, 1},
		{http.MethodPost, "application/json; charset=utf-8", oddBody, http.StatusOK, 2},
		{http.MethodPost, "application/json", `{"resourceLogs":`, http.StatusBadRequest, 1},
		{http.MethodPost, "application/x-protobuf", oddBody, http.StatusBadRequest, 1},
		{http.MethodPut, "application/json", oddBody, http.StatusBadRequest, 1},
	} {
		r := &receiver{}
		w := serve(t, r, test.method, test.contentType, strings.NewReader(test.body))
		if w.Code != test.status || r.calls != test.calls {
			t.Errorf("%s %s %s: got %d after %d calls, want %d after %d", test.method, test.contentType, test.body, w.Code, r.calls, test.status, test.calls)
		}
		want := map[int]string{http.StatusOK: "taken", http.StatusBadRequest: "refused"}[test.status]
		if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: the answer is %q, %v", test.body, got, w.Header())
		}
		if refused := w.Header().Get("X-Refused") != ""; refused != (test.status == http.StatusBadRequest) {
			t.Errorf("%s: the header of the first answer is there: %v", test.body, refused)
		}
	}
}

// TestABodyThatCannotBeReadIsTheReceiversToAnswer, with its error.
func TestABodyThatCannotBeReadIsTheReceiversToAnswer(t *testing.T) {
	r := &receiver{}
	tooLarge := errors.New("http: request body too large")
	w := serve(t, r, http.MethodPost, "application/json", io.MultiReader(strings.NewReader(goodBody), failing{tooLarge}))
	if w.Code != http.StatusBadRequest || !errors.Is(r.err, tooLarge) {
		t.Errorf("got %d, the receiver %v", w.Code, r.err)
	}
}
