package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// The defaults of the options.
const (
	// DefaultBatchSize is the largest number of records in one request.
	DefaultBatchSize = 512
	// DefaultInFlight is the largest number of requests in flight.
	DefaultInFlight = 8
	// MaxInFlight is how many requests in flight can be asked for.
	MaxInFlight = 64
	// DefaultLinger is the longest time that an event waits for others that go
	// into the same request.
	DefaultLinger = 100 * time.Millisecond
	// DefaultInitialBackoff is the mean wait before the first retry.
	DefaultInitialBackoff = time.Second
	// DefaultMaxBackoff is the longest mean wait between two retries.
	DefaultMaxBackoff = 30 * time.Second
)

// maxBatchBytes bounds the line bytes of one request. A collector takes 20 MiB
// of OTLP by default, and no line grows five times when it becomes OTLP.
const maxBatchBytes = 512 << 10

// Option changes how a [Bridge] works.
type Option interface {
	apply(config) config
}

type optionFunc func(config) config

func (f optionFunc) apply(c config) config { return f(c) }

type config struct {
	endpoint       string
	endpointSet    bool
	headers        map[string]string
	headersSet     bool
	checkpoint     string
	rejectFile     string
	fromStart      bool
	batchSize      int
	maxLine        int
	inFlight       int
	dryRun         bool
	follow         bool
	noProbe        bool // tests: the first event is not sent alone
	poll           bool // tests: no notifications, whose waits testing/synctest cannot see
	linger         time.Duration
	serviceName    string
	derivedFields  bool
	fileAttributes bool
	meters         metric.MeterProvider
	logger         *slog.Logger
	progress       func(Progress)
	initial        time.Duration
	maximum        time.Duration
	timeout        time.Duration
	timeoutSet     bool
	tls            *tls.Config
	transport      http.RoundTripper
	exporter       []otlploghttp.Option
}

func newConfig(opts []Option) (config, error) {
	c := config{
		batchSize: DefaultBatchSize,
		maxLine:   scan.DefaultMaxLine,
		inFlight:  DefaultInFlight,
		linger:    DefaultLinger,
		logger:    slog.New(slog.DiscardHandler),
		initial:   DefaultInitialBackoff,
		maximum:   DefaultMaxBackoff,
	}
	for _, o := range opts {
		if o != nil {
			c = o.apply(c)
		}
	}
	switch {
	case c.batchSize < 1:
		return config{}, fmt.Errorf("batch size %d: it must be at least 1", c.batchSize)
	case c.inFlight < 1 || c.inFlight > MaxInFlight:
		return config{}, fmt.Errorf("%d requests in flight: it must be 1 to %d", c.inFlight, MaxInFlight)
	case c.timeout < 0 || c.timeout > maxTimeout:
		return config{}, fmt.Errorf("time-out of %s: it must be 0 (no limit) to a day", c.timeout)
	case c.linger < 0 || c.linger > time.Minute:
		return config{}, fmt.Errorf("linger of %s: it must be 0 to a minute", c.linger)
	case c.follow && c.dryRun:
		return config{}, errors.New("a dry run ends and does not follow the log: leave WithFollow or WithDryRun out")
	case c.logger == nil:
		return config{}, errors.New("the logger is nil: leave WithLogger out to discard what is logged")
	case c.initial <= 0 || c.maximum < c.initial:
		return config{}, fmt.Errorf("backoff from %s to %s: both must be positive and the first not larger than the second",
			c.initial, c.maximum)
	}
	if err := checkHeaders(c.headers); err != nil {
		return config{}, err
	}
	return c, nil
}

// WithEndpoint sets the URL of the collector, http or https. A URL without a
// path, or with the path /, gets /v1/logs; any other path is used as it is.
// Credentials, a query and a fragment are an error of [New]: OTLP over HTTP sends none
// of them; credentials go into [WithHeaders].
//
// Default: OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, used as it is; else
// OTEL_EXPORTER_OTLP_ENDPOINT with /v1/logs added to its path; else
// http://localhost:4318/v1/logs.
func WithEndpoint(url string) Option {
	return optionFunc(func(c config) config {
		c.endpoint, c.endpointSet = url, true
		return c
	})
}

// WithHeaders sets HTTP headers that are sent with each request. They replace
// those of OTEL_EXPORTER_OTLP_LOGS_HEADERS and OTEL_EXPORTER_OTLP_HEADERS, which
// are the default.
func WithHeaders(headers map[string]string) Option {
	headers = maps.Clone(headers)
	return optionFunc(func(c config) config {
		c.headers, c.headersSet = headers, true
		return c
	})
}

// WithCheckpoint sets the file that remembers what the collector accepted. It
// belongs to one log and one endpoint. A file of the same name with .lock added
// keeps a second bridge out, one with .tmp added exists for a moment while the
// checkpoint is saved. The folder must exist.
//
// Default: beside the log, named after it and after the endpoint, such as
// audit.jsonl.checkpoint-1f0c4a2e, so that a second collector starts with the
// oldest event.
func WithCheckpoint(file string) Option {
	return optionFunc(func(c config) config {
		c.checkpoint = file
		return c
	})
}

// WithRejectFile sets the file to which records are appended that the collector
// refuses, one JSON object per line: kind (record, or partial for a batch of
// which the collector rejected some), file, line, offset, reason, and for a
// single record the original line, or its length if it is longer than [WithMaxLine]. For a partial one, of which the collector
// does not say which records it rejected, it has the place and log.record.uid of
// the first and the last record of the batch. The folder must exist.
//
// Default: beside the log, such as audit.jsonl.rejected-1f0c4a2e.
func WithRejectFile(file string) Option {
	return optionFunc(func(c config) config {
		c.rejectFile = file
		return c
	})
}

// WithFromStart ignores the checkpoint that is there and starts with the oldest
// event. The checkpoint is replaced as soon as the first batch is accepted.
func WithFromStart() Option {
	return optionFunc(func(c config) config {
		c.fromStart = true
		return c
	})
}

// WithBatchSize sets the largest number of records in one request, at least 1.
// A batch is smaller at the end of each file, and when its lines reach 512 KiB.
//
// Default: [DefaultBatchSize].
func WithBatchSize(n int) Option {
	return optionFunc(func(c config) config {
		c.batchSize = n
		return c
	})
}

// WithMaxLine sets the length in bytes of the longest line that is read, as
// [github.com/otelaudit/otelaudit/auditlog.WithMaxLine] does. A longer one is an entry of the reject file with its
// place, and no more of it is read into memory.
//
// Default: [github.com/otelaudit/otelaudit/auditlog.DefaultMaxLine].
func WithMaxLine(bytes int) Option {
	return optionFunc(func(c config) config {
		c.maxLine = bytes
		return c
	})
}

// WithInFlight sets how many requests may be in flight at a time, 1 to
// [MaxInFlight]. A
// batch counts as in flight until the checkpoint on disk is behind it, so that a
// run which is killed sends at most so many batches again.
//
// With 1, a record is sent only when all before it were accepted or set aside.
// With more, records of one request are in order, and requests may overtake each
// other on their way.
//
// Default: [DefaultInFlight].
func WithInFlight(n int) Option {
	return optionFunc(func(c config) config {
		c.inFlight = n
		return c
	})
}

// WithFollow makes Run go on when it is at the end of the log, and send what is
// appended from then on: see [Bridge.Run]. There need not be a log yet.
func WithFollow() Option {
	return optionFunc(func(c config) config {
		c.follow = true
		return c
	})
}

// WithLinger sets how long an event waits at the end of a log that is followed
// for others that go into the same request, 0 to a minute. An event that comes after
// a pause of that length is sent at once, and a full batch always is.
//
// Default: [DefaultLinger].
func WithLinger(d time.Duration) Option {
	return optionFunc(func(c config) config {
		c.linger = d
		return c
	})
}

// WithDryRun makes Run read and count only: nothing is sent, no file is written,
// made or locked.
func WithDryRun() Option {
	return optionFunc(func(c config) config {
		c.dryRun = true
		return c
	})
}

// WithServiceName sets the service.name of the resource of events that carry no
// resource, because they were appended without OpenTelemetry.
//
// Default: unknown_service:otelaudit.
func WithServiceName(name string) Option {
	return optionFunc(func(c config) config {
		c.serviceName = name
		return c
	})
}

// WithDerivedFields keeps the fields of the lines (cost, model, input_t, output_t,
// duration_ms, reason, files, confidence, config) as attributes under these names in
// every record that has no attribute of that name, so that one query of a database
// adds up what many emitters sent under many names. Lines without otel then send
// model, input_t and output_t under these names and not those of the semantic
// conventions. Records are no longer what the app emitted, but that and more.
//
// Default: only what the app emitted, and log.record.uid and session.id.
func WithDerivedFields() Option {
	return optionFunc(func(c config) config {
		c.derivedFields = true
		return c
	})
}

// WithLogFileAttributes adds log.file.path and log.file.name of the semantic
// conventions to each record that does not have them: where its line was read. An
// archive has another name than the active file had.
func WithLogFileAttributes() Option {
	return optionFunc(func(c config) config {
		c.fileAttributes = true
		return c
	})
}

// WithLogger sets where the bridge reports retries, damaged lines, rejected
// records, a log that is no longer what the checkpoint names, and an endpoint
// that is new beside one that has a checkpoint. Several goroutines use it.
//
// Default: discard.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c config) config {
		c.logger = logger
		return c
	})
}

// WithProgress sets a function that Run calls when it starts and each time more is
// settled, from the goroutine of Run. It should return quickly.
func WithProgress(f func(Progress)) Option {
	return optionFunc(func(c config) config {
		c.progress = f
		return c
	})
}

// WithBackoff sets the mean wait before the first retry and the longest mean
// wait. Each wait is half as long again as the one before, give or take
// half of it at random. The wait starts anew with each batch.
//
// Default: [DefaultInitialBackoff], [DefaultMaxBackoff].
func WithBackoff(initial, maximum time.Duration) Option {
	return optionFunc(func(c config) config {
		c.initial, c.maximum = initial, maximum
		return c
	})
}

// WithTimeout sets how long one request may take, its answer included, up to a
// day; 0 means no limit.
//
// Default: OTEL_EXPORTER_OTLP_LOGS_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT, else 10
// seconds.
func WithTimeout(d time.Duration) Option {
	return optionFunc(func(c config) config {
		c.timeout, c.timeoutSet = d, true
		return c
	})
}

// WithTLSConfig sets the TLS settings of an endpoint with https. It has no effect
// together with [WithTransport].
//
// Default: the certificates of the variables that [WithTransport] names.
func WithTLSConfig(cfg *tls.Config) Option {
	return optionFunc(func(c config) config {
		c.tls = cfg
		return c
	})
}

// WithTransport sets what makes the HTTP round trips, for TLS and proxy settings
// that no variable expresses. It must be safe for use by as many goroutines as
// requests are in flight, and may read the body of a request until RoundTrip returns;
// the bridge does not close it.
//
// Default: an [http.Transport] with the certificates of
// OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and
// OTEL_EXPORTER_OTLP_CLIENT_KEY (each also with LOGS_), read again when they change,
// and the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
func WithTransport(rt http.RoundTripper) Option {
	return optionFunc(func(c config) config {
		c.transport = rt
		return c
	})
}

// WithExporterOptions passes options to otlploghttp, after those that the bridge
// derives from its own. The exporter decides the address, the headers, the compression
// and the largest size of a request; the bridge encodes the body and makes the round
// trip. So these have no effect: WithRetry (use [WithBackoff]), WithTimeout (use that of this
// package), WithTLSClientConfig (use [WithTLSConfig]), WithHTTPClient and WithProxy (use
// [WithTransport]), and WithMaxResponseSize, which is 4 MiB.
func WithExporterOptions(opts ...otlploghttp.Option) Option {
	return optionFunc(func(c config) config {
		c.exporter = append(slices.Clip(c.exporter), opts...)
		return c
	})
}
