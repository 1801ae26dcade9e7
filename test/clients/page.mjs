/*
 * page.mjs - the peers that live in a page
 *
 * Each function of window.peers starts one; the suite calls them and reads window.state.
 */
import MemoryStore from './memory-store.mjs'

const state = window.state = {}
const rtcConfig = { iceServers: [] }

const get = async url => new Uint8Array(await (await fetch(url)).arrayBuffer())

const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')

const sha256 = async bytes => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))

let client

async function webtorrent() {
	const { default: WebTorrent } = await import('webtorrent')
	if (client) return client
	client = new WebTorrent({ dht: false, utPex: false, tracker: { rtcConfig } })
	client.on('error', error => { state.error = error.message })
	return client
}

async function seed(tracker, url) {
	const client = await webtorrent()
	const file = new File([await get(url)], url.split('/').pop())
	const torrent = client.seed(file, { announce: [tracker], store: MemoryStore })
	/* It says completed, then started, with offers; see webtorrent-peer.mjs. */
	let replies = 0
	torrent.on('trackerAnnounce', () => {
		if (++replies === 2) state.hash = torrent.infoHash
	})
}

async function leech(tracker, hash) {
	const client = await webtorrent()
	const magnet = `magnet:?xt=urn:btih:${hash}&tr=${encodeURIComponent(tracker)}`
	const torrent = client.add(magnet, { announce: [tracker], store: MemoryStore })
	const again = setInterval(() => {
		if (torrent.numPeers === 0) torrent.discovery?.tracker?.update()
	}, 6000)
	torrent.on('done', async () => {
		clearInterval(again)
		const bytes = await (await torrent.files[0].blob()).arrayBuffer()
		state.done = { sha256: await sha256(bytes), received: torrent.received }
	})
}

/* Whoever has the file sends it to all who join: a newcomer may not meet all of the room. */
async function trystero(tracker, url) {
	const { joinRoom } = await import('@trystero-p2p/torrent')
	const config = { appId: 'uwt', rtcConfig, relayConfig: { urls: [tracker] } }
	let bytes = url && await get(url)
	const room = joinRoom(config, 'room')
	const action = room.makeAction('file')
	action.onMessage = async data => {
		bytes = data
		state.done = { sha256: await sha256(data), received: data.byteLength }
	}
	room.onPeerJoin = id => {
		if (bytes) action.send(bytes, { target: id })
	}
}

/*
 * p2pt's messages are text: the file goes as hexadecimal digits, in parts that are each
 * acknowledged, as its send has no other flow control.
 */
async function p2pt(tracker, url) {
	const { default: P2PT } = await import('p2pt')
	const bytes = url && await get(url)
	const client = new P2PT([tracker], 'uwt')
	const parts = []
	const met = new Set()
	client.on('peerconnect', async peer => {
		/* Two pages may have two connections; the event comes for both. */
		if (met.has(peer.id)) return
		met.add(peer.id)
		if (!bytes) return
		const step = 250_000
		for (let at = 0; at < bytes.length; at += step) {
			const text = hex(bytes.subarray(at, at + step))
			await client.send(peer, { text, last: at + step >= bytes.length })
		}
	})
	client.on('msg', async (peer, message) => {
		parts.push(message.text)
		peer.respond('more')
		if (!message.last) return
		const text = parts.join('')
		const all = Uint8Array.from({ length: text.length / 2 },
			(_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16))
		state.done = { sha256: await sha256(all), received: all.length }
	})
	client.start()
}

/*
 * A stream of 10 segments. The page with the file loads them over HTTP; the other is told to give
 * peers a minute before it does so too.
 */
async function media(tracker, url) {
	const { Core } = await import('p2p-media-loader-core')
	const core = new Core({
		announceTrackers: [tracker],
		rtcConfig,
		swarmId: 'uwt',
		httpDownloadInitialTimeoutMs: url ? 0 : 60_000
	})
	let received = 0
	core.addEventListener('onChunkDownloaded', (bytes, source) => {
		if (source === 'p2p') received += bytes
	})
	core.setManifestResponseUrl(`${location.origin}/manifest`)
	core.addStreamIfNoneExists({ runtimeId: 'stream', type: 'main', index: '0' })
	const segments = Array.from({ length: 10 }, (_, part) => ({
		runtimeId: `segment ${part}`,
		externalId: part,
		url: `${location.origin}${url ?? '/nowhere'}?part=${part}`,
		startTime: 4 * part,
		endTime: 4 * part + 4
	}))
	core.updateStream('stream', segments)
	const parts = []
	for (const { runtimeId, startTime } of segments) {
		core.updatePlayback(startTime, 1)
		const { data } = await new Promise((resolve, reject) => {
			core.loadSegment(runtimeId, { onSuccess: resolve, onError: reject })
		})
		parts.push(data)
	}
	const all = await new Blob(parts).arrayBuffer()
	state.done = { sha256: await sha256(all), received }
}

window.peers = { seed, leech, trystero, p2pt, media }
