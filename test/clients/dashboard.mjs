/*
 * dashboard.mjs - /stats in Chromium, as a reader sees it
 *
 * On a telephone and on a large screen, light and dark: no axe-core violation, no message in the
 * console (what the policy forbids is one), nothing wider than the window, no request to anybody
 * else. New numbers come by themselves, and without scripts all is there too.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { check, until } from './scope.mjs'

const PAGE_MAX = 40 * 1024 /* bytes */
const FIRST_SAMPLE = 75_000 /* ms; a sample is taken each minute */
const RENEWED = 15_000 /* ms */
const PATHS = ['/stats', '/stats/day', '/stats/month']
const WIDTHS = [360, 1920]
const SCHEMES = ['light', 'dark']

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const peers = page =>
	page.locator('.tiles div', { has: page.getByText('Peers', { exact: true }) })
		.locator('dd').first().textContent()

/* A page of its own, and what it said and asked for. */
async function open(t, tracker, path, options = {}) {
	const context = await t.browser.chromium.newContext(options)
	t.scope.defer(() => context.close())
	const page = await context.newPage()
	page.origin = `http://127.0.0.1:${tracker.port}`
	page.complaints = []
	page.on('console', message => page.complaints.push(message.text()))
	page.on('pageerror', error => page.complaints.push(error.message))
	page.on('request', request => {
		const { origin, protocol } = new URL(request.url())
		if (origin !== page.origin && protocol !== 'data:') page.complaints.push(request.url())
	})
	const response = await page.goto(page.origin + path)
	check(response.status() === 200, `${path}: ${response.status()}`)
	const policy = response.headers()['content-security-policy'] ?? ''
	check(policy.startsWith("default-src 'none';") && !policy.includes('unsafe'),
		`${path}: policy ${policy}`)
	const { length } = await response.body()
	check(length <= PAGE_MAX, `${path} has ${length} bytes`)
	return page
}

async function close(page, what) {
	check(page.complaints.length === 0, `${what}: ${page.complaints.join(' | ')}`)
	await page.context().close()
}

async function fits(page, what) {
	const [content, width] = await page.evaluate(() =>
		[document.documentElement.scrollWidth, document.documentElement.clientWidth])
	check(content <= width, `${what}: ${content} px of content in ${width} px`)
}

/* With its tables closed and open. */
async function look(page, what) {
	await fits(page, what)
	await page.evaluate(axe)
	for (const opened of [false, true]) {
		await page.evaluate(opened => {
			for (const one of document.querySelectorAll('details')) one.open = opened
		}, opened)
		await fits(page, what)
		const { violations, passes } = await page.evaluate(() => window.axe.run())
		check(passes.length > 10, `${what}: axe-core looked at nothing`)
		check(violations.length === 0, `${what}: ${violations.map(({ id, nodes }) =>
			`${id} ${nodes[0].html.slice(0, 80)}`).join(' | ')}`)
	}
}

async function everywhere(t, tracker, paths) {
	for (const path of paths) for (const width of WIDTHS) for (const colorScheme of SCHEMES) {
		const what = `${path} at ${width} px, ${colorScheme}`
		const page = await open(t, tracker, path,
			{ viewport: { width, height: 900 }, colorScheme })
		await look(page, what)
		const folder = process.env.SHOTS
		const name = what.replace(/\W+/g, '-')
		if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
		await close(page, what)
	}
}

/* How many graphs there are, each with a name, a table of at most 24 rows and lines to see. */
async function graphs(page, what) {
	const found = await page.evaluate(() => [...document.querySelectorAll('.graphs section')]
		.map(section => ({
			label: section.querySelector('svg[role=img]')?.getAttribute('aria-label'),
			rows: section.querySelectorAll('details tr').length - 1,
			lines: section.querySelectorAll('path[d]:not([d=""]):not(.g):not(#gaps)').length
		})))
	check(found.length >= 6, `${what} has ${found.length} graphs`)
	for (const { label, rows, lines } of found) {
		check(/minimum .+, mean .+, maximum .+, latest .+/.test(label), `${what}: ${label}`)
		check(rows >= 12 && rows <= 24 && lines >= 1, `${what}: ${label}: ${rows} rows, ${lines} lines`)
	}
}

/* A newcomer is counted without a reload; what is open and where it is scrolled to stays. */
async function renews(page, newcomer) {
	check(await peers(page) === '1', `${await peers(page)} peers`)
	await page.locator('summary').first().click()
	const before = await page.evaluate(() => {
		window.mark = true
		document.querySelector('.clients').scrollIntoView()
		return window.scrollY
	})
	await newcomer()
	await until(async () => await peers(page) === '2', () => 'second peer', RENEWED)
	const [mark, after, opened] = await page.evaluate(() =>
		[window.mark, window.scrollY, document.querySelector('details').open])
	check(mark, 'it was loaded anew')
	check(before > 0 && Math.abs(after - before) < 50, `scrolled from ${before} to ${after}`)
	check(opened, 'a table was closed')
}

async function withoutScripts(t, tracker) {
	const page = await open(t, tracker, '/stats',
		{ javaScriptEnabled: false, viewport: { width: 360, height: 800 } })
	check(await peers(page) === '2', 'without scripts the peers are not there')
	await graphs(page, 'without scripts')
	await fits(page, 'without scripts')
	const table = page.locator('.graphs table').first()
	check(!await table.isVisible(), 'a table is open')
	await page.locator('summary').first().click()
	check(await table.isVisible(), 'a table does not open')
	await page.getByRole('link', { name: 'Month' }).click()
	await page.waitForURL('**/stats/month')
	await page.getByRole('link', { name: 'Hour' }).click()
	await page.waitForURL(/\/stats$/)
	await close(page, 'without scripts')
}

/* newcomer() connects a second peer, beside the one that there is. */
export async function dashboard(t, tracker, newcomer) {
	const long = await open(t, tracker, '/stats', { viewport: { width: 768, height: 700 } })
	await everywhere(t, tracker, ['/stats'])
	await until(() => long.evaluate(() => document.querySelector('svg[role=img]') !== null),
		() => 'graph', FIRST_SAMPLE)
	await renews(long, newcomer)
	await graphs(long, 'the page that was open')
	await everywhere(t, tracker, PATHS)
	await withoutScripts(t, tracker)
	await close(long, 'the page that was open')
}

/* While the tracker is away the page says so, and shows what it had. */
export async function away(t, tracker) {
	const page = await open(t, tracker, '/stats')
	const note = page.locator('#note')
	check(await note.textContent() === '', 'it says that the numbers are old')
	/* It may be a second old. */
	await until(async () => await peers(page) === '0', () => 'peers gone', RENEWED)
	await tracker.kill()
	await until(async () => /does not answer/.test(await note.textContent()), () => 'note', RENEWED)
	check(await peers(page) === '0', 'the numbers are gone')
	await tracker.start()
	await until(async () => await note.textContent() === '', () => 'end of the note', RENEWED)
	await page.context().close()
}
