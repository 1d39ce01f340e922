d = load_json(message)
if d == nil { exit() }
set_measurement("view")
add_key(session_id, d["session_id"])
add_key(loading_time, d["loading_time"])
page = d["page"]
set_tag(page, page)
drop_origin_data()
drop_key(message_len)
