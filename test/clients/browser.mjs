/*
 * browser.mjs - one Chromium for the whole run
 *
 * Each page is in a context of its own, as if in a browser of its own.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { chromium } from 'playwright-core'
import { check, until } from './scope.mjs'

const BYTES = 'application/octet-stream'
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript' }

/*
 * Serves this directory, and the scenarios' files as /file/NAME; with ?part=N, the Nth tenth of
 * the file.
 */
async function serve(files) {
	const server = createServer(async (request, response) => {
		const { pathname, searchParams } = new URL(request.url, 'http://x')
		const path = normalize(pathname)
		const file = path.startsWith('/file/')
			? join(files, path.slice('/file/'.length))
			: join(import.meta.dirname, path)
		try {
			let body = await readFile(file)
			if (searchParams.has('part')) {
				const size = body.length / 10
				const from = size * Number(searchParams.get('part'))
				body = body.subarray(from, from + size)
			}
			response.setHeader('Content-Type', TYPES[extname(file)] ?? BYTES)
			response.end(body)
		} catch {
			response.statusCode = 404
			response.end()
		}
	})
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
	return server
}

export class Browser {
	async start(files) {
		this.server = await serve(files)
		this.origin = `http://127.0.0.1:${this.server.address().port}`
		this.chromium = await chromium.launch({
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			handleSIGINT: false,
			handleSIGTERM: false,
			handleSIGHUP: false,
			args: [
				'--no-sandbox',
				'--disable-dev-shm-usage',
				'--ignore-certificate-errors',
				'--disable-features=WebRtcHideLocalIpsWithMdns',
				'--allow-loopback-in-peer-connection',
				'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
			]
		})
	}

	async stop() {
		await this.chromium?.close()
		this.server?.closeAllConnections()
		this.server?.close()
	}

	async page(scope) {
		const context = await this.chromium.newContext()
		scope.defer(() => context.close())
		const page = new Page(await context.newPage(), context)
		await page.open(this.origin)
		return page
	}

	/* Who signed the certificate that a newcomer is shown. */
	async issuer(url) {
		const context = await this.chromium.newContext()
		try {
			const response = await (await context.newPage()).goto(url)
			return (await response.securityDetails()).issuer
		} finally {
			await context.close()
		}
	}
}

/* A page and what it did: it may talk to the tracker and to us, to nobody else. */
class Page {
	constructor(page, context) {
		this.page = page
		this.context = context
		this.sockets = new Set()
		this.errors = []
		page.on('websocket', socket => this.sockets.add(new URL(socket.url()).origin))
		page.on('pageerror', error => this.errors.push(error.message))
	}

	async open(origin) {
		/* Keeps every list of ICE servers that is asked for. */
		await this.page.addInitScript(() => {
			window.iceServers = []
			window.RTCPeerConnection = class extends window.RTCPeerConnection {
				constructor(config) {
					super(config)
					window.iceServers.push(...(config?.iceServers ?? []))
				}
			}
		})
		await this.page.goto(`${origin}/page.html`)
		await this.page.waitForFunction(() => window.peers)
	}

	async call(name, ...args) {
		await this.page.evaluate(([name, args]) => window.peers[name](...args),
			[name, args])
	}

	state() {
		return this.page.evaluate(() => window.state)
	}

	async has(key, ms) {
		let state
		await until(async () => {
			state = await this.state()
			check(!state.error, `page: ${state.error}`)
			return state[key]
		}, () => `${key} in a page ${this.errors.join(' ')}`, ms)
		return state[key]
	}

	/* Only the tracker may have introduced it. */
	async checkIsolation(tracker) {
		const origins = [...this.sockets].join(' ')
		check(origins === tracker.url(''), `page had sockets to ${origins}`)
		const servers = await this.page.evaluate(() => JSON.stringify(window.iceServers))
		check(servers === '[]', `page used ICE servers ${servers}`)
	}

	async close() {
		await this.context.close()
	}
}
