/*
 * webtorrent in a Node process:
 *
 *   node webtorrent-peer.mjs seed TRACKER FILE
 *   node webtorrent-peer.mjs leech TRACKER INFO_HASH
 *
 * Writes one JSON object a line: {"hash": ...} when it seeds, {"done": ...}
 * when it has all. Leaves at the end of its input.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import WebTorrent from 'webtorrent'
import MemoryStore from './memory-store.mjs'

const [role, tracker, what] = process.argv.slice(2)

const say = object => process.stdout.write(JSON.stringify(object) + '\n')

/*
 * When its tracker is gone, the client comes back after 10 s and a random 0 to
 * 300 s. Here that one throw of the dice is always low; the rest is its own.
 */
const random = Math.random
Math.random = () => new Error().stack.includes('_startReconnectTimer') ? 0.01 : random()

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

const options = { announce: [tracker], store: MemoryStore }

function seed() {
	const bytes = readFileSync(what)
	const torrent = client.seed(bytes, { ...options, name: basename(what) })
	/*
	 * It says completed, then, 5 s later, started, with offers. A leecher whose
	 * own offers cross these is a case where webtorrent drops both connections
	 * and tries again after 30 s; so the leecher comes after them.
	 */
	let replies = 0
	torrent.on('trackerAnnounce', () => {
		if (++replies === 2) say({ hash: torrent.infoHash })
	})
}

function leech() {
	const magnet = `magnet:?xt=urn:btih:${what}&tr=${encodeURIComponent(tracker)}`
	const torrent = client.add(magnet, options)
	/*
	 * Some of its connections fail for reasons of its own; it would ask again
	 * after the interval, which is minutes.
	 */
	const again = setInterval(() => {
		if (torrent.numPeers === 0) torrent.discovery?.tracker?.update()
	}, 6000)
	torrent.on('done', async () => {
		clearInterval(again)
		const bytes = new Uint8Array(await torrent.files[0].arrayBuffer())
		const sha256 = createHash('sha256').update(bytes).digest('hex')
		say({ done: { sha256, received: torrent.received } })
	})
}

process.stdin.resume()
process.stdin.on('end', () => {
	client.destroy(() => process.exit(0))
})

if (role === 'seed') seed()
else leech()
