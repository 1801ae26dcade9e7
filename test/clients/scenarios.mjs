/*
 * scenarios.mjs - what is tried
 *
 * Each scenario gets t: { scope, browser, binary }, and throws when something is wrong.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certify } from './certificates.mjs'
import { away, dashboard } from './dashboard.mjs'
import { ProcessPeer, checkArrived, peer } from './peers.mjs'
import { SIZE, check, sleep, start } from './scope.mjs'
import { startTracker } from './tracker.mjs'

const NAMES = { node: /webtorrent/i, chromium: /webtorrent/i, libtorrent: /libtorrent/i }
const ALL_SEED = { peersLeecherOnly: 0, peersSeederAndLeecher: 0 }

const newTracker = (t, ...options) => startTracker(t.scope, t.binary, options)

async function newSecureTracker(t) {
	const pair = await certify(t.scope.directory, 'first')
	const tracker = await newTracker(t, '--cert', pair.chain, '--key', pair.key)
	return Object.assign(tracker, pair, { scheme: 'wss' })
}

const arrived = (done, file) => checkArrived(done, file, SIZE)

/* One seeds, one leeches, both leave; /stats.json is right at every step. */
async function transfer(t, seederKind, leecherKind) {
	const tracker = await newTracker(t)
	const file = await t.scope.file('one')
	const seeder = await peer(t, seederKind, 'seed', tracker, file)
	const hash = await seeder.hash()
	await tracker.shows({ torrents: 1, activeTorrents: 1, peersAll: 1, peersSeederOnly: 1 })
	const leecher = await peer(t, leecherKind, 'leech', tracker, hash)
	await tracker.shows({ torrents: 1, peersAll: 2 })
	arrived(await leecher.done(), file)
	const stats = await tracker.shows(
		{ peersAll: 2, peersSeederOnly: 2, peersIPv4: 2, peersIPv6: 0, ...ALL_SEED })
	for (const kind of [seederKind, leecherKind]) {
		check(Object.keys(stats.clients).some(name => NAMES[kind].test(name)),
			`${kind} is not in ${JSON.stringify(stats.clients)}`)
	}
	await seeder.leave()
	await tracker.shows({ peersAll: 1, peersSeederOnly: 1 })
	await leecher.leave()
}

const transferOf = (seederKind, leecherKind) => t => transfer(t, seederKind, leecherKind)

/*
 * Two who both seed, and each gets the other's file; the first comes by wss, the second by scheme.
 * A client that tried again under another peer_id still has two memberships.
 */
async function exchange(t, kinds, scheme) {
	const tracker = await newSecureTracker(t)
	const files = [await t.scope.file('one'), await t.scope.file('two')]
	const doors = [tracker, tracker.by(scheme)]
	const two = await Promise.all(kinds.map((kind, i) =>
		peer(t, kind, 'seed', doors[i], files[i])))
	const hashes = await Promise.all(two.map(one => one.hash()))
	const tls = { connections: scheme === 'wss' ? 2 : 1 }
	await tracker.shows({ torrents: 2, peersAll: 2, peersSeederOnly: 2, tls })
	await Promise.all(two.map((one, i) => one.leech(hashes[1 - i])))
	const done = await Promise.all(two.map(one => one.done()))
	done.forEach((each, i) => arrived(each, files[1 - i]))
	await tracker.shows({ torrents: 2, memberships: 4, tls, ...ALL_SEED })
	await Promise.all(two.map(one => one.leave()))
}

const secureOf = kind => t => exchange(t, [kind, kind], 'wss')

const mixed = t => exchange(t, ['node', 'chromium'], 'ws')

/*
 * The certificate is renewed, by another authority, while two are connected. They are found as
 * before, by one who believes the new authority only.
 */
async function renewal(t) {
	const tracker = await newSecureTracker(t)
	const url = `https://127.0.0.1:${tracker.port}/`
	check(await t.browser.issuer(url) === tracker.issuer, 'a page saw another certificate')
	const files = [await t.scope.file('one'), await t.scope.file('two')]
	const two = await Promise.all(['chromium', 'node'].map((kind, i) =>
		peer(t, kind, 'seed', tracker, files[i])))
	const hashes = await Promise.all(two.map(one => one.hash()))
	const before = await tracker.shows({ peersAll: 2, tls: { connections: 2 } })

	const renewed = await certify(t.scope.directory, 'renewed', 'rsa')
	await copyFile(renewed.chain, tracker.chain)
	await copyFile(renewed.key, tracker.key)
	await tracker.reload()
	const { peersAll, tls } = await tracker.stats()
	check(peersAll === 2 && tls.handshakes === before.tls.handshakes, 'somebody was dropped')
	tracker.root = renewed.root
	check(await t.browser.issuer(url) === renewed.issuer, 'a page saw the old certificate')
	const late = await Promise.all(hashes.map(hash => peer(t, 'node', 'leech', tracker, hash)))
	const done = await Promise.all(late.map(one => one.done()))
	done.forEach((each, i) => arrived(each, files[i]))
	await tracker.shows({ peersAll: 4, tls: { connections: 4 } })
	await Promise.all([...two, ...late].map(one => one.leave()))
}

/*
 * Two pages with one of the libraries that use a tracker to meet. When both hold offers, trystero
 * in the page with the lower peer_id leaves the other's unanswered and waits until its own are
 * relayed, with its next announce: so that is made to be after 10 s.
 */
async function meet(t, library) {
	const tracker = await newTracker(t, '--interval', '50000')
	const file = await t.scope.file('one')
	const first = await t.browser.page(t.scope)
	await first.call(library, tracker.url('/'), file.url)
	await tracker.shows({ activeTorrents: 1, peersAll: 1 })
	const second = await t.browser.page(t.scope)
	await second.call(library, tracker.url('/'))
	await tracker.shows({ peersAll: 2 })
	arrived(await second.has('done'), file)
	for (const page of [first, second]) await page.checkIsolation(tracker)
	await first.close()
	await tracker.shows({ peersAll: 1 })
	await second.close()
}

const meetWith = library => t => meet(t, library)

/* Two chatters in Node; gives whether they heard each other. */
async function chat(t, tracker) {
	const program = join(import.meta.dirname, 'bugout-peer.mjs')
	const chatter = (path, text) =>
		new ProcessPeer(t.scope, process.execPath, [program, tracker.url(path), text])
	const [one, two] = [chatter('/1', 'from one'), chatter('/2', 'from two')]
	await tracker.shows({ torrents: 1, peersAll: 2 })
	const heard = await Promise.all([one, two].map(each =>
		each.has('heard', 25_000).catch(() => undefined)))
	await Promise.all([one.leave(), two.leave()])
	await tracker.shows({ torrents: 0, peersAll: 0 })
	return heard[0] === 'from two' && heard[1] === 'from one'
}

/*
 * One in 25 of its connections fails, whatever the tracker, and it tries again only after the
 * interval: so its users, here, start it again.
 */
async function bugout(t) {
	const tracker = await newTracker(t)
	for (let tries = 0; tries < 3; tries++) {
		if (await chat(t, tracker)) return
	}
	throw new Error('they did not hear each other')
}

async function landing(t, tracker, ...args) {
	const program = join(import.meta.dirname, 'landing.mjs')
	const lines = []
	const child = start(process.execPath, [program, ...args], line => lines.push(line),
		tracker.environment())
	t.scope.defer(async () => child.kill('SIGKILL'))
	const status = await child.ended
	check(status === 0, `ended with ${status}: ${lines.join('; ')} ${child.errors}`)
	check(/^[1-9]\d* passed, 0 failed$/.test(lines.at(-1)), `last line: ${lines.at(-1)}`)
}

async function landingByHttp(t) {
	const tracker = await newTracker(t)
	await landing(t, tracker, `http://127.0.0.1:${tracker.port}/`)
}

async function landingByHttps(t) {
	const tracker = await newSecureTracker(t)
	await landing(t, tracker, `https://127.0.0.1:${tracker.port}/`, 'briefly')
}

/* The page of /stats with one peer, then two, and while the tracker is away. */
async function statistics(t) {
	const tracker = await newTracker(t)
	const seeder = await peer(t, 'node', 'seed', tracker, await t.scope.file('one'))
	const hash = await seeder.hash()
	await tracker.shows({ peersAll: 1 })
	let leecher
	await dashboard(t, tracker, async () => {
		leecher = await peer(t, 'node', 'leech', tracker, hash)
		await tracker.shows({ peersAll: 2 })
	})
	await Promise.all([seeder.leave(), leecher.leave()])
	await tracker.shows({ peersAll: 0 })
	await away(t, tracker)
}

/* One seeder, 10 leechers of all kinds at the same time. */
async function swarm(t) {
	const kinds = [
		...Array(4).fill('libtorrent'),
		...Array(4).fill('chromium'),
		...Array(2).fill('node')
	]
	const tracker = await newTracker(t)
	const file = await t.scope.file('one')
	const seeder = await peer(t, 'chromium', 'seed', tracker, file)
	const hash = await seeder.hash()
	await tracker.shows({ peersSeederOnly: 1 })
	const leechers = await Promise.all(kinds.map(kind => peer(t, kind, 'leech', tracker, hash)))
	await tracker.shows({ torrents: 1, peersAll: 11 })
	const all = await Promise.all(leechers.map(leecher => leecher.done()))
	all.forEach((done, index) => arrived({ kind: kinds[index], ...done }, file))
	await tracker.shows({ peersAll: 11, peersSeederOnly: 11, ...ALL_SEED })
	await Promise.all([seeder, ...leechers].map(one => one.leave()))
}

/*
 * No two of these can meet, as each is at a tracker of its own: so no other scenario is green for
 * another reason than the tracker.
 */
async function apart(t) {
	const file = await t.scope.file('one')
	const everybody = []
	const leechers = []
	for (const kind of ['node', 'chromium', 'libtorrent']) {
		const seeder = await peer(t, kind, 'seed', await newTracker(t), file)
		const hash = await seeder.hash()
		const leecher = await peer(t, kind, 'leech', await newTracker(t), hash)
		everybody.push(seeder, leecher)
		leechers.push(leecher)
	}
	for (const tracker of t.scope.trackers) await tracker.shows({ peersAll: 1 })
	const never = leechers.map(leecher => leecher.done(20_000).then(() => true, () => false))
	check(!(await Promise.all(never)).includes(true), 'a leecher was served all the same')
	for (const tracker of t.scope.trackers) await tracker.shows({ peersAll: 1 })
	await Promise.all(everybody.map(one => one.leave()))
}

/* The tracker's own view of one client: what it is told at each step. */
async function announces(t) {
	const tracker = await newTracker(t)
	const child = start(process.execPath,
		[join(import.meta.dirname, 'announcer.mjs'), String(tracker.port)], () => {})
	t.scope.defer(async () => child.kill('SIGKILL'))
	const status = await child.ended
	check(status === 0, `ended with ${status}: ${child.errors}`)
}

/* A seeder, and a newcomer who gets its file. */
async function serves(t, tracker, seeder, leecherKind, file) {
	const leecher = await peer(t, leecherKind, 'leech', tracker, await seeder.hash())
	arrived(await leecher.done(), file)
	await leecher.leave()
}

/* A newcomer to the room with trystero gets its file. */
async function roomServes(t, tracker, file) {
	const late = await t.browser.page(t.scope)
	await late.call('trystero', tracker.url('/'))
	arrived(await late.has('done', 75_000), file)
	await late.checkIsolation(tracker)
	await late.close()
}

/*
 * The tracker dies and comes back on the same port: who was there comes back by itself, and can be
 * found. libtorrent does not notice that the tracker was away; it comes back with its next
 * announce, so that is made to be after 60 s.
 */
async function restart(t) {
	const tracker = await newTracker(t, '--interval', '300000')
	const forNode = await t.scope.file('node')
	const forLibtorrent = await t.scope.file('libtorrent')
	const forTrystero = await t.scope.file('trystero')
	const node = await peer(t, 'node', 'seed', tracker, forNode)
	const libtorrent = await peer(t, 'libtorrent', 'seed', tracker, forLibtorrent)
	await Promise.all([node.hash(), libtorrent.hash()])
	const [first, second] = [await t.browser.page(t.scope), await t.browser.page(t.scope)]
	await first.call('trystero', tracker.url('/'), forTrystero.url)
	await second.call('trystero', tracker.url('/'))
	arrived(await second.has('done'), forTrystero)
	await tracker.shows({ torrents: 3, peersAll: 4 })

	await tracker.kill()
	await sleep(1000)
	await tracker.start()
	await tracker.shows({ torrents: 2, peersAll: 3 }, 60_000)
	await roomServes(t, tracker, forTrystero)
	await serves(t, tracker, node, 'chromium', forNode)
	await tracker.shows({ torrents: 3, peersAll: 4 }, 120_000)
	await serves(t, tracker, libtorrent, 'libtorrent', forLibtorrent)

	await Promise.all([node.leave(), libtorrent.leave(), first.close(), second.close()])
}

/*
 * Those that mostly wait run beside the others, the rest a few at a time; the long ones come
 * first. limit: seconds.
 */
export const scenarios = [
	{ name: 'tracker killed and started again', run: restart, waits: true, limit: 200 },
	{ name: 'nobody meets without a tracker in common', run: apart, waits: true },
	{ name: 'statistics page', run: statistics, waits: true, limit: 200 },
	{ name: 'landing page with itself', run: landingByHttp },
	{ name: 'one seeder, 10 leechers', run: swarm },
	{ name: 'webtorrent in Node, with itself', run: transferOf('node', 'node') },
	{ name: 'webtorrent, Node to Chromium', run: transferOf('node', 'chromium') },
	{ name: 'webtorrent, Chromium to Node', run: transferOf('chromium', 'node') },
	{ name: 'webtorrent in Chromium, with itself', run: transferOf('chromium', 'chromium') },
	{ name: 'libtorrent with itself', run: transferOf('libtorrent', 'libtorrent') },
	{ name: 'libtorrent to webtorrent in Chromium', run: transferOf('libtorrent', 'chromium') },
	{ name: 'webtorrent in Node to libtorrent', run: transferOf('node', 'libtorrent') },
	{ name: 'bittorrent-tracker: start, update, complete, stop, scrape', run: announces },
	{ name: 'trystero in two pages', run: meetWith('trystero') },
	{ name: 'p2pt in two pages', run: meetWith('p2pt') },
	{ name: 'p2p-media-loader in two pages', run: meetWith('media') },
	{ name: 'bugout in two Node processes', run: bugout },
	{ name: 'wss: landing page by https', run: landingByHttps },
	{ name: 'wss: webtorrent in Chromium, with itself', run: secureOf('chromium') },
	{ name: 'wss: webtorrent in Node, with itself', run: secureOf('node') },
	{ name: 'wss and ws: webtorrent, Node with Chromium', run: mixed },
	{ name: 'wss: certificate renewed while peers are connected', run: renewal }
]
