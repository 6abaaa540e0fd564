package e2e

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// origin is a resource and a scope with what each request says of them, as
// bytes.
type origin string

// byOrigin returns the records of each origin, in the order of arrival. That of
// different origins in one request means nothing: otlploghttp takes it from a map.
func byOrigin(requests []*collogspb.ExportLogsServiceRequest) (map[origin][]*logspb.LogRecord, error) {
	records := make(map[origin][]*logspb.LogRecord)
	for _, request := range requests {
		for _, resource := range request.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				sortAttributes(resource.GetResource().GetAttributes())
				sortAttributes(scope.GetScope().GetAttributes())
				key, err := proto.MarshalOptions{Deterministic: true}.Marshal(&logspb.ResourceLogs{
					Resource: resource.GetResource(), SchemaUrl: resource.GetSchemaUrl(),
					ScopeLogs: []*logspb.ScopeLogs{{Scope: scope.GetScope(), SchemaUrl: scope.GetSchemaUrl()}},
				})
				if err != nil {
					return nil, err
				}
				records[origin(key)] = append(records[origin(key)], scope.GetLogRecords()...)
			}
		}
	}
	return records, nil
}

// sortAttributes brings attributes into the order of their keys, those of one
// key in their own: the order of different keys means nothing.
func sortAttributes(attrs []*commonpb.KeyValue) {
	slices.SortStableFunc(attrs, func(a, b *commonpb.KeyValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
}

// diff returns how the replayed requests differ from the direct ones in
// anything but what a line may add, or the empty string.
func diff(direct, replayed []*collogspb.ExportLogsServiceRequest) string {
	want, err := byOrigin(direct)
	if err != nil {
		return err.Error()
	}
	got, err := byOrigin(replayed)
	if err != nil {
		return err.Error()
	}
	for origin, records := range want {
		if len(got[origin]) != len(records) {
			return fmt.Sprintf("of %q\nthere are %d records, want %d", origin, len(got[origin]), len(records))
		}
		for i, record := range records {
			if diff := diffRecords(record, got[origin][i]); diff != "" {
				return fmt.Sprintf("record %d of %q\n(-direct +replayed):\n%s", i, origin, diff)
			}
		}
		delete(got, origin)
	}
	for origin, records := range got {
		return fmt.Sprintf("%d records of %q were never emitted", len(records), origin)
	}
	return ""
}

func diffRecords(want, got *logspb.LogRecord) string {
	for _, key := range []string{"log.record.uid", "session.id"} {
		has := func(kv *commonpb.KeyValue) bool { return kv.GetKey() == key }
		if slices.ContainsFunc(want.GetAttributes(), has) {
			continue
		}
		i := slices.IndexFunc(got.GetAttributes(), has)
		if i < 0 || got.GetAttributes()[i].GetValue().GetStringValue() == "" {
			return "no attribute " + key
		}
		got.Attributes = slices.Delete(got.Attributes, i, i+1) // one: a second one is a difference
	}
	sortAttributes(want.GetAttributes())
	sortAttributes(got.GetAttributes())
	if proto.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got, protocmp.Transform()) + "(they are not equal)"
}
