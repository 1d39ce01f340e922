package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The client's member of the group says nothing while it cannot reach a broker or log in. So the source pings until a broker has
// answered; what stands in the way is explained by the hooks.
const (
	firstPing   = 250 * time.Millisecond // pause after the first failure, then doubled
	slowestPing = 5 * time.Second
	pingTimeout = 8 * time.Second
	// skipWarning is how often insecure_skip_verify is said.
	skipWarning = time.Hour
)

// errSilent is a ping that nothing came back from.
var errSilent = errors.New("no broker has answered within " + pingTimeout.String())

// pingWithin asks the brokers, one after the other, for a sign of life.
func pingWithin(ctx context.Context, client *kgo.Client) error {
	ping, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := client.Ping(ping)
	if err != nil && ctx.Err() == nil && ping.Err() != nil {
		return errSilent
	}
	return err
}

// greet pings until a broker answers, then says what the brokers are. It ends with ctx.
func (k *kafka) greet(ctx context.Context) {
	for wait := firstPing; ; wait = min(2*wait, slowestPing) {
		err := pingWithin(ctx, k.client)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		if t := k.endedAtFirst(err); t != nil {
			k.health.connecting(t)
		} else if errors.Is(err, errSilent) {
			err = fmt.Errorf("brokers %v (%s): %w: is the listener one of another kind, is a firewall in between", k.config.Brokers, k.security.listener(), err)
		}
		k.health.bad("no Kafka broker answers", err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	k.remark(ctx)
	if k.security.tls == nil || !k.security.tls.InsecureSkipVerify {
		return
	}
	again := time.NewTicker(skipWarning)
	defer again.Stop()
	for {
		k.health.note("insecure_skip_verify is on: whoever answers at the brokers' addresses is believed, and gets the password")
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// endedAtFirst explains connections that come about and end at the first request, which no hook reports: the brokers want a login.
func (k *kafka) endedAtFirst(err error) *trouble {
	var ended *kgo.ErrFirstReadEOF
	if !errors.As(err, &ended) || k.health.said() {
		return nil
	}
	return k.security.explain(kgo.BrokerMetadata{NodeID: -1, Host: strings.Join(k.config.Brokers, ", ")}, err)
}

// remark says what the brokers make of kafka_version and group_protocol.
func (k *kafka) remark(ctx context.Context) {
	answer, err := askVersions(ctx, k.client)
	if err != nil {
		return // an old broker, or one that has just gone: nothing depends on it
	}
	hint, _ := parseVersion(k.config.Version)
	version := versionOf(answer)
	if forgotten(hint, answer) {
		k.health.note("the brokers no longer speak what kafka_version says; versions are negotiated, take the option out",
			"kafka_version", k.config.Version, "brokers", version)
	}
	if k.config.Protocol == "consumer" && !serverSide(answer) {
		k.health.note("the brokers do not know group_protocol: consumer; classic is used", "brokers", version)
	}
	if k.env.Log != nil {
		k.env.Log.Info("Kafka has answered", "brokers", k.config.Brokers, "version", version, "listener", k.security.listener())
	}
}

// askVersions asks any broker for what it speaks.
func askVersions(ctx context.Context, client *kgo.Client) (*kmsg.ApiVersionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "engine", "1"
	return req.RequestWith(ctx, client)
}
