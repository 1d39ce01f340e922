# The row of the table whose ip is that of the point: its columns become fields. Without one nothing happens.
query_refer_table("hosts", "ip", ip)

# Once a minute, and when the engine stops, a point for each team: the number of its requests and the longest one.
agg_create("requests", on_interval="60s", const_tags={"unit": "ms"})
if team != nil {
  set_tag(team)
  n = 1
  agg_metric("requests", "count", "sum", ["team"], "n")
  agg_metric("requests", "longest", "max", ["team"], "duration")
}
