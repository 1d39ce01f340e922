"""Writes the lines of a file to a topic with kafka-python: key, tab, value. Arguments: broker, topic, codec, file."""

import sys

from kafka import KafkaProducer

broker, topic, codec, path = sys.argv[1:]
producer = KafkaProducer(
    bootstrap_servers=broker,
    acks="all",
    compression_type=None if codec == "none" else codec,
    linger_ms=20,
)
headers = [("codec", codec.encode()), ("client", b"kafka-python")]
sent = []
with open(path, "rb") as file:
    for line in file.read().split(b"\n")[:-1]:
        key, _, value = line.partition(b"\t")
        sent.append(producer.send(topic, key=key, value=value, headers=headers))
producer.flush()
for future in sent:
    future.get(timeout=30)  # raises what went wrong
producer.close()
