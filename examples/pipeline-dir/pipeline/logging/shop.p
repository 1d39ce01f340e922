# Points called shop. ORDER stands in pattern/orders; mark.p is a script of the same category.
json(_, level, status)
json(_, order)
json(_, text)
json(_, ts)
if grok(order, "^%{ORDER}$") {
  set_tag(region)
} else {
  use("mark.p")
}
cast(ts, "int") # numbers of JSON are floats, and a time is an int
add_key(time, ts * 1000000)
drop_key(ts)
drop_origin_data()
