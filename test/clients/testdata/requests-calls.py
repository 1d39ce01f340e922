"""Sends the requests of requests-calls.json with the library requests and prints status and answer of each, as a line of JSON."""
import gzip
import json
import sys

import requests


def send(url, call):
    if "json" in call:
        # As pythond's framework does: the text of json.dumps, with \u escapes, one connection a request.
        return requests.post(url + call["path"], data=json.dumps(call["json"]), headers={"Content-Type": "application/json"})
    body = call["text"].encode()
    headers = {"Content-Type": call["type"]} if "type" in call else {}
    if call.get("gzip"):
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    if call.get("chunked"):
        whole = body
        body = (whole[i:i + 7] for i in range(0, len(whole), 7))
    return requests.post(url + call["path"], data=body, headers=headers)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        calls = json.load(f)
    for call in calls:
        answer = send(sys.argv[2], call)
        print(json.dumps({"status": answer.status_code, "answer": answer.text}), flush=True)
    ping = requests.get(sys.argv[2] + "/v1/ping", timeout=3)
    print(json.dumps({"status": ping.status_code, "answer": ping.text, "version": requests.__version__}), flush=True)


main()
