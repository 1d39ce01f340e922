package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Producer makes messages of one kind, for demonstrations. Message returns the text of number n; the same seed
// gives the same texts.
type Producer struct {
	Name    string
	Message func(r *rand.Rand, now time.Time, n int) string
}

// Producers returns a producer for each kind of message that the KafkaMQ manual shows: metrics, logs and rum.
func Producers() map[string]Producer {
	return map[string]Producer{
		"metrics": {"metrics", metricMessage},
		"logs":    {"logs", logMessage},
		"rum":     {"rum", rumMessage},
	}
}

// metricMessage is the manual's message of a metric topic: a JSON object of dimensions and metrics.
func metricMessage(r *rand.Rand, now time.Time, _ int) string {
	return fmt.Sprintf(`{"time": %d, "dimensions": {"bk_biz_id": %d,"ip": "10.200.64.%d" },  "metrics": { "cpu_usage_pct": %.2f}, "exemplar": null}`,
		now.Unix(), 220+r.IntN(10), 1+r.IntN(250), 100*r.Float64())
}

var (
	logLevels = []string{"DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"}
	logTexts  = []string{
		"order accepted", "cache miss for session", "payment provider answered slowly",
		"retrying after a broken connection", "user signed in", "stock updated",
	}
	services = []string{"checkout", "catalog", "gateway", "accounts"}
)

// logMessage is a line of a log; every tenth has a stack trace behind it.
func logMessage(r *rand.Rand, now time.Time, n int) string {
	text := fmt.Sprintf("%s %s [%s] thread-%d %s id=%d", now.UTC().Format("2006-01-02 15:04:05.000"),
		logLevels[r.IntN(len(logLevels))], services[r.IntN(len(services))], r.IntN(16), logTexts[r.IntN(len(logTexts))], n)
	if n%10 == 9 {
		text += "\n\tat shop.Order.pay(Order.java:88)\n\tat shop.Main.main(Main.java:12)"
	}
	return text
}

// rumMessage is a view of a page as a browser reports it.
func rumMessage(r *rand.Rand, now time.Time, n int) string {
	pages := [...]string{"/", "/cart", "/product", "/checkout"}
	return fmt.Sprintf(`{"app_id": "shop-web", "session_id": "s-%06d", "type": "view", "page": %q, "loading_time": %d, "sdk_name": "df_web_rum_sdk", "date": %d}`,
		n/7, pages[r.IntN(len(pages))], 80+r.IntN(3000), now.UnixMilli())
}

// Feed produces messages of p to a topic, rate of them a second (as fast as it goes if 0), until ctx ends or count are
// written (0 is no end). It returns how many were.
func (k *Kafka) Feed(ctx context.Context, topic string, p Producer, rate float64, count int, seed uint64) (int, error) {
	const most = 500
	r := rand.New(rand.NewPCG(seed, 1))
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	sent := 0
	for count == 0 || sent < count {
		due := sent + most
		if rate > 0 {
			due = min(due, int(rate*time.Since(start).Seconds())+1)
		}
		if count > 0 {
			due = min(due, count)
		}
		var records []*kgo.Record
		for n := sent; n < due; n++ {
			records = append(records, &kgo.Record{Topic: topic, Partition: AnyPartition, Value: []byte(p.Message(r, time.Now(), n))})
		}
		if len(records) > 0 {
			if err := k.Produce(ctx, records...); err != nil {
				if ctx.Err() != nil {
					return sent, nil
				}
				return sent, err
			}
			sent = due
		}
		if rate > 0 {
			timer.Reset(time.Duration(float64(time.Second) * min(0.2, 1/rate)))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return sent, nil
			}
		}
		if ctx.Err() != nil {
			return sent, nil
		}
	}
	return sent, nil
}
