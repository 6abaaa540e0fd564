package bridge

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/internal/logid"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// action is what the bridge does about an answer.
type action string

const (
	actAccept  action = "accepted"
	actPartial action = "partial"
	actRetry   action = "retry"
	actBisect  action = "bisect"
	actStop    action = "stop"
)

// maxRetryAfter bounds what a collector can ask for: a date far in the future
// is a mistake of its clock or ours.
const maxRetryAfter = time.Hour

// verdict is what one request came to.
type verdict struct {
	action     action
	status     int           // HTTP status, 0 without an answer
	rejected   int64         // records the collector rejected, of a partial success
	reason     string        // the collector's words, or what went wrong
	hint       string        // what a person can do, when the action is to stop
	retryAfter time.Duration // how long the collector asks to wait
	err        error         // the failure, when there was no answer
}

// judge turns the outcome of one request into a verdict: this is the table of
// the package comment. answered says whether the endpoint has answered before in
// this run.
func judge(x *exchange, answered bool) verdict {
	switch {
	case x.refused != nil:
		return verdict{action: actBisect, reason: oneLine(x.refused.Error()), err: x.refused}
	case x.status == 0:
		return judgeFailure(x, answered)
	case isGRPC(x):
		reason := cmp.Or(oneLine(x.header.Get("Grpc-Message")), "the answer is one of gRPC")
		return verdict{action: actStop, status: x.status, reason: reason, hint: grpcHint(x.url)}
	}
	v := verdict{status: x.status, action: actionOf(x.status)}
	switch v.action {
	case actAccept:
		return judgeSuccess(x)
	case actRetry:
		v.retryAfter = retryAfter(x.header.Get("Retry-After"))
	case actBisect:
		if isPlainToTLS(x.body) {
			v.action = actStop
		}
	}
	v.reason = words(x)
	v.hint = hintOf(v.status, x.header)
	return v
}

// isGRPC recognises how servers of gRPC answer a request that is none: the status is
// 415 or 200, with the verdict in a header or trailer, or Kestrel's 400.
func isGRPC(x *exchange) bool {
	media := mediaType(x.header)
	return strings.HasPrefix(media, "application/grpc") ||
		x.header.Get("Grpc-Status") != "" && media != typeProtobuf && media != typeJSON ||
		x.status == http.StatusBadRequest && bytes.Contains(x.body, []byte("An HTTP/1.x request was sent to an HTTP/2 only endpoint"))
}

// grpcHint says where OTLP over HTTP is, beside a port for gRPC.
func grpcHint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Port() != "4317" {
		return "the endpoint takes gRPC, and this is OTLP over HTTP: use the port for that, 4318 unless configured otherwise"
	}
	u.Host = net.JoinHostPort(u.Hostname(), "4318")
	return "4317 is the port of OTLP for gRPC, and this is OTLP over HTTP: use " + strings.TrimSuffix(u.String(), logsPath)
}

// actionOf is the table's column for HTTP statuses.
func actionOf(status int) action {
	switch status {
	case http.StatusBadRequest, // also a body over the collector's limit
		http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity:
		return actBisect
	case http.StatusRequestTimeout,
		http.StatusTooEarly,
		http.StatusTooManyRequests:
		return actRetry
	case http.StatusNotImplemented,
		http.StatusHTTPVersionNotSupported,
		http.StatusNetworkAuthenticationRequired:
		return actStop
	}
	switch status / 100 {
	case 2:
		return actAccept // if the body agrees
	case 5:
		return actRetry
	}
	// 3xx is not followed: a POST would lose its body or reach another host. Behind a
	// 1xx that is no answer there is another protocol.
	return actStop
}

func hintOf(status int, header http.Header) string {
	switch status {
	case http.StatusBadRequest:
		return plainToTLSHint
	case http.StatusUnauthorized, http.StatusForbidden:
		return "give the credentials that the collector asks for with a header, or OTEL_EXPORTER_OTLP_HEADERS"
	case http.StatusProxyAuthRequired:
		return "the proxy asks for credentials: put them into its URL"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "nothing takes logs at this path; the path of an OTLP receiver is /v1/logs unless configured otherwise"
	case http.StatusConflict:
		if header.Get(logid.Header) != "" {
			return ownLogHint
		}
	case http.StatusUnsupportedMediaType:
		return "the endpoint does not take OTLP as protobuf, or not compressed: OTEL_EXPORTER_OTLP_COMPRESSION=none sends it as it is; " +
			"a port for gRPC may answer so too, and OTLP over HTTP has another one, 4318 unless configured otherwise"
	}
	switch status / 100 {
	case 1:
		return notReceiver
	case 3:
		if to := header.Get("Location"); to != "" {
			return "redirects are not followed; it points to " + oneLine(to) + ": if that is the collector, use it as the endpoint"
		}
		return "redirects are not followed; use the address of the collector itself"
	}
	return "check the endpoint and what stands in front of it"
}

// Hints.
const (
	notReceiver    = "the endpoint is no OTLP receiver, or something in front of it answered"
	plainToTLSHint = "the endpoint speaks TLS: its URL must begin with https://"
)

// judgeSuccess judges a 2xx by its body: delivered is only what a collector
// says it took, and a captive portal or a login page says 200 as well. OTLP asks for
// 200; there are receivers that say 202 or 204, and all clients of OTLP take any 2xx.
func judgeSuccess(x *exchange) verdict {
	v := verdict{status: x.status}
	if x.err != nil {
		v.action, v.err = actRetry, x.err
		v.reason = "the answer was cut off: " + oneLine(x.err.Error())
		return v
	}
	if len(x.body) == 0 {
		v.action = actAccept
		return v
	}
	answer, err := decodeAnswer(mediaType(x.header), x.body)
	if len(x.body) > maxAnswer { // what was read of it may make sense
		err = fmt.Errorf("it is longer than %d MiB", maxAnswer>>20)
	}
	if err != nil {
		v.action = actStop
		v.reason = fmt.Sprintf("the body is no OTLP answer: %s: %s", oneLine(err.Error()), quoted(x.body))
		v.hint = notReceiver
		return v
	}
	v.action = actAccept
	v.reason = oneLine(answer.GetPartialSuccess().GetErrorMessage())
	v.rejected = answer.GetPartialSuccess().GetRejectedLogRecords()
	switch {
	case v.rejected > 0:
		v.action = actPartial
	case v.rejected < 0:
		v.reason = strings.TrimSpace(fmt.Sprintf("the answer says that %d records were rejected, which cannot be; taken as none. %s", v.rejected, v.reason))
		v.rejected = 0
	}
	return v
}

// decodeAnswer decodes the body of a 2xx. Unknown fields are skipped, as the
// OTLP specification asks, but a body of unknown fields alone is not an
// answer: {"error":"not logged in"} is valid JSON, and a google.rpc.Status is
// valid protobuf.
func decodeAnswer(media string, body []byte) (*collogspb.ExportLogsServiceResponse, error) {
	answer := new(collogspb.ExportLogsServiceResponse)
	switch media {
	case typeProtobuf:
		if err := proto.Unmarshal(body, answer); err != nil {
			return nil, fmt.Errorf("decode protobuf: %w", err)
		}
		if answer.PartialSuccess == nil {
			return nil, errors.New("it has no field of an OTLP answer")
		}
	case typeJSON:
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, answer); err != nil {
			return nil, fmt.Errorf("decode JSON: %w", err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			return nil, fmt.Errorf("decode JSON: %w", err)
		}
		_, camel := members["partialSuccess"]
		_, snake := members["partial_success"]
		if len(members) > 0 && !camel && !snake {
			return nil, errors.New("it has no field of an OTLP answer")
		}
	default:
		return nil, fmt.Errorf("content type %q", visible.Cut(media))
	}
	return answer, nil
}

// The media types of OTLP answers.
const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// mediaType returns the media type of an answer, in lower case, "" if it has none
// that can be read. Parameters that cannot be read do not matter: OTLP has none. The
// other names of protobuf are typeProtobuf too.
func mediaType(header http.Header) string {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	if media == "application/protobuf" || media == "application/vnd.google.protobuf" {
		return typeProtobuf
	}
	return media
}

// judgeFailure judges a request that got no answer. A collector that is away
// comes back; a name or a certificate that is wrong at the start is a mistake
// in the configuration, and later a hiccup of somebody else's.
func judgeFailure(x *exchange, answered bool) verdict {
	err := x.err
	if err == nil {
		err = errors.New("no answer")
	}
	v := verdict{action: actRetry, reason: oneLine(err.Error()), err: err}
	if errors.Is(err, errHTTP2) {
		v.action, v.hint = actStop, grpcHint(x.url)
		return v
	}
	if errors.Is(err, errTLS) {
		v.action, v.hint = actStop, plainToTLSHint
		return v
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		if v.action = actionOf(proxy.status); v.action == actRetry {
			v.retryAfter = retryAfter(proxy.header.Get("Retry-After"))
			return v
		}
		v.action, v.hint = actStop, "check the proxy: HTTPS_PROXY names it, and NO_PROXY the hosts that need none"
		if proxy.status == http.StatusProxyAuthRequired {
			v.hint = hintOf(proxy.status, proxy.header)
		}
		return v
	}
	if answered {
		return v
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		v.action, v.hint = actStop, "check the host name of the endpoint, and the proxy if there is one"
	} else if isTLSFailure(err) {
		v.action, v.hint = actStop, "check the scheme and host name of the endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE, and the client certificate if one is asked for"
	}
	return v
}

// isTLSFailure reports whether the peers did not agree on TLS. A connection
// that broke during the handshake is not meant: that passes.
func isTLSFailure(err error) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true // an alert of crypto/tls, whose type is not exported
	}
	// The rest of crypto/tls has no types.
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.HasPrefix(err.Error(), "tls: ") {
			return true
		}
	}
	return false
}

// isPlainToTLS recognises how TLS servers answer a request without TLS: with
// 400. Taken for a verdict on the records it would set all of them aside.
func isPlainToTLS(body []byte) bool {
	return bytes.Contains(body, []byte("Client sent an HTTP request to an HTTPS server")) || // net/http
		bytes.Contains(body, []byte("The plain HTTP request was sent to HTTPS port")) || // nginx
		bytes.Contains(body, []byte("speaking plain HTTP to an SSL-enabled server port")) || // httpd
		bytes.Contains(body, []byte("This combination of host and port requires TLS")) // Tomcat
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(value string) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(0, s), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), maxRetryAfter)
	}
	return 0
}

// words returns what the collector said: the message of a google.rpc.Status, in
// protobuf or JSON, else the text of the body.
func words(x *exchange) string {
	switch mediaType(x.header) { // "" is text
	case typeProtobuf:
		if msg, ok := statusMessage(x.body); ok {
			return oneLine(msg)
		}
	case typeJSON:
		var status struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(x.body, &status) == nil && status.Message != "" {
			return oneLine(status.Message)
		}
	}
	return quoted(x.body)
}

// statusMessage returns field 2 of a google.rpc.Status.
func statusMessage(b []byte) (msg string, ok bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return "", false
		}
		b = b[n:]
		if num == 2 && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			return string(v), n >= 0
		}
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return "", false
		}
		b = b[n:]
	}
	return "", false
}

// maxWords bounds what is repeated of a foreign text, in bytes.
const maxWords = 200

// oneLine makes a foreign text fit for a line of a terminal.
func oneLine(s string) string {
	s = shortened(strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "\uFFFD"))
	if strings.ContainsFunc(s, notPrintable) {
		text := strconv.Quote(s)
		return `"` + shortened(text[1:len(text)-1]) + `"` // an escape is up to ten bytes
	}
	return s
}

func shortened(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + "…"
}

func notPrintable(r rune) bool { return !strconv.IsPrint(r) }

// quoted repeats a foreign body.
func quoted(body []byte) string {
	return cmp.Or(oneLine(string(body[:min(len(body), 4*maxWords)])), "(empty body)")
}
