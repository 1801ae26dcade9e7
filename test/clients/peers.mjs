/*
 * peers.mjs - the three kinds of torrent client behind one face
 *
 * hash() is that of the file it seeds, done() says what it has got. Those in Node and in pages can
 * leech() too while they seed.
 */
import { basename, join } from 'node:path'
import { check, sleep, start, until } from './scope.mjs'

const here = import.meta.dirname

/* A client in a process of its own that writes lines of JSON. */
export class ProcessPeer {
	constructor(scope, command, args, environment) {
		this.heard = {}
		this.name = basename(args[0])
		this.child = start(command, args,
			line => Object.assign(this.heard, JSON.parse(line)), environment)
		this.child.ended.then(status => { this.status = status })
		scope.defer(async () => {
			this.child.kill('SIGKILL')
			await this.child.ended
		})
	}

	async has(key, ms) {
		await until(() => {
			check(this.status === undefined,
				`${this.name} ended with ${this.status}: ${this.child.errors}`)
			return this.heard[key]
		}, () => `"${key}" from ${this.name}`, ms)
		return this.heard[key]
	}

	hash() {
		return this.has('hash')
	}

	done(ms = 60_000) {
		return this.has('done', ms)
	}

	async leave() {
		this.child.stdin.end()
		const tooLate = sleep(10_000).then(() => 'no end')
		const status = await Promise.race([this.child.ended, tooLate])
		check(status === 0, `${this.name} at its end: ${status} ${this.child.errors}`)
	}
}

/* webtorrent in Node. */
class NodePeer extends ProcessPeer {
	constructor(scope, tracker, url, files) {
		const program = join(here, 'webtorrent-peer.mjs')
		super(scope, process.execPath, [program, url, ...files], tracker.environment())
	}

	async leech(hash) {
		this.child.stdin.write(`${hash}\n`)
	}
}

/* webtorrent in a page. */
class PagePeer {
	constructor(page, tracker, url) {
		this.page = page
		this.tracker = tracker
		this.url = url
	}

	async seed(file) {
		await this.page.call('seed', this.url, file.url)
	}

	async leech(hash) {
		await this.page.call('leech', this.url, hash)
	}

	hash() {
		return this.page.has('hash')
	}

	done(ms = 60_000) {
		return this.page.has('done', ms)
	}

	async leave() {
		await this.page.checkIsolation(this.tracker)
		await this.page.close()
	}
}

let paths = 0

const makers = {
	async chromium(t, role, tracker, what) {
		const page = await t.browser.page(t.scope)
		const one = new PagePeer(page, tracker, tracker.url(`/${++paths}`))
		await one[role](what)
		return one
	},

	async node(t, role, tracker, what) {
		const files = role === 'seed' ? [what.path] : []
		const one = new NodePeer(t.scope, tracker, tracker.url(`/${++paths}`), files)
		if (role === 'leech') await one.leech(what)
		return one
	},

	async libtorrent(t, role, tracker, what) {
		/* It refuses trackers on loopback whose path is another. */
		const args = [join(here, 'libtorrent-peer.py'), role, tracker.url('/announce')]
		if (role === 'seed') args.push(what.path)
		else args.push(what, await t.scope.folder(`libtorrent-${++paths}`))
		return new ProcessPeer(t.scope, join(here, 'venv/bin/python'), args)
	}
}

/*
 * kind is a maker's name; role is 'seed' or 'leech'; what is the file for a seeder and the
 * info_hash for a leecher.
 */
export function peer(t, kind, role, tracker, what) {
	return makers[kind](t, role, tracker, what)
}

export function checkArrived(done, file, size) {
	check(done.sha256 === file.sha256, `another SHA-256 than the file: ${JSON.stringify(done)}`)
	check(done.received >= size, `received only ${done.received} bytes from peers`)
}
