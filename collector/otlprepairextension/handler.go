package otlprepairextension

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otelaudit/otelaudit/collector/internal/openlogs"
	"github.com/otelaudit/otelaudit/internal/logid"
)

const (
	typeJSON  = "application/json"
	typeProto = "application/x-protobuf"
)

// handler gives next the requests that its decoder can take: within the limits,
// one document of JSON, and no replay of a log that the collector writes. If next refuses a request in JSON, the handler repairs
// it and has next answer it once more.
type handler struct {
	*repairer

	next http.Handler
}

var _ http.Handler = (*handler)(nil)

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || kind != typeJSON && kind != typeProto {
		h.next.ServeHTTP(w, r)
		return
	}
	req := &request{handler: h, kind: kind, r: r, original: r.Body, share: share{of: &h.inFlight}}
	defer req.share.release()
	var read bytes.Buffer
	const usual = 1 << 20 // the length that a header announces is not to be trusted
	read.Grow(int(min(max(r.ContentLength, 0), usual)) + bytes.MinRead)
	_, err = read.ReadFrom(&counted{r.Body, &req.share})
	tooLarge, isTooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errBusy):
		req.refuseOf(w, err)
	case isTooLarge:
		req.refuse(w, http.StatusRequestEntityTooLarge, codes.ResourceExhausted,
			fmt.Errorf("the body is larger than max_request_body_size, %d bytes; send fewer records in a request", tooLarge.Limit))
	case err != nil:
		// next answers it as it would have, with the same error.
		r.Body = readCloser{io.MultiReader(bytes.NewReader(read.Bytes()), failing{err}), req.original}
		h.next.ServeHTTP(w, r)
	case h.writes(r):
		w.Header().Set(logid.Header, r.Header.Get(logid.Header))
		req.refuse(w, http.StatusConflict, codes.FailedPrecondition, errOwnLog)
	case kind == typeProto:
		req.proto(w, read.Bytes())
	default:
		req.json(w, read.Bytes())
	}
}

var errOwnLog = errors.New("this collector writes the audit log that is replayed; nothing of it was received. Send it to another collector, or have this one pass on what it gets")

// writes reports whether a request replays a log that this process writes.
func (h *handler) writes(r *http.Request) bool {
	id := r.Header.Get(logid.Header)
	if id == "" {
		return false
	}
	is, err := openlogs.Has(id)
	if err != nil { // the bridge finds such a collector out itself
		h.logger.Debug("cannot tell whether a request replays a log that is written here", zap.Error(err))
	}
	return is
}

// request is one that is being handled.
type request struct {
	*handler

	kind     string
	r        *http.Request
	original io.ReadCloser
	share    share
}

func (q *request) serve(w http.ResponseWriter, body []byte) {
	q.r.Body = readCloser{bytes.NewReader(body), q.original}
	q.next.ServeHTTP(w, q.r)
}

func (q *request) proto(w http.ResponseWriter, body []byte) {
	var takes []protoreflect.MessageDescriptor
	for i := range signals {
		if s := &signals[i]; s.takes(q.r.URL.Path) {
			takes = append(takes, s.request)
		}
	}
	if err := q.share.addProto(body, takes...); err != nil {
		q.refuseOf(w, err)
		return
	}
	q.serve(w, body)
}

// takes reports whether requests of the signal may be sent to a path: to its own,
// or to one that the receiver's configuration has made up.
func (s *signal) takes(path string) bool {
	for i := range signals {
		if strings.HasSuffix(path, signals[i].path) {
			return s.path == signals[i].path
		}
	}
	return true
}

func (q *request) json(w http.ResponseWriter, body []byte) {
	body, err := toUTF8(body)
	if err != nil {
		q.refuseOf(w, err)
		return
	}
	x := measure(body)
	if err := x.check(); err != nil {
		q.refuseOf(w, err)
		return
	}
	if len(trimSpace(body[x.end:])) > 0 {
		// The receiver's decoder would take the first document, and ignore the others.
		document, count, err := oneDocument(body, q.r.URL.Path)
		if err == nil {
			x = measure(document)
			err = x.check()
		}
		if err != nil {
			q.refuseOf(w, err)
			return
		}
		q.logger.Debug("received several JSON documents in one body", zap.Int("documents", count))
		body = document
	}
	if err := q.share.addMessages(int64(x.objects)); err != nil {
		q.refuseOf(w, err)
		return
	}
	first := &answer{header: w.Header().Clone(), status: http.StatusOK}
	q.serve(first, body)
	if first.status != http.StatusBadRequest && first.status != http.StatusInternalServerError {
		first.send(w)
		return
	}
	// One repair at a time: it takes several times the memory of its body.
	select {
	case q.repairing <- struct{}{}:
	case <-q.r.Context().Done():
		first.send(w)
		return
	}
	fixed, count, err := q.repair(body)
	<-q.repairing
	switch {
	case fixed != nil:
		q.logger.Warn("repaired a request that was not as OTLP/JSON has it", zap.String("path", clip(q.r.URL.Path)), zap.Int("values", count.values),
			zap.Int("other_parts", count.others), zap.String("user_agent", clip(q.r.UserAgent())))
		q.serve(w, fixed)
	case first.status == http.StatusInternalServerError && err != nil:
		// The receiver quotes the body in its message, and answers 500 if the quote
		// is not UTF-8.
		q.refuse(w, http.StatusBadRequest, codes.InvalidArgument, err)
	default:
		first.send(w)
	}
}

var errUnreadable = errors.New("the body is not OTLP/JSON: its lists of resources, scopes and records are not where they have to be")

// repair returns what the receiver can read of a body that it refused. If
// there is nothing to repair, it returns nil, and if the receiver cannot read the
// body, why.
func (q *request) repair(body []byte) ([]byte, repaired, error) {
	document, _, err := oneDocument(body, q.r.URL.Path)
	if err != nil {
		return nil, repaired{}, err
	}
	fixed, count := repairDocument(q.r.Context(), document, nil)
	switch {
	case fixed != nil:
		return fixed, count, nil
	case readable(body):
		return nil, count, nil // refused for another reason
	case readable(document):
		return document, count, nil
	}
	return nil, count, errUnreadable
}

func readable(body []byte) bool {
	for i := range signals {
		if !signals[i].readable(body) {
			return false
		}
	}
	return true
}

// refuseOf answers a request that is more than the decoder may be given, or more
// than it may be given now.
func (q *request) refuseOf(w http.ResponseWriter, err error) {
	if errors.Is(err, errBusy) {
		w.Header().Set("Retry-After", "1")
		q.refuse(w, http.StatusServiceUnavailable, codes.Unavailable, err)
		return
	}
	q.refuse(w, http.StatusBadRequest, codes.InvalidArgument, err)
}

// refuse answers as OTLP has it, and logs why.
func (q *request) refuse(w http.ResponseWriter, httpStatus int, code codes.Code, reason error) {
	q.logger.Warn("refused a request", zap.String("path", clip(q.r.URL.Path)), zap.Int("status", httpStatus), zap.Error(reason),
		zap.String("user_agent", clip(q.r.UserAgent())))
	message, marshal := status.New(code, reason.Error()).Proto(), proto.Marshal
	if q.kind == typeJSON {
		marshal = protojson.Marshal
	}
	text, err := marshal(message)
	if err != nil {
		q.logger.Error("encode an answer", zap.Error(err)) // the status says the most
	}
	w.Header().Set("Content-Type", q.kind)
	w.WriteHeader(httpStatus)
	// As for every handler: nobody is left who could be told.
	_, _ = w.Write(text)
}

// clip bounds what a log message quotes of a request.
func clip(text string) string {
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// counted reads a body, and counts its bytes.
type counted struct {
	from io.Reader
	to   *share
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	if busy := c.to.addBytes(int64(n)); busy != nil {
		return n, busy
	}
	return n, err
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
