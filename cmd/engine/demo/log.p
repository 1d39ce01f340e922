add_pattern("level", "[A-Z]+")
if grok(_, "%{TIMESTAMP_ISO8601:time} %{level:status} \\[%{WORD:service}\\] %{NOTSPACE:thread} %{GREEDYDATA:text}") {
  default_time(time, "UTC")
  set_tag(service, service)
}
drop_key(message_len)
