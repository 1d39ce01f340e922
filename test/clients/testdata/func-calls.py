"""Makes the calls of func-calls.json with the connector of DataFlux Func and prints what each returned, as a line of JSON."""
import json
import sys

import datakit


def expand(call):
    points = []
    for point in call["points"]:
        for i in range(call.get("repeat", 1)):
            one = json.loads(json.dumps(point))
            if "repeat" in call:
                one["fields"]["i"] = i
                one["timestamp"] += i
            points.append(one)
    return points


def connector(url, call):
    if call.get("defaults"):
        return datakit.DataKit(url=url)
    return datakit.DataKit(url=url, source=call.get("source"), min_gzip_bytes=call.get("min_gzip_bytes"))


def make(url, closed, call):
    name = call["call"]
    if name == "discover":
        for candidate in (closed, url):
            try:
                status, answer = connector(candidate, call).get("/v1/ping")
                return {"status": status, "found": candidate, "content": answer["content"]}
            except Exception as e:
                print("nobody at", candidate, "-", e, file=sys.stderr)
        raise Exception("nothing found")
    dk = connector(url, call)
    if name == "query":
        status, answer = dk.query(call["dql"], all_series=call.get("all_series", False), token=call.get("token"), dict_output=True)
        return {"status": status, "series": len(answer["series"]), "first": answer["series"][0][0]}
    points = expand(call)
    category = [call["category"]] if "by_category" in name else []
    if len(points) == 1 and not name.endswith(("many", "metrics", "points")):
        p = points[0]
        status, answer = getattr(dk, name)(*category, p["measurement"], tags=p["tags"], fields=p["fields"], timestamp=p["timestamp"])
    else:
        status, answer = getattr(dk, name)(*category, points)
    return {"status": status, "answer": answer.decode() if isinstance(answer, bytes) else answer}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        calls = json.load(f)
    for call in calls:
        try:
            out = make(sys.argv[2], sys.argv[3], call)
        except Exception as e:
            out = {"error": str(e)}
        print(json.dumps(out), flush=True)


main()
