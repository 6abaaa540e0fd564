package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/internal/visible"
)

const (
	defaultEndpoint = "http://localhost:4318/v1/logs"
	defaultTimeout  = 10 * time.Second
	maxTimeout      = 24 * time.Hour
	logsPath        = "/v1/logs"
)

// getenv returns the first of the variables that is not empty.
func getenv(names ...string) (name, value string) {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return name, v
		}
	}
	return "", ""
}

// otlpEnv returns the variable of an OTLP setting, that of logs first.
func otlpEnv(setting string) (name, value string) {
	return getenv("OTEL_EXPORTER_OTLP_LOGS_"+setting, "OTEL_EXPORTER_OTLP_"+setting)
}

// resolveEndpoint returns the URL that requests go to. The rules for paths are
// those of https://opentelemetry.io/docs/specs/otel/protocol/exporter/: the
// variable of one signal is used as it is, that of all signals is a base.
func resolveEndpoint(c config) (*url.URL, error) {
	if c.endpointSet {
		u, err := parseEndpoint(c.endpoint)
		if err != nil {
			return nil, fmt.Errorf("endpoint %w", err)
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = logsPath
		}
		return u, nil
	}
	name, value := otlpEnv("ENDPOINT")
	if name == "" {
		return url.Parse(defaultEndpoint)
	}
	u, err := parseEndpoint(value)
	if err != nil {
		return nil, fmt.Errorf("endpoint of the variable %s %w", name, err)
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u.Path = path.Join("/", u.Path, logsPath)
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// parseEndpoint refuses what otlploghttp would leave out of the URL, or
// replace by its default, without a word.
func parseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse repeats raw, which may hold a password.
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("is no URL: %w; write it like http://localhost:4318", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q does not begin with http:// or https://; write it like http://localhost:4318", visible.Cut(u.Redacted()))
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q names no host; write it like http://localhost:4318", visible.Cut(u.Redacted()))
	case u.User != nil:
		return nil, fmt.Errorf("%q holds credentials, which OTLP does not send from there; give them with a header", visible.Cut(u.Redacted()))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%q has a query or a fragment, which OTLP does not send; leave it out", visible.Cut(u.Redacted()))
	case u.RawPath != "":
		return nil, fmt.Errorf("%q has an escaped slash in its path, which the exporter cannot send; use a path without it", visible.Cut(u.Redacted()))
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%q has no valid port; a port is a number from 1 to 65535", visible.Cut(u.Redacted()))
		}
	}
	return u, nil
}

// normalise spells u so that two spellings of one address are equal.
func normalise(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if p := u.Port(); (u.Scheme == "http" && p == "80") || (u.Scheme == "https" && p == "443") {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return (&url.URL{Scheme: strings.ToLower(u.Scheme), Host: host, Path: u.Path}).String()
}

// tagOf shortens an endpoint to what stands in the name of its checkpoint.
func tagOf(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return hex.EncodeToString(sum[:4])
}

// resolveTimeout returns the time one request may take.
func resolveTimeout(c config) (time.Duration, error) {
	if c.timeoutSet {
		return c.timeout, nil
	}
	name, value := otlpEnv("TIMEOUT")
	if name == "" {
		return defaultTimeout, nil
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ms < 0 || ms > int64(maxTimeout/time.Millisecond) {
		return 0, fmt.Errorf("variable %s: %q is no number of milliseconds between 0 (no limit) and a day", name, visible.Cut(value))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// checkEnv looks at the variables that otlploghttp reads itself, because it
// goes on without a setting whose value it cannot read.
func checkEnv(c config) error {
	if name, value := otlpEnv("COMPRESSION"); name != "" && value != "gzip" && value != "none" {
		return fmt.Errorf("variable %s: %q is no compression; use gzip or none", name, visible.Cut(value))
	}
	name, value := otlpEnv("HEADERS")
	if name == "" || c.headersSet {
		return nil
	}
	headers := map[string]string{}
	for pair := range strings.SplitSeq(value, ",") {
		key, raw, found := strings.Cut(pair, "=")
		v, err := url.PathUnescape(raw)
		if !found || err != nil {
			// The value is likely a secret: it is not repeated.
			return fmt.Errorf("variable %s: a part of it is no header; write it like key1=value1,key2=value2, values percent-encoded", name)
		}
		headers[strings.TrimSpace(key)] = strings.TrimSpace(v)
	}
	if err := checkHeaders(headers); err != nil {
		return fmt.Errorf("variable %s: %w", name, err)
	}
	return nil
}

// checkHeaders refuses what net/http would refuse with each request.
func checkHeaders(headers map[string]string) error {
	for key, value := range headers {
		if key == "" || strings.ContainsFunc(key, notToken) {
			return fmt.Errorf("header %q: it is no valid name of a header", visible.Cut(key))
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("header %q: its value holds a control character", visible.Cut(key))
		}
	}
	return nil
}

func notToken(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
