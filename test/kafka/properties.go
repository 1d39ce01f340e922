package kafka

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Listeners of a node with security, by the offset of their port. Users: alice by PLAIN, bob by SCRAM-SHA-256, carol by SCRAM-SHA-512, each with
// the password NAME-secret; any unsecured token by OAUTHBEARER.
var listeners = []string{"PLAINTEXT", "CONTROLLER", "SASL_PLAINTEXT", "SSL", "SASL_SSL", "MTLS", "EXPIRED", "STRANGE"}

const protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,MTLS:SSL,EXPIRED:SSL,STRANGE:SSL"

// properties returns the configuration of a node.
func (c *Cluster) properties(node int) string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	var voters, listen, advertise []string
	for i := 1; i <= c.options.Nodes; i++ {
		voters = append(voters, fmt.Sprintf("%d@%s", i, c.address(i, "CONTROLLER")))
	}
	for _, l := range c.listeners() {
		listen = append(listen, l+"://"+c.address(node, l))
		if l != "CONTROLLER" {
			advertise = append(advertise, l+"://"+c.address(node, l))
		}
	}
	replicas := min(3, c.options.Nodes)
	set("process.roles", "broker,controller")
	set("node.id", node)
	set("controller.quorum.voters", strings.Join(voters, ","))
	set("controller.listener.names", "CONTROLLER")
	set("listeners", strings.Join(listen, ","))
	set("advertised.listeners", strings.Join(advertise, ","))
	set("inter.broker.listener.name", "PLAINTEXT")
	set("listener.security.protocol.map", protocols)
	set("log.dirs", filepath.Join(c.node(node), "data"))
	set("num.partitions", 4)
	set("default.replication.factor", replicas)
	set("min.insync.replicas", max(1, replicas-1))
	set("offsets.topic.replication.factor", replicas)
	set("offsets.topic.num.partitions", 10)
	set("transaction.state.log.replication.factor", replicas)
	set("transaction.state.log.min.isr", max(1, replicas-1))
	set("transaction.state.log.num.partitions", 10)
	if strings.HasPrefix(c.options.Version, "4.") {
		set("share.coordinator.state.topic.replication.factor", replicas)
		set("share.coordinator.state.topic.min.isr", max(1, replicas-1))
	}
	// A test does not wait for members that do not come, and memory and threads are small.
	set("group.initial.rebalance.delay.ms", 0)
	set("auto.create.topics.enable", false)
	set("num.network.threads", 2)
	set("num.io.threads", 4)
	set("log.cleaner.dedupe.buffer.size", 8<<20)
	if c.options.Security {
		c.secure(set)
	}
	for _, line := range c.options.Properties {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// secure adds users and certificates.
func (c *Cluster) secure(set func(key string, value any)) {
	const module = "org.apache.kafka.common.security."
	set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER")
	for _, l := range []string{"sasl_plaintext", "sasl_ssl"} {
		name := "listener.name." + l + "."
		set(name+"plain.sasl.jaas.config", module+`plain.PlainLoginModule required user_alice="alice-secret";`)
		set(name+"scram-sha-256.sasl.jaas.config", module+"scram.ScramLoginModule required;")
		set(name+"scram-sha-512.sasl.jaas.config", module+"scram.ScramLoginModule required;")
		set(name+"oauthbearer.sasl.jaas.config", module+`oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`)
	}
	set("ssl.keystore.type", "PEM")
	set("ssl.keystore.location", c.Certificate("server.keystore.pem"))
	set("ssl.truststore.type", "PEM")
	set("ssl.truststore.location", c.Certificate("ca.pem"))
	set("ssl.client.auth", "none")
	set("listener.name.mtls.ssl.client.auth", "required")
	set("listener.name.expired.ssl.keystore.location", c.Certificate("expired-server.keystore.pem"))
	set("listener.name.strange.ssl.keystore.location", c.Certificate("strange-server.keystore.pem"))
}

// Log configurations of the two lines: warnings, and the line that says that a broker is ready.
const (
	log4j = `log4j.rootLogger=WARN,c
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.layout=org.apache.log4j.PatternLayout
log4j.appender.c.layout.ConversionPattern=%d %p %m (%c)%n
`
	log4j2 = `rootLogger.level=WARN
rootLogger.appenderRef.c.ref=c
logger.r.name=kafka.server.KafkaRaftServer
logger.r.level=INFO
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %m (%c)%n
`
	ready = "Kafka Server started"
)
