package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// LogTopic is the topic whose messages a stand-in makes with [LogMessage]; those of others are [MetricMessage], unless they are given.
const LogTopic = "log_topic"

// LogMessage returns log message n as JSON, 500 bytes, with ids and figures of its own: what compresses like logs do.
func LogMessage(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 500))
	levels := [...]string{"info", "info", "info", "warn", "error"}
	services := [...]string{"checkout", "catalog", "gateway", "accounts"}
	paths := [...]string{"/api/v2/orders", "/api/v2/orders/items", "/api/v2/users", "/healthz", "/static/app.js"}
	texts := [...]string{"request served", "payment provider answered slowly", "stock updated", "cache miss for session", "retrying after a broken connection"}
	when := time.Unix(1794993247, 0).UTC().Add(time.Duration(n) * time.Millisecond)
	text := fmt.Sprintf(`{"@timestamp": "%s", "level": %q, "service": %q, "host": "web-%02d", "trace": {"id": "%016x%016x", "span": "%016x"}, `+
		`"http": {"method": "GET", "path": %q, "status": %d, "duration_ms": %.2f, "bytes": %d, "client": "10.%d.%d.%d"}, `+
		`"user": {"id": %d, "session": "%016x"}, "message": "%s: order %d of customer %08x`,
		when.Format("2006-01-02T15:04:05.000Z"), levels[r.IntN(len(levels))], services[r.IntN(len(services))], r.IntN(32), r.Uint64(), r.Uint64(), r.Uint64(),
		paths[r.IntN(len(paths))], 200+100*(r.IntN(8)/3)+r.IntN(5), 500*r.Float64(), r.IntN(100_000), r.IntN(256), r.IntN(256), r.IntN(256),
		r.IntN(1_000_000), r.Uint64(), texts[r.IntN(len(texts))], r.IntN(1_000_000), r.Uint32())
	const size, end = 500, `"}`
	for len(text)+len(end) < size {
		text += " " + strconv.Itoa(r.IntN(10))
		text = text[:min(len(text), size-len(end))]
	}
	return text + end
}

// logMessages is how many log messages a stand-in makes; then they come again.
const logMessages = 4096
