/*
 * landing.mjs - the landing page in Chromium, used as a newcomer uses it
 *
 *	node landing.mjs http://127.0.0.1:PORT/ [briefly]
 *
 * Needs a running tracker that serves the page; with https:// the tracker's URL must be wss://.
 * Briefly is up to a file each way. CHROMIUM names the browser. With SHOTS=DIR screenshots of each
 * state are left there. Every check is a line `ok NAME` or `not ok NAME why`; the last line is
 * `N passed, N failed`, and the exit status is 1 if any failed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const base = new URL(process.argv[2] ?? 'http://127.0.0.1:8000/')
const tracker = `${base.protocol === 'https:' ? 'wss' : 'ws'}://${base.host}`
const LONGEST = 15000 /* ms for anything to happen */
const PAGE_MAX = 10240 /* bytes */
const STEPS = ['announced', 'offer', 'answer', 'connected', 'bytes']

/* A name that is no secure context, as a plain http tracker in a network is. */
const PLAIN = 'tracker.test'

let passed = 0
let failed = 0
const complaints = [] /* console errors, exceptions and policy violations of all pages */

async function test(name, run) {
	try {
		await run()
		passed++
		console.log(`ok ${name}`)
	} catch (error) {
		failed++
		console.log(`not ok ${name} ${error.message.split('\n')[0]}`)
	}
}

function check(condition, why) {
	if (!condition) throw new Error(why)
}

function same(got, wanted, what) {
	check(got === wanted, `${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`)
}

async function until(condition, why) {
	const end = Date.now() + LONGEST
	while (!await condition()) {
		check(Date.now() < end, why)
		await new Promise(done => setTimeout(done, 50))
	}
}

const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')
const count = number => number.toLocaleString('en')
const text = (page, selector) => page.locator(selector).textContent()
const stats = async () => (await fetch(new URL('stats.json', base))).json()

function watch(page) {
	page.setDefaultTimeout(LONGEST)
	page.on('console', message => {
		if (message.type() === 'error') complaints.push(message.text())
	})
	page.on('pageerror', error => complaints.push(error.message))
}

/* A context whose pages are watched; record collects the URLs that they ask for. */
async function newcomer(browser, options = {}, record = []) {
	const context = await browser.newContext(options)
	context.on('page', watch)
	context.on('request', request => record.push(request.url()))
	return context
}

async function open(context, url = base.href) {
	const page = await context.newPage()
	await page.goto(url)
	return page
}

async function second(page) {
	const opened = page.context().waitForEvent('page')
	await page.bringToFront()
	await page.click('#second')
	const other = await opened
	await other.waitForLoadState()
	return other
}

const connected = (...pages) =>
	Promise.all(pages.map(page => page.waitForSelector('#file:enabled')))

const choose = (page, name, bytes) =>
	page.setInputFiles('#file', { name, mimeType: 'application/octet-stream', buffer: bytes })

const drop = (page, name, bytes) => page.evaluate(([name, base64]) => {
	const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0))
	const dataTransfer = new DataTransfer()
	dataTransfer.items.add(new File([bytes], name))
	const zone = document.querySelector('label span')
	for (const type of ['dragover', 'drop']) {
		const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer })
		if (zone.dispatchEvent(event)) throw new Error(`${type} was left to the browser`)
	}
}, [name, bytes.toString('base64')])

async function save(page, name) {
	const link = page.locator('#files a', { hasText: name })
	await link.waitFor()
	await page.bringToFront()
	const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
	same(download.suggestedFilename(), name, 'saved as')
	return readFileSync(await download.path())
}

async function arrives(page, name, bytes) {
	same(sha256(await save(page, name)), sha256(bytes), 'SHA-256 of what arrived')
}

async function noOverflow(page, state) {
	const [content, window] = await page.evaluate(() =>
		[document.documentElement.scrollWidth, document.documentElement.clientWidth])
	check(content <= window, `${state}: ${content} px of content in ${window} px`)
}

async function picture(page, name) {
	const folder = process.env.SHOTS
	if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

async function haveBecome(peers) {
	await until(async () => (await stats()).peersAll === peers, `not ${peers} peers`)
}

async function beforeTheClick({ a, sockets }) {
	await test('page is small and has a strict policy', async () => {
		const response = await fetch(base)
		const body = Buffer.from(await response.arrayBuffer())
		check(body.length <= PAGE_MAX, `${body.length} bytes`)
		const policy = /Content-Security-Policy"? content="([^"]+)"/.exec(body)?.[1]
		check(/^default-src 'none';/.test(policy), `policy: ${policy}`)
		check(!/unsafe|\*/.test(policy), `policy: ${policy}`)
	})
	await test('URL of the tracker', async () => {
		const places = await a.locator('.url').allTextContents()
		for (const place of places) same(place, tracker, 'URL')
	})
	await test('URL is copied', async () => {
		await a.locator('.box button').first().click()
		await a.locator('.box button', { hasText: 'Copied' }).waitFor()
		same(await a.evaluate(() => navigator.clipboard.readText()), tracker, 'clipboard')
	})
	await test('numbers are those of /stats.json', async () => {
		const keys = ['torrents', 'peersAll', 'peersSeederOnly', 'peersLeecherOnly',
			'peersSeederAndLeecher']
		for (const key of keys) {
			const shown = () => text(a, `#${key}`)
			await until(async () => await shown() === count((await stats())[key]),
				`${key} is ${await shown()}`)
		}
	})
	await test('nothing is announced before the click', async () => {
		same(sockets.length, 0, 'WebSockets')
		for (const id of STEPS)
			same(await a.getAttribute(`#${id}`, 'class'), null, `class of ${id}`)
	})
	await picture(a, 'idle')
}

async function theClick({ a, sockets }) {
	await test('click: announced, and alone', async () => {
		await a.click('#go')
		await a.waitForSelector('#announced.done')
		same(sockets[0], `${tracker}/`, 'WebSocket')
		check(/#[0-9a-f]{40}$/.test(a.url()), a.url())
		same(await text(a, '#link'), a.url(), 'link')
		check(await a.isDisabled('#file'), 'a file can be chosen for nobody')
	})
	await picture(a, 'alone')
}

async function secondTab(visit) {
	const { a, before } = visit
	await test('second tab: the steps to a connection', async () => {
		const b = visit.b = await second(a)
		same(b.url(), a.url(), 'URL of the second tab')
		await connected(a, b)
		for (const page of [a, b]) {
			for (const id of STEPS.slice(0, 4))
				await page.waitForSelector(`#${id}.done`)
		}
		const told = (page, id) => text(page, `#${id} span`)
		same(await told(b, 'offer'), 'Sent', 'offer of the second')
		same(await told(b, 'answer'), 'Received', 'answer to the second')
		same(await told(a, 'offer'), 'Received', 'offer to the first')
		same(await told(a, 'answer'), 'Sent', 'answer of the first')
	})
	await picture(a, 'connected')
	await test('the two are in /stats.json', () => haveBecome(before.peersAll + 2))
}

async function fileEachWay({ a, b }) {
	await test('a chosen file arrives', async () => {
		const bytes = randomBytes(300000)
		await choose(a, 'chosen.bin', bytes)
		await arrives(b, 'chosen.bin', bytes)
		for (const [page, word] of [[a, 'sent'], [b, 'received']]) {
			await page.locator('#files', { hasText: `chosen.bin ${word}` }).waitFor()
			const sum = `SHA-256 ${sha256(bytes)}`
			await page.locator('#files', { hasText: sum }).waitFor()
			same(await text(page, '#bytes span'), `300,000 of 300,000 ${word}`, 'bytes')
			await page.waitForSelector('#bytes.done')
		}
	})
	await picture(a, 'sent')
	await picture(b, 'received')
	await test('a dropped file arrives in the other direction', async () => {
		const bytes = randomBytes(300001)
		await drop(b, 'dropped.bin', bytes)
		await arrives(a, 'dropped.bin', bytes)
	})
}

async function moreFiles({ a, b }) {
	await test('4 MB, which must wait for the channel, arrive', async () => {
		const bytes = randomBytes(4 << 20)
		await choose(a, 'large.bin', bytes)
		await arrives(b, 'large.bin', bytes)
	})
	await test('an empty file arrives', async () => {
		await choose(b, 'empty.bin', Buffer.alloc(0))
		await arrives(a, 'empty.bin', Buffer.alloc(0))
	})
	await test('two files at once arrive', async () => {
		const one = randomBytes(200000)
		const two = randomBytes(100000)
		await drop(a, 'one.bin', one)
		await drop(a, 'two.bin', two)
		await arrives(b, 'one.bin', one)
		await arrives(b, 'two.bin', two)
	})
	await test('a name is text, not markup', async () => {
		await choose(a, '<img src=x onerror=document.title=1>', randomBytes(100))
		await b.locator('#files a', { hasText: '<img src=x' }).waitFor()
		same(await b.locator('img').count(), 0, 'images')
	})
}

async function comeAndGo(visit) {
	const { a } = visit
	await test('a third tab joins', async () => {
		const c = await second(a)
		await connected(c)
		const bytes = randomBytes(50000)
		await choose(c, 'third.bin', bytes)
		await Promise.any([a, visit.b].map(page => arrives(page, 'third.bin', bytes)))
		await c.close()
	})
	await test('a tab that leaves is missed, and can come back', async () => {
		await visit.b.close()
		await a.waitForSelector('#connected.bad')
		check(await a.isDisabled('#file'), 'a file can be chosen for nobody')
		await picture(a, 'left')
		visit.b = await second(a)
		await connected(a, visit.b)
		const bytes = randomBytes(1000)
		await choose(visit.b, 'again.bin', bytes)
		await arrives(a, 'again.bin', bytes)
	})
}

async function visitWith(browser, ...parts) {
	const requests = []
	const sockets = []
	const before = await stats()
	const context = await newcomer(browser, { permissions: ['clipboard-read'] }, requests)
	context.on('page', page => page.on('websocket', socket => sockets.push(socket.url())))
	const visit = { a: await open(context), sockets, before }
	for (const part of parts) await part(visit)
	await test('nothing came from outside', () => {
		for (const url of requests)
			check(/^(data|blob):/.test(url) || new URL(url).host === base.host, url)
	})
	await context.close()
	await test('all have left /stats.json', () => haveBecome(before.peersAll))
}

const firstFile = browser => visitWith(browser, beforeTheClick, theClick, secondTab, fileEachWay)

const firstMinute = browser =>
	visitWith(browser, beforeTheClick, theClick, secondTab, fileEachWay, moreFiles, comeAndGo)

/* Two who click for themselves are not put together. */
async function strangers(browser) {
	await test('strangers do not meet', async () => {
		const context = await newcomer(browser)
		const pages = [await open(context), await open(context)]
		for (const page of pages) await page.click('#go')
		for (const page of pages) await page.waitForSelector('#announced.done')
		await new Promise(done => setTimeout(done, 1000))
		for (const page of pages) check(await page.isDisabled('#file'), 'they have met')
		await context.close()
	})
}

/* The socket of each page goes through here, so that it can be cut. */
async function lostTracker(browser) {
	const context = await newcomer(browser)
	const ends = new Set()
	let down = false
	await context.routeWebSocket(/./, page => {
		if (down) return page.close()
		ends.add(page).add(page.connectToServer())
	})
	const a = await open(context)
	await a.click('#go')
	const b = await second(a)
	await connected(a, b)

	await test('a lost tracker is told, and does not end the transfer', async () => {
		down = true
		for (const end of ends) await end.close()
		await a.waitForSelector('#announced.bad')
		const bytes = randomBytes(200000)
		await choose(a, 'without.bin', bytes)
		await arrives(b, 'without.bin', bytes)
	})
	await test('the tracker is found again', async () => {
		down = false
		await a.waitForSelector('#announced.done')
		await b.waitForSelector('#announced.done')
		await b.close()
		await a.waitForSelector('#connected.bad')
		await connected(await second(a), a)
	})
	await context.close()
}

async function refused(browser) {
	await test('a failure reason is shown', async () => {
		const context = await newcomer(browser)
		await context.routeWebSocket(/./, page => page.onMessage(() =>
			page.send('{"action":"announce","failure reason":"<b>full</b>"}')))
		const page = await open(context)
		await page.click('#go')
		await page.waitForSelector('#announced.bad')
		same(await text(page, '#announced span'), '<b>full</b>', 'reason')
		await context.close()
	})
}

/*
 * The other side may be anybody: it says what the page would never say. Exceptions are how the page
 * refuses, so these pages are not watched.
 */
async function hostile(browser) {
	const context = await browser.newContext()
	context.setDefaultTimeout(LONGEST)
	const a = await open(context)
	await a.click('#go')
	const b = await second(a)
	await connected(a, b)
	const say = (size, messages) => a.evaluate(([size, messages]) => new Promise(done => {
		const [peer] = peers.values()
		const channel = peer.createDataChannel('hostile', { protocol: size })
		channel.onclose = () => done('closed')
		channel.onopen = () => {
			for (const message of messages) {
				const bytes = typeof message === 'number'
				channel.send(bytes ? new Uint8Array(message) : message)
			}
			setTimeout(done, 500, 'open')
		}
	}), [size, messages])

	await test('a file over the limit is refused', async () => {
		same(await say('268435457', []), 'closed', 'channel')
		same(await say('1e300', []), 'closed', 'channel')
		same(await say('NaN', []), 'closed', 'channel')
	})
	await test('more bytes than announced are not taken', async () => {
		await say('10', [6, 6])
		await say('-1', [1])
		await say('10', ['text'])
		same(await b.locator('#files a').count(), 0, 'files')
	})
	await test('and the next file arrives', async () => {
		const bytes = randomBytes(1000)
		await choose(a, 'next.bin', bytes)
		await arrives(b, 'next.bin', bytes)
	})
	await context.close()
}

/* Plain http from another machine: no navigator.clipboard, no crypto.subtle. */
async function plainHttp(browser) {
	await test('works where the browser holds plain http for insecure', async () => {
		const context = await newcomer(browser)
		const url = new URL(base)
		url.hostname = PLAIN
		const a = await open(context, url.href)
		same(await a.evaluate(() => isSecureContext), false, 'secure context')
		same(await text(a, '.url >> nth=0'), `ws://${url.host}`, 'URL')
		await a.locator('.box button').first().click()
		await a.locator('.box button', { hasText: /Copied|Selected/ }).waitFor()
		const selection = await a.evaluate(() => String(getSelection()))
		same(selection, `ws://${url.host}`, 'selection')
		await a.click('#go')
		const b = await second(a)
		await connected(a, b)
		const bytes = randomBytes(100000)
		await choose(a, 'plain.bin', bytes)
		await arrives(b, 'plain.bin', bytes)
		check(!/SHA/.test(await text(b, '#files')), 'a sum without crypto.subtle')
		await context.close()
	})
}

async function looks(browser) {
	for (const [name, width, height, colorScheme] of [['phone', 360, 800, 'light'],
		['desk', 1280, 900, 'dark'], ['wide', 1920, 1080, 'light']]) {
		await test(`fits ${name}`, async () => {
			const viewport = { width, height }
			const context = await newcomer(browser, { viewport, colorScheme })
			const a = await open(context)
			await noOverflow(a, 'idle')
			await picture(a, `${name}-1-idle`)
			await a.click('#go')
			const b = await second(a)
			await connected(a, b)
			await noOverflow(a, 'connected')
			await picture(a, `${name}-2-connected`)
			await choose(a, `${'very-'.repeat(20)}long.jpg`, randomBytes(300000))
			await b.locator('#files a').waitFor()
			await a.locator('#files a').waitFor()
			await noOverflow(b, 'received')
			await picture(a, `${name}-3-sent`)
			await picture(b, `${name}-4-received`)
			await context.close()
		})
	}
}

/* Without a mouse: everything is reached by Tab, and the file field shows that it is. */
async function keyboard(browser) {
	await test('usable with the keyboard', async () => {
		const context = await newcomer(browser)
		const a = await open(context)
		const tabTo = async (page, id) => {
			for (let i = 0; i < 12; i++) {
				await page.keyboard.press('Tab')
				const at = await page.evaluate(() => document.activeElement.id)
				if (at === id) return
			}
			check(false, `Tab does not reach ${id}`)
		}
		const chooser = a.waitForEvent('filechooser') /* takes effect a moment later */
		await tabTo(a, 'go')
		await a.keyboard.press('Enter')
		await a.waitForSelector('#announced.done')
		await tabTo(a, 'second')
		const opened = context.waitForEvent('page')
		await a.keyboard.press('Enter')
		await connected(a, await opened)
		await tabTo(a, 'file')
		const outline = await a.locator('label span').evaluate(span =>
			getComputedStyle(span).outlineStyle)
		same(outline, 'solid', 'outline')
		await a.keyboard.press('Enter')
		await chooser
		await context.close()
	})
}

const parts = process.argv[3] === 'briefly' ? [firstFile] :
	[firstMinute, strangers, lostTracker, refused, hostile, plainHttp, keyboard, looks]
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: [
		'--headless',
		'--no-sandbox',
		'--disable-gpu',
		'--disable-quic',
		'--no-first-run',
		'--disable-background-networking',
		'--disable-component-update',
		'--disable-sync',
		'--disable-features=WebRtcHideLocalIpsWithMdns',
		'--allow-loopback-in-peer-connection',
		'--ignore-certificate-errors',
		`--host-resolver-rules=MAP ${PLAIN} ${base.hostname}`
	]
})
try {
	for (const part of parts) await part(browser)
	await test('no errors in any console', () =>
		check(complaints.length === 0, complaints.join(' | ')))
} catch (error) {
	failed++
	console.log(`not ok run ${error.message.split('\n')[0]}`)
} finally {
	await browser.close()
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed ? 1 : 0
