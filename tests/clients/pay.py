"""A Python client as shops have it: one connection that is kept, a limit on each read, version 3.

pay.py BASE_URL SECONDS [--key KEY]: bodies come on the standard input, one a line; for each a line
of JSON says what the shop would believe, and what came.
"""
import argparse
import base64
import http.client
import json
import os
import sys
import urllib.parse

arguments = argparse.ArgumentParser()
arguments.add_argument("base")
arguments.add_argument("seconds", type=float)
arguments.add_argument("--key")
options = arguments.parse_args()


def believed(answer):
    """Version 3 is flat, has a code always, and a status or errors."""
    if not answer["code"].startswith("S.") and "errors" in answer:
        return "error"
    return answer["status"]


def main():
    base = urllib.parse.urlsplit(options.base)
    secure = base.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(base.hostname, base.port, timeout=options.seconds)
    shop = base64.b64encode(os.environ["SHOP"].encode()).decode()
    fields = {
        "Authorization": f"Basic {shop}",
        "Content-Type": "application/json",
        "X-Api-Version": "3",
    }
    if options.key:
        fields["RequestID"] = options.key
    connection.connect()
    first = connection.sock
    for body in sys.stdin.buffer:
        said = {"status": 0, "body": ""}
        try:
            connection.request("POST", "/transactions/payments", body.rstrip(b"\n"), fields)
            response = connection.getresponse()
            read = response.read()
            said["status"] = response.status
            said["body"] = base64.b64encode(read).decode()
            said["believed"] = believed(json.loads(read))
        except TimeoutError:
            said["believed"] = "timeout"
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            said["believed"] = f"transport {error!r}"
            connection.close()
        said["kept"] = connection.sock is first
        print(json.dumps(said))


main()
