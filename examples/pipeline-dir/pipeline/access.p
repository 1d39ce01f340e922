# Scripts in the top folder are those of logging. The points are called nginx; the graph's map sends them here.
grok(_, "%{IP:client_ip} - %{NOTSPACE:user} \\[%{HTTPDATE:time}\\] \"%{WORD:method} %{NOTSPACE:url} %{NOTSPACE}\" %{INT:code:int} %{INT:bytes:int}")
nullif(user, "-")
set_tag(method)
if code >= 500 {
  add_key(status, "error")
}
default_time(time)
drop_origin_data()
