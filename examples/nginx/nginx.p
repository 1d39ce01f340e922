# Fields of the combined log format of nginx; a line of another form is marked and goes on as it is.
grok(_, "%{NOTSPACE:client_ip} %{NOTSPACE:ident} %{NOTSPACE:user} \\[%{HTTPDATE:time}\\] \"%{WORD:method} %{NOTSPACE:url} HTTP/%{NUMBER:http_version}\" %{INT:status_code} %{INT:bytes} \"%{NOTSPACE:referrer}\" \"%{GREEDYDATA:agent}\"")
if client_ip == nil {
  add_key(parsed, false)
  exit()
}

cast(status_code, "int")
cast(bytes, "int")
set_tag(method)
if status_code >= 500 {
  add_key(status, "error")
} elif status_code >= 400 {
  add_key(status, "warning")
}
nullif(user, "-")
nullif(referrer, "-")
drop_key(ident)
default_time(time)
drop_origin_data()
