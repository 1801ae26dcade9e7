/*
 * webtorrent-peer.mjs - webtorrent in a Node process
 *
 *	node webtorrent-peer.mjs TRACKER [FILE]
 *
 * Seeds FILE, and gets the torrent of each info_hash that comes on its input, one a line. Writes
 * one JSON object a line: {"hash": ...} when it seeds, {"done": ...} when it has got a torrent.
 * Leaves at the end of its input.
 */
import './gathering.mjs'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import WebTorrent from 'webtorrent'
import MemoryStore from './memory-store.mjs'

const PATIENCE = 8000 /* ms */

const [tracker, file] = process.argv.slice(2)
const options = { announce: [tracker], store: MemoryStore }
const clients = []

const say = object => process.stdout.write(JSON.stringify(object) + '\n')

/*
 * When its tracker is gone, the client comes back after 10 s and a random 0 to 300 s. Here that
 * one throw of the dice is always low; the rest is its own.
 */
const random = Math.random
Math.random = () => new Error().stack.includes('_startReconnectTimer') ? 0.01 : random()

function newClient() {
	const client = new WebTorrent({
		dht: false,
		lsd: false,
		utPex: false,
		utp: false,
		natUpnp: false,
		natPmp: false,
		tracker: { rtcConfig: { iceServers: [] } }
	})
	client.on('error', error => {
		process.stderr.write(`${error.stack}\n`)
		process.exit(1)
	})
	clients.push(client)
	return client
}

function seed(client) {
	const torrent = client.seed(readFileSync(file), { ...options, name: basename(file) })
	/*
	 * It says completed, then started, with offers. A leecher whose own offers cross these is a
	 * case where webtorrent drops both connections and tries again after 30 s; so the leecher
	 * comes after them.
	 */
	let replies = 0
	torrent.on('trackerAnnounce', () => {
		if (++replies === 2) say({ hash: torrent.infoHash })
	})
}

/*
 * When machines are busy libdatachannel may take up a connection before it has the other's
 * fingerprint, and gives it up. The other then refuses for 25 s who has this peer_id, so one with
 * another comes instead, as if the user had started the program again.
 */
function leech(client, hash) {
	const magnet = `magnet:?xt=urn:btih:${hash}&tr=${encodeURIComponent(tracker)}`
	const torrent = client.add(magnet, options)
	const again = setInterval(() => {
		if (torrent.numPeers > 0) return
		clearInterval(again)
		client.remove(torrent, () => leech(newClient(), hash))
	}, PATIENCE)
	torrent.on('done', async () => {
		clearInterval(again)
		const bytes = new Uint8Array(await torrent.files[0].arrayBuffer())
		const sha256 = createHash('sha256').update(bytes).digest('hex')
		say({ done: { sha256, received: torrent.received } })
	})
}

const first = newClient()
if (file) seed(first)
createInterface({ input: process.stdin })
	.on('line', hash => leech(first, hash))
	.on('close', async () => {
		await Promise.all(clients.map(client => new Promise(done => client.destroy(done))))
		process.exit(0)
	})
