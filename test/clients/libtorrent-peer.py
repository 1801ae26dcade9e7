# libtorrent-peer.py - libtorrent in a Python process
#
#	python libtorrent-peer.py seed TRACKER FILE
#	python libtorrent-peer.py leech TRACKER INFO_HASH DIRECTORY
#
# Writes one JSON object a line: {"hash": ...} when it seeds, {"done": ...}
# when it has all. Leaves at the end of its input.
import hashlib
import json
import os
import select
import sys
import time

import libtorrent as lt

role, tracker, what = sys.argv[1:4]


def say(**message):
    print(json.dumps(message), flush=True)


# Nothing but the tracker may introduce peers, and nothing but WebRTC may
# connect them.
session = lt.session({
    'alert_mask': lt.alert.category_t.storage_notification,
    'listen_interfaces': '127.0.0.1:0',
    'enable_dht': False,
    'enable_lsd': False,
    'enable_upnp': False,
    'enable_natpmp': False,
    'enable_incoming_tcp': False,
    'enable_outgoing_tcp': False,
    'enable_incoming_utp': False,
    'enable_outgoing_utp': False,
    'webtorrent_stun_server': '',
})


def add(parameters):
    parameters.trackers = [tracker]
    parameters.flags |= lt.torrent_flags.disable_pex
    return session.add_torrent(parameters)


def seed():
    files = lt.file_storage()
    lt.add_files(files, what)
    torrent = lt.create_torrent(files, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, os.path.dirname(what))
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent.generate())
    parameters.save_path = os.path.dirname(what)
    parameters.flags |= lt.torrent_flags.seed_mode
    handle = add(parameters)
    say(hash=str(handle.info_hashes().v1))
    return handle


def leech():
    parameters = lt.parse_magnet_uri('magnet:?xt=urn:btih:' + what)
    parameters.save_path = sys.argv[4]
    return add(parameters)


# What it has may not be in the file yet.
def flush(handle):
    handle.flush_cache()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.cache_flushed_alert):
                return


def hash_of(handle):
    flush(handle)
    with open(os.path.join(sys.argv[4], handle.status().name), 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


handle = seed() if role == 'seed' else leech()
waiting = role == 'leech'
while not select.select([sys.stdin], [], [], 0.1)[0]:
    status = handle.status()
    if waiting and status.is_seeding:
        waiting = False
        say(done={
            'sha256': hash_of(handle),
            'received': status.total_payload_download,
        })
