module github.com/otelaudit/otelaudit/benchmarks

go 1.26.0

replace github.com/otelaudit/otelaudit => ../

require (
	github.com/DeRuina/timberjack v1.4.9
	gopkg.in/natefinch/lumberjack.v2 v2.2.1
)

require github.com/klauspost/compress v1.20.3 // indirect
