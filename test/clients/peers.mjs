/*
 * The three kinds of torrent client behind one face: seed or leech, then
 * hash(), done() and leave().
 */
import { join } from 'node:path'
import { check, sleep, start, until } from './scope.mjs'

const here = import.meta.dirname

/* A client in a process of its own that writes lines of JSON. */
export class ProcessPeer {
	constructor(scope, command, args) {
		this.heard = {}
		this.child = start(command, args,
			line => Object.assign(this.heard, JSON.parse(line)))
		this.child.ended.then(status => { this.status = status })
		scope.defer(async () => {
			this.child.kill('SIGKILL')
			await this.child.ended
		})
	}

	async has(key, ms) {
		await until(() => {
			check(this.status === undefined,
				`client ended with ${this.status}: ${this.child.errors}`)
			return this.heard[key]
		}, () => `"${key}" from a client`, ms)
		return this.heard[key]
	}

	hash() {
		return this.has('hash')
	}

	done(ms) {
		return this.has('done', ms)
	}

	async leave() {
		this.child.stdin.end()
		const tooLate = sleep(10_000).then(() => 'no end')
		const status = await Promise.race([this.child.ended, tooLate])
		check(status === 0, `client at its end: ${status} ${this.child.errors}`)
	}
}

/* webtorrent in a page. */
class PagePeer {
	constructor(page, tracker) {
		this.page = page
		this.tracker = tracker
	}

	hash() {
		return this.page.has('hash')
	}

	async done(ms) {
		return this.page.has('done', ms)
	}

	async leave() {
		await this.page.checkIsolation(this.tracker)
		await this.page.close()
	}
}

let paths = 0

/*
 * kind is 'node', 'chromium' or 'libtorrent'; role is 'seed' or 'leech'; what
 * is the file for a seeder and the info_hash for a leecher.
 */
export async function peer(t, kind, role, tracker, what) {
	const number = ++paths
	/* libtorrent refuses trackers on loopback whose path is another. */
	const url = tracker.url(kind === 'libtorrent' ? '/announce' : `/${number}`)
	if (kind === 'chromium') {
		const page = await t.browser.page(t.scope)
		await page.call(role, url, role === 'seed' ? what.url : what)
		return new PagePeer(page, tracker)
	}
	const args = [role, url, role === 'seed' ? what.path : what]
	if (kind === 'node') {
		const program = join(here, 'webtorrent-peer.mjs')
		return new ProcessPeer(t.scope, process.execPath, [program, ...args])
	}
	const program = join(here, 'libtorrent-peer.py')
	if (role === 'leech') args.push(await t.scope.folder(`libtorrent-${number}`))
	return new ProcessPeer(t.scope, join(here, 'venv/bin/python'), [program, ...args])
}

export function checkArrived(done, file, size) {
	check(done.sha256 === file.sha256, `another SHA-256 than the file: ${JSON.stringify(done)}`)
	check(done.received >= size, `received only ${done.received} bytes from peers`)
}
