data = load_json(message)
drop_origin_data()

hostip = data["dimensions"]["ip"]
bkzid = data["dimensions"]["bk_biz_id"]
cast(bkzid, "str")

set_tag(hostip, hostip)
set_tag(bk_biz_id, bkzid)

add_key(cpu_usage_pct, data["metrics"]["cpu_usage_pct"])

drop_key(message_len)
drop_key(bkzid)
