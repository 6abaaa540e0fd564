package otlprepairextension

import (
	"bytes"
	"io"
	"maps"
	"mime"
	"net/http"

	"go.uber.org/zap"
)

// handler has next answer a request, and once more with a repaired body if the
// answer is that it could not be read. What can be read costs a copy of its
// answer, and is not looked at.
type handler struct {
	next   http.Handler
	logger *zap.Logger
}

var _ http.Handler = (*handler)(nil)

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method != http.MethodPost || err != nil || kind != "application/json" {
		h.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		// next answers it as it would have, with the same error.
		r.Body = readCloser{io.MultiReader(bytes.NewReader(body), failing{err}), r.Body}
		h.next.ServeHTTP(w, r)
		return
	}
	original := r.Body
	first := h.try(w, r, readCloser{bytes.NewReader(body), original})
	if first.status == http.StatusBadRequest {
		fixed, repaired := repair(body)
		if repaired.values+repaired.others > 0 {
			h.logger.Warn("repaired a request that was not as OTLP/JSON has it", zap.String("path", r.URL.Path), zap.Int("values", repaired.values),
				zap.Int("other_parts", repaired.others), zap.String("user_agent", r.UserAgent()))
			r.Body = readCloser{bytes.NewReader(fixed), original}
			h.next.ServeHTTP(w, r)
			return
		}
	}
	first.send(w)
}

func (h *handler) try(w http.ResponseWriter, r *http.Request, body io.ReadCloser) *answer {
	r.Body = body
	a := &answer{header: w.Header().Clone(), status: http.StatusOK}
	h.next.ServeHTTP(a, r)
	return a
}

// answer keeps an answer, which are short in OTLP.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

var _ http.ResponseWriter = (*answer)(nil)

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	// As for every handler: nobody is left who could be told.
	_, _ = w.Write(a.body.Bytes())
}

type readCloser struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
