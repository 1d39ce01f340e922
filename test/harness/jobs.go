package harness

import (
	"strings"

	"dataflow/bench"
)

// MetricScript is the script of the KafkaMQ manual's metric, in working order.
const MetricScript = `data = load_json(message)
drop_origin_data()

hostip = data["dimensions"]["ip"]
bkzid = data["dimensions"]["bk_biz_id"]
cast(bkzid, "str")

set_tag(hostip, hostip)
set_tag(bk_biz_id, bkzid)

add_key(cpu_usage_pct, data["metrics"]["cpu_usage_pct"])

drop_key(message_len)
`

// LogScript takes six values out of a [bench.LogMessage].
const LogScript = `data = load_json(message)

host = data["host"]
service = data["service"]
set_tag(host, host)
set_tag(service, service)

add_key(status, data["level"])
add_key(http_status, data["http"]["status"])
add_key(duration_ms, data["http"]["duration_ms"])
add_key(message, data["message"])

drop_key(message_len)
`

// MetricGraph is the KafkaMQ manual's metric job. Options are further lines of the source.
func MetricGraph(options ...string) string {
	return jobGraph("metric", "metric", "metric_topic", options)
}

// LogGraph is the job of the topic of [bench.LogTopic].
func LogGraph(options ...string) string {
	return jobGraph("log", "logging", bench.LogTopic, options)
}

// jobGraph reads a topic of a category, runs the script NAME.p and writes to DataWay.
func jobGraph(name, category, topic string, options []string) string {
	return `version: 1
name: ` + name + `s
limits: {memory: 160MiB}
sources:
  mq:
    type: kafka
    brokers: ["localhost:9092"]
    group: datakit-group
    topics: [` + topic + `]
    category: ` + category + `
    ` + strings.Join(options, "\n    ") + `
operators:
  ` + name + `_points: {type: pipeline, from: mq, script: ` + name + `.p}
sinks:
  out: {type: dataway, from: ` + name + `_points, url: "http://127.0.0.1:9528?token=tkn_00000000000000000000000000000000", encoding: line}
`
}
