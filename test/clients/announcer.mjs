/*
 * announcer.mjs - the bittorrent-tracker client: start, update, complete, stop, scrape, and an
 * offer that is answered
 *
 *	node announcer.mjs PORT
 *
 * Ends with status 0 if all was as it should be.
 */
import './gathering.mjs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import Client from 'bittorrent-tracker'
import { check, sleep, until } from './scope.mjs'
import { Tracker } from './tracker.mjs'

const tracker = new Tracker()
tracker.port = Number(process.argv[2])

const infoHash = randomBytes(20).toString('hex')
const clients = []

/* Clients with the same path share one socket. */
function client(path) {
	const one = new Client({
		infoHash,
		peerId: Buffer.concat([Buffer.from('-WW0300-'), randomBytes(12)]),
		announce: tracker.url(path),
		port: 6881,
		rtcConfig: { iceServers: [] }
	})
	one.failures = []
	/* What failed between the two clients is no matter of the tracker's. */
	one.on('warning', ({ message }) => {
		if (!message.startsWith('Connection error: ')) one.failures.push(message)
	})
	one.on('error', error => one.failures.push(error.message))
	clients.push(one)
	return one
}

const soon = (promise, what) => Promise.race([
	promise,
	sleep(30_000).then(() => { throw new Error(`no ${what} within 30 s`) })
])

/* Announces or scrapes, and checks the numbers of the reply. */
async function tell(one, method, options, numbers) {
	const event = method === 'scrape' ? 'scrape' : 'update'
	const reply = soon(once(one, event), `reply to ${method}`)
	one[method](options)
	const [got] = await reply
	check(got.infoHash === infoHash, `${method}: info_hash ${got.infoHash}`)
	for (const [key, value] of Object.entries(numbers)) {
		check(got[key] === value, `${method}: ${key} ${got[key]}, not ${value}`)
	}
	if (event === 'update') check(got.interval > 0, `${method}: interval ${got.interval}`)
}

async function talk(a, b) {
	const got = []
	for (const one of [a, b]) {
		one.on('peer', peer => {
			peer.on('error', () => {})
			peer.on('connect', () => peer.send(one.peerId))
			peer.on('data', data => { got.push(Buffer.from(data).toString()) })
		})
	}
	const heard = () => [a, b].every(one => got.includes(one.peerId))
	await tell(a, 'start', { left: 10 }, { complete: 0, incomplete: 1 })
	await tracker.shows({ torrents: 1, peersAll: 1, peersLeecherOnly: 1 })
	await tell(b, 'start', { left: 10 }, { complete: 0, incomplete: 2 })
	await tracker.shows({ torrents: 1, peersAll: 2, peersLeecherOnly: 2 })
	/* Some connections fail for reasons of the client; then it is to try again. */
	for (let tries = 0; tries < 4 && !heard(); tries++) {
		await until(heard, () => 'connection', 4000).catch(() => {})
		if (!heard()) await tell(b, 'update', { left: 10 }, { complete: 0, incomplete: 2 })
	}
	check(heard(), `no connection: heard ${got}`)
}

async function events(a, b) {
	await tell(a, 'update', { left: 5, numwant: 0 }, { complete: 0, incomplete: 2 })
	await tell(a, 'complete', { left: 0 }, { complete: 1, incomplete: 1 })
	await tracker.shows({ peersAll: 2, peersSeederOnly: 1, peersLeecherOnly: 1 })
	const numbers = { complete: 1, incomplete: 1, downloaded: 1 }
	await tell(a, 'scrape', {}, numbers)
	await tell(b, 'scrape', { infoHash: [infoHash] }, numbers)
	await tell(a, 'stop', { left: 0 }, { complete: 0, incomplete: 1 })
	await tracker.shows({ peersAll: 1, peersLeecherOnly: 1 })
	await tell(b, 'stop', { left: 10 }, { complete: 0, incomplete: 0 })
	await tracker.shows({ torrents: 0, peersAll: 0 })
}

async function sharedSocket() {
	const [c, d] = [client('/shared'), client('/shared')]
	await tell(c, 'start', { left: 10, numwant: 0 }, { complete: 0, incomplete: 1 })
	await tell(d, 'start', { left: 0, numwant: 0 }, { complete: 1, incomplete: 1 })
	await tracker.shows({ peersAll: 2, peersSeederOnly: 1, peersLeecherOnly: 1 })
	await tell(c, 'stop', { left: 10 }, { complete: 1, incomplete: 0 })
	await tracker.shows({ peersAll: 1, peersSeederOnly: 1 })
}

/* The function that scrapes without a client; a hash nobody has is all zeros. */
async function scrapeMany() {
	const unknown = randomBytes(20).toString('hex')
	const results = await soon(new Promise((resolve, reject) => {
		Client.scrape({ announce: tracker.url('/scrape'), infoHash: [infoHash, unknown] },
			(error, got) => error ? reject(error) : resolve(got))
	}), 'scrape')
	check(results[infoHash]?.complete === 1, `scrape: ${JSON.stringify(results)}`)
	check(results[unknown]?.complete === 0 && results[unknown]?.incomplete === 0,
		`scrape of an unknown hash: ${JSON.stringify(results)}`)
}

const [a, b] = [client('/a'), client('/b')]
await talk(a, b)
await events(a, b)
await sharedSocket()
await scrapeMany()
const failures = clients.flatMap(one => one.failures)
check(failures.length === 0, `warnings: ${failures}`)
await Promise.all(clients.map(one => new Promise(resolve => one.destroy(resolve))))
process.exit(0)
