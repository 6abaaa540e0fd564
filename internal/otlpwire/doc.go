// Package otlpwire encodes audit lines straight into the bytes of an OTLP
// ExportLogsServiceRequest.
//
// What it makes of a line equals, as protobuf, what otlploghttp makes of the
// record that [otelline.Decoder] gives for it; tests hold the two together on
// random records and on arbitrary bytes. It takes a tenth of the time,
// because there is no record in between: a line is taken apart in one pass
// ([jsonline.Tape]), and its tokens are written as protobuf in another one.
//
// That fast way knows what writers usually produce. Of anything else, damage
// among it, it only says that it does not know: the Decoder then makes the
// record or gives the reason, and the record is encoded. So the fast way can be
// incomplete, and only must not be wrong.
//
// The field numbers are those of opentelemetry-proto, whose messages are stable:
// collector/logs/v1/logs_service.proto, logs/v1/logs.proto,
// resource/v1/resource.proto and common/v1/common.proto.
package otlpwire
