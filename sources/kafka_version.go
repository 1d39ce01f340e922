package sources

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

var versionText = regexp.MustCompile(`^(0\.\d{1,2}\.\d{1,2}(\.\d{1,2})?|[1-9]\d?\.\d{1,2}(\.\d{1,2})?|0\.(8|9|10|11))$`)

// parseVersion reads kafka_version, nil if it is empty. Versions that this library does not know, newer ones, are
// what it knows best.
func parseVersion(text string) (*kversion.Versions, error) {
	if text == "" {
		return nil, nil
	}
	if !versionText.MatchString(text) {
		return nil, fmt.Errorf("%q is no version of Kafka: write it as in 2.0.0, 3.3 or 0.10.2.0, or leave it out, versions are negotiated", text)
	}
	if strings.Count(text, ".") == 1 && strings.HasPrefix(text, "0.") {
		text += ".0"
	}
	if v := kversion.FromString(text); v != nil {
		return v, nil
	}
	return kversion.Stable(), nil
}

// tooOldToAsk reports whether brokers of the hinted version cannot be asked for their versions: that came with 0.10.
func tooOldToAsk(hint *kversion.Versions) bool {
	return hint != nil && !hint.HasKey(int16(kmsg.ApiVersions))
}

// probeOld finds out whether the brokers are so old that they cannot be asked for their versions, where kafka_version
// says so. It returns what to hold the client to, nil for nothing. A hint is never a trap: brokers that can be asked are asked.
// It waits until a broker says something.
func (k *kafka) probeOld(ctx context.Context) (*kversion.Versions, error) {
	hint, err := parseVersion(k.config.Version)
	if err != nil || !tooOldToAsk(hint) {
		return nil, err
	}
	opts, err := k.commonOptions()
	if err != nil {
		return nil, fmt.Errorf("connecting to Kafka: %w", err)
	}
	probe := newHealth(k.env).watching(k.security, nil)
	probe.env.Log, probe.env.Health = nil, func(error) {}
	client, err := kgo.NewClient(append(opts, kgo.WithHooks(probe))...)
	if err != nil {
		return nil, fmt.Errorf("connecting to Kafka: %w", err)
	}
	defer client.Close()
	for wait := firstPing; ; wait = min(2*wait, slowestPing) {
		err := pingWithin(ctx, client)
		var ended *kgo.ErrFirstReadEOF
		switch {
		case err == nil, ctx.Err() != nil:
			return nil, nil
		case errors.As(err, &ended) && strings.Contains(ended.Error(), "api versions"):
			// 0.9 and 0.8 end the connection at a request that they do not know. What 0.9 has is what both may
			// have, but 0.8 has no groups.
			k.health.note("the brokers do not say their versions: the client is held to 0.9.0", "kafka_version", k.config.Version)
			return kversion.V0_9_0(), nil
		}
		k.unreachable(probe, err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		case <-timer.C:
		}
	}
}

// unreachable shows what another client than the source's own has met.
func (k *kafka) unreachable(h *health, err error) {
	h.mu.Lock()
	t := h.broker
	h.mu.Unlock()
	if t != nil {
		k.health.connecting(t)
	} else if err != nil {
		k.health.bad("no Kafka broker answers", err)
	}
}

// used are the requests that reading takes.
var used = []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.Heartbeat, kmsg.SyncGroup}

// forgotten reports whether a broker no longer speaks what clients of the hinted version do.
func forgotten(hint *kversion.Versions, answer *kmsg.ApiVersionsResponse) bool {
	if hint == nil {
		return false
	}
	for _, key := range answer.ApiKeys {
		for _, u := range used {
			if key.ApiKey != int16(u) {
				continue
			}
			if highest, ok := hint.LookupMaxKeyVersion(key.ApiKey); ok && highest < key.MinVersion {
				return true
			}
		}
	}
	return false
}

// serverSide reports whether a broker shares partitions itself (KIP-848 as Kafka 4.0 has it).
func serverSide(answer *kmsg.ApiVersionsResponse) bool {
	for _, key := range answer.ApiKeys {
		if key.ApiKey == int16(kmsg.ConsumerGroupHeartbeat) {
			return key.MaxVersion >= 1
		}
	}
	return false
}

// versionOf says which Kafka a broker is like.
func versionOf(answer *kmsg.ApiVersionsResponse) string {
	return kversion.FromApiVersionsResponse(answer).VersionGuess()
}
