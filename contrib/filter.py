#!/usr/bin/env python3
"""A filter for `uwt --filter 'contrib/filter.py KEYS'`: as filter.sh, for keys with a date.

The file KEYS has a key and the last day that it is good for in each line: `sesame 2027-01-31`. It is
read again when it changes. Questions and answers are lines of JSON, see FILTERS in uwt(8).
"""
import datetime
import json
import os
import sys
import urllib.parse


class Keys:
    def __init__(self, path):
        self.path, self.read_at, self.days = path, None, {}

    def day(self, key):
        """The last day of a key, None if there is no such key."""
        changed = os.stat(self.path).st_mtime_ns
        if changed != self.read_at:
            with open(self.path) as lines:
                pairs = [line.split() for line in lines if line.strip()]
            self.days = {key: datetime.date.fromisoformat(day) for key, day in pairs}
            self.read_at = changed
        return self.days.get(key)


def judge(keys, question):
    query = urllib.parse.urlsplit(question.get("path", "")).query
    key = urllib.parse.parse_qs(query).get("key", [""])[0]
    day = keys.day(key)
    if day is None:
        return {"allow": False, "reason": "no such key"}
    if day < datetime.date.today():
        return {"allow": False, "reason": f"this key was good until {day}"}
    return {"allow": True, "ttl": 3600}


def main():
    keys = Keys(sys.argv[1])
    for line in sys.stdin:
        question = json.loads(line)
        answer = {"id": question["id"], **judge(keys, question)}
        print(json.dumps(answer, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
